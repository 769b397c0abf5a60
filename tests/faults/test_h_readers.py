"""FAULTS, H18: whatever file a user was sent, the trainers refuse it in a second with a line that names it."""

from __future__ import annotations

import contextlib
import io
import os
import random
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

errors = pytest.importorskip("trainers.errors")
from realtime.calibration import calibration_files
from realtime.calibration.errors import CalibrationError
from trainers.data import motion, multiview, views
from trainers.data.mocap import asf_amc, bvh
from trainers.data.public import camera_table, skeletool
from trainers.data.shards import burst_bank, burst_shards, clip_shards, detector_model

HUGE = 1 << 45  # bytes, of a file with a hole


def named(file: str, read):
    """Put the hostile thing under this name into a folder and read it as the trainers do."""
    return lambda folder: (folder / file, lambda: read(folder / file))


READERS = {
    "motion": named("subject_01.npz", lambda path: motion.load(path.parent)),
    "motion's index": named("index.json", motion._actions),
    "views": named("views_S1.npz", lambda path: views.load(path.parent)),
    "clips": named("shard_00000.npz", lambda path: list(clip_shards.read_clips(path.parent))),
    "bursts": named("shard_00000.npz", lambda path: burst_shards.read_bursts(path.parent)),
    "bursts' settings": named("synthesis.json", lambda path: burst_bank._part(path.parent)),
    "model": named("synthesis.json", lambda path: detector_model.detector_of(path.parent)),
    "reference": named("reference.npz", multiview.read_reference),
    "cameras": named("calibration.json", multiview.read_calibration),
    "TOML": named("cameras.toml", calibration_files.read_cameras),
    "Qualisys": named("cameras.qca.txt", calibration_files.read_cameras),
    "table": named("cameras.json", camera_table.read_cameras),
    "Python's table": named("cameras.py", camera_table.read_cameras),
    "Skeletool": named("camera.calibration", skeletool.read_calibration),
    "BVH": named("a.bvh", bvh.read_bvh),
    "ASF": named("a.asf", asf_amc.read_asf),
}


def sparse(path: Path) -> None:
    path.touch()
    try:
        os.truncate(path, HUGE)
    except OSError:
        os.truncate(path, 1 << 40)


THINGS = {
    "a pipe": os.mkfifo if hasattr(os, "mkfifo") else None,
    "far too large": sparse,
    "nested without end": lambda path: path.write_bytes(b"[" * 200_000),
    "nested without end, in an assignment": lambda path: path.write_bytes(b"a_intrinsic_params = " + b"[" * 5000),
    "no text": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "nothing": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("reader", READERS)
def test_h18_what_is_no_such_file_is_refused_in_a_second(tmp_path, reader, thing):
    path, read = READERS[reader](tmp_path)
    if THINGS[thing] is None:
        pytest.skip("no pipes in folders here")
    THINGS[thing](path)
    began = time.process_time()
    if (
        os.path.exists(path)
        and thing == "a pipe"
        and reader in ("motion's index", "reference", "cameras", "model", "TOML", "Qualisys")
    ):
        read_or_refused(read)  # these ask for a regular file first: as if there were none
    else:
        with pytest.raises((errors.UserError, CalibrationError, OSError)):
            read()
    assert time.process_time() - began < 1.0


def read_or_refused(read) -> None:
    with contextlib.suppress(errors.UserError, CalibrationError):
        read()


def whole_reference(path: Path) -> None:
    names = ("left_shoulder", "right_shoulder", "left_hip")
    multiview.write_reference(path, multiview.ReferenceJoints(np.zeros((5, 3, 3)), names, 30.0))


def whole_bursts(path: Path) -> None:
    shapes = {name: shape for name, (shape, _, _) in burst_shards.FRAME.items()}
    rows = [{name: np.zeros(shape) for name, shape in shapes.items()} for _ in range(4)]
    scenes = {name: np.ones((2, *shape)) for name, shape in burst_shards.SCENE.items()}
    burst_shards.write_bursts(path.parent, 0, scenes, rows)


WHOLE = {"reference": whole_reference, "bursts": whole_bursts}


@pytest.mark.parametrize("reader", WHOLE)
def test_h18_fuzzed_arrays_are_read_or_refused(tmp_path, reader):
    path, read = READERS[reader](tmp_path)
    WHOLE[reader](path)
    read()
    whole, draw = path.read_bytes(), random.Random(3)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data[: draw.choice([len(data), draw.randrange(len(data))])])
        read_or_refused(read)


def member(values) -> bytes:
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def claims(count: int) -> bytes:
    """An array whose header promises far more numbers than follow."""
    return member(np.zeros(3, np.float32)).replace(b"(3,), }         ", f"({count},), }}".encode().ljust(16))


BAD_BURSTS = {
    "scenes that are not there": {"scene": np.array([0, 1, 7, 0])},
    "no scene": {"scene": np.array([-1, 0, 0, 0])},
    "places that are no numbers": {"root": np.full((4, 3), np.nan, np.float32)},
    "words": {"root": np.array([["a"] * 3] * 4)},
    "other joints": {"xyz": np.zeros((4, 12, 3), np.int16)},
    "a number that claims to be nine gigabytes": {"root": claims(9**9)},
}


@pytest.mark.parametrize("what", BAD_BURSTS)
def test_h18_bursts_that_cannot_be_are_refused(tmp_path, what):
    path, read = READERS["bursts"](tmp_path)
    whole_bursts(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in (arrays | BAD_BURSTS[what]).items():
            archive.writestr(f"{name}.npy", value if isinstance(value, bytes) else member(value))
    with pytest.raises(errors.UserError, match=r"shard_00000\.npz"):
        read()


def test_h18_a_reference_of_words_is_refused(tmp_path):
    path, read = READERS["reference"](tmp_path)
    np.savez(path, xyz=np.array([[["a"] * 3] * 2]), joints=np.array(["left_hip", "right_hip"]), fps=np.float64(30))
    with pytest.raises(errors.UserError, match="of another kind"):
        read()
