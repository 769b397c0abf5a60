"""FAULTS, group H: hostile engine folders, an altered detector model, fuzzed motion files, libraries that call home."""

from __future__ import annotations

import io
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from engines import npz, store
from engines.errors import EngineError
from engines.manifest import GOLDEN, MANIFEST
from realtime.doctor import command as doctor
from realtime.doctor import packages, wire_check
from realtime.recording.file_format import RecordingWriter
from realtime.wire.messages import Message, encode
from tests.support.networks.models import put_step
from tests.support.networks.trying import motion_folder
from tests.support.paths import DATA
from tests.support.peer import free_address, until
from tests.support.people import walker as fake
from tests.support.publisher import FakePipeline

# H14


@pytest.fixture(scope="module")
def engine(tmp_path_factory) -> Path:
    return put_step(tmp_path_factory.mktemp("store") / "net")


def forge(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest; a forger gets the digests right."""
    path = folder / MANIFEST
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))


def put(folder: Path, name: str, data: bytes) -> None:
    """Replace a file, with the digest that fits."""
    import hashlib

    (folder / name).write_bytes(data)
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    forge(folder, lambda plain: plain["files"].update({name: entry}))


def rezipped(folder: Path, change: Callable[[dict[str, bytes]], None], **options: Any) -> bytes:
    with zipfile.ZipFile(folder / GOLDEN) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def npy_claiming(shape: str, data: bytes = b"") -> bytes:
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def pipe_for_a_file(folder: Path) -> None:
    (folder / GOLDEN).unlink()
    os.mkfifo(folder / GOLDEN)


def damaged_deflate(folder: Path) -> None:
    data = bytearray(rezipped(folder, lambda members: None, compression=zipfile.ZIP_DEFLATED))
    for at in range(80, len(data) // 2, 7):
        data[at] ^= 0xFF
    put(folder, GOLDEN, bytes(data))


HOSTILE: dict[str, Callable[[Path], None]] = {
    "a pipe for a file": pipe_for_a_file,
    "a golden that claims 2e11 numbers": lambda f: put(
        f, GOLDEN, rezipped(f, lambda m: m.update({"in_dt.npy": npy_claiming("(200000000000,)")}))
    ),
    "a golden of objects": lambda f: put(
        f, GOLDEN, rezipped(f, lambda m: m.update({"in_dt.npy": npy_claiming("(1,)").replace(b"'<f4'", b"'|O' ")}))
    ),
    "damaged deflate": damaged_deflate,
    "60 000 members": lambda f: put(
        f, GOLDEN, rezipped(f, lambda m: m.update({f"x{n}.npy": b"" for n in range(60_000)}))
    ),
    "a NUL in a name": lambda f: forge(f, lambda m: m["files"].update({"a\0b": m["files"][GOLDEN]})),
    "an infinite tolerance": lambda f: (f / MANIFEST).write_text(  # type: ignore[dict-item]
        re.sub(r'"fp32": [0-9.e-]+', '"fp32": Infinity', (f / MANIFEST).read_text())
    ),
    "a tolerance that checks nothing": lambda f: forge(f, lambda m: m["tolerance"].update(fp32=1e9)),
    "a tolerance below zero": lambda f: forge(f, lambda m: m["tolerance"].update(fp32=-1.0)),
    "files without a number of bytes": lambda f: forge(f, lambda m: m["files"][GOLDEN].update(bytes="many")),
    "joints that are a number": lambda f: forge(f, lambda m: m["joints"].update(h36m17=7)),
    "batches of words": lambda f: forge(f, lambda m: m["contract"].update(batches=["a"])),
    "a state of a billion numbers": lambda f: forge(f, lambda m: m["contract"].update(state=[["a", [10**9]]])),
    "a state of words": lambda f: forge(f, lambda m: m["contract"].update(state=[7])),
    "a window of a billion": lambda f: forge(f, lambda m: m["contract"].update(kind="window", window=10**9)),
    "sixty thousand files": lambda f: forge(f, lambda m: m["files"].update({f"f{n}": {} for n in range(60_000)})),
    "a contract that is a list": lambda f: forge(f, lambda m: m.update(contract=[])),
    "nested a thousand deep": lambda f: (f / MANIFEST).write_text("[" * 100_000),  # type: ignore[dict-item]
}


@pytest.mark.skipif(sys.platform == "win32", reason="mkfifo")
@pytest.mark.parametrize("what", HOSTILE)
def test_h14_a_hostile_engine_folder_is_refused_in_a_second_with_one_line(engine, tmp_path, what):
    folder = Path(shutil.copytree(engine, tmp_path / "net"))
    HOSTILE[what](folder)
    began = time.process_time()
    with pytest.raises(EngineError) as refused:
        store.load(folder)
    assert time.process_time() - began < 1
    assert "\n" not in str(refused.value)[:400]


def test_h14_an_npz_of_plain_arrays_is_read_as_numpy_reads_it():
    out, wanted = io.BytesIO(), {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array("text"), "c": np.zeros((0, 3))}
    np.savez_compressed(out, **wanted)
    found = npz.read(out.getvalue(), 1 << 20, 10)
    assert found.keys() == wanted.keys() and all((found[k] == wanted[k]).all() for k in wanted)


def test_h14_fuzzed_golden_files_are_value_errors():
    out = io.BytesIO()
    np.savez_compressed(out, a=np.random.default_rng(0).random((20, 3)), b=np.array("text"))
    draw, whole = random.Random(3), out.getvalue()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            npz.read(bytes(data), 1 << 20, 10)
        except ValueError:
            continue


# H15: the cached detector model is tried in tests/realtime/detect/test_model_download.py; here what doctor says


def test_h15_doctor_names_what_is_wrong_with_the_cached_model(tmp_path):
    path = tmp_path / "model.task"
    path.write_bytes(b"x")
    found = packages.model("full", path, "writable by others")
    assert found.level == "bad" and "writable by others" in found.found and found.fix == "realtime fetch-model"


# H18

trainers_errors = pytest.importorskip("trainers.errors")
BVH, ASF, AMC = "03_01.bvh", "01.asf", "01_01.amc"


def lines_of(name: str) -> list[str]:
    found = next((DATA / "motion").glob(f"*{Path(name).suffix}"))
    return found.read_text().splitlines()


def replaced(lines: list[str], pattern: str, text: str) -> list[str]:
    """The first line that matches, rewritten."""
    at = next(i for i, line in enumerate(lines) if re.search(pattern, line))
    return [*lines[:at], re.sub(pattern, text, lines[at]), *lines[at + 1 :]]


def last_number(lines: list[str], text: str) -> list[str]:
    return [*lines[:-3], " ".join([*lines[-3].split()[:-1], text]), *lines[-2:]]


BAD_BVH = {
    "an offset of two numbers": lambda x: replaced(x, r"OFFSET (\S+) (\S+) \S+", r"OFFSET \1 \2"),
    "an offset of words": lambda x: replaced(x, r"OFFSET \S+", "OFFSET up"),
    "an offset without end": lambda x: replaced(x, r"OFFSET \S+", "OFFSET inf"),
    "unknown channels": lambda x: replaced(x, r"Zrotation", "Wrotation"),
    "one channel twice": lambda x: replaced(x, r"Zrotation (\S+)", r"Zrotation Zrotation"),
    "a billion channels": lambda x: replaced(x, r"CHANNELS \d+", "CHANNELS 1000000000"),
    "a frame time that is no number": lambda x: replaced(x, r"Frame Time:\s*\S+", "Frame Time: nan"),
    "a frame time of nothing": lambda x: replaced(x, r"Frame Time:\s*\S+", "Frame Time: 0"),
    "NaN in a frame": lambda x: last_number(x, "nan"),
    "a closing too many": lambda x: replaced(x, r"^MOTION", "}\nMOTION"),
}
BAD_ASF = {
    "words for a direction": lambda x: replaced(x, r"direction \S+", "direction up"),
    "NaN for a length": lambda x: replaced(x, r"^(\s+)length \S+", r"\1length nan"),
    "an axis of two numbers": lambda x: replaced(x, r"axis \S+ (\S+) \S+", r"axis \1 0"),
    "an unknown axis order": lambda x: replaced(x, r"axis (\S+ \S+ \S+) +XYZ", r"axis \1 XXW"),
    "unknown degrees of freedom": lambda x: replaced(x, r"dof rx", "dof rq"),
    "a unit of nothing": lambda x: replaced(x, r"^(\s+)length (0\.45\S*)", r"\1length 0"),
    "an unknown root order": lambda x: replaced(x, r"order TX", "order QX"),
}


@pytest.mark.parametrize("what", BAD_BVH)
def test_h18_a_damaged_bvh_is_named_with_its_file(tmp_path, what):
    from trainers.data.mocap import bvh

    path = tmp_path / "a.bvh"
    path.write_text("\n".join(BAD_BVH[what](lines_of(BVH))))
    with pytest.raises(trainers_errors.UserError, match=re.escape(str(path))):
        bvh.read_bvh(path)


@pytest.mark.parametrize("what", BAD_ASF)
def test_h18_a_damaged_asf_is_named_with_its_file(tmp_path, what):
    from trainers.data.mocap import asf_amc

    path = tmp_path / "a.asf"
    path.write_text("\n".join(BAD_ASF[what](lines_of(ASF))))
    with pytest.raises(trainers_errors.UserError, match=re.escape(str(path))):
        asf_amc.read_asf(path)


@pytest.mark.parametrize("word", ["nan", "inf", "much"])
def test_h18_no_number_in_an_amc_passes_that_is_none(tmp_path, word):
    from trainers.data.mocap import asf_amc

    skeleton = tmp_path / "a.asf"
    skeleton.write_text("\n".join(lines_of(ASF)))
    path = tmp_path / "a.amc"
    path.write_text("\n".join(replaced(lines_of(AMC), r"^root \S+", f"root {word}")))
    with pytest.raises(trainers_errors.UserError, match=re.escape(f"{path}:")):
        asf_amc.read_amc(path, asf_amc.read_asf(skeleton))


@pytest.mark.parametrize("kind", ["bvh", "asf"])
def test_h18_fuzzed_motion_is_read_finite_or_refused(tmp_path, kind):
    from trainers.data.mocap import asf_amc, bvh

    lines, draw, path = lines_of(BVH if kind == "bvh" else ASF), random.Random(5), tmp_path / f"a.{kind}"
    lines = lines[:200] if kind == "asf" else short(lines)
    words = ["nan", "-1e999", "}", "{", "End", "OFFSET", "1e308", "root", ":bonedata", "", "9" * 400]
    for _ in range(150):
        changed = list(lines)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(changed))
            parts = changed[at].split() or [""]
            parts[draw.randrange(len(parts))] = draw.choice(words)
            changed[at] = " ".join(parts)
        path.write_text("\n".join(changed))
        try:
            found = bvh.read_bvh(path)[0] if kind == "bvh" else asf_amc.read_asf(path)
        except trainers_errors.UserError:
            continue
        assert kind == "asf" or np.isfinite(found).all()


def short(lines: list[str]) -> list[str]:
    """The hierarchy and five frames."""
    at = next(i for i, line in enumerate(lines) if line.startswith("MOTION"))
    return [*lines[: at + 1], "Frames: 5", lines[at + 2], *lines[at + 3 : at + 8]]


BAD_NPZ = {
    "absurd counts": {"root": npy_claiming("(200000000000, 3)")},
    "borders beyond the frames": {"start": np.array([0, 10**9], np.int64)},
    "borders that fall": {"start": np.array([0, 9, 3, 12], np.int32), "clip": np.array(["a", "b", "c"])},
    "NaN in the root": {"root": np.full((12, 3), np.nan, np.float32)},
    "a rate that is no number": {"fps": np.array(np.nan, np.float32)},
    "words for places": {"root": np.array([["a", "b", "c"]] * 12)},
}


@pytest.mark.parametrize("what", BAD_NPZ)
def test_h18_motion_that_cannot_be_is_refused(tmp_path, what):
    from trainers.data import motion

    good = {
        "root": np.zeros((12, 3), np.float32), "rel": np.zeros((12, 17, 3), np.int16),
        "start": np.array([0, 12], np.int32), "clip": np.array(["a"]), "joints": np.array(fake.HELLO.joints),
        "fps": np.array(30, np.float32),
    }  # fmt: skip
    path = tmp_path / "subject_01.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in (good | BAD_NPZ[what]).items():
            if not isinstance(value, bytes):
                out = io.BytesIO()
                np.save(out, value)
                value = out.getvalue()
            archive.writestr(f"{name}.npy", value)
    with pytest.raises(trainers_errors.UserError, match=re.escape(str(path))):
        motion.load(tmp_path)


# H19

TALK = ["-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-e", "signal=none"]
ADDRESS = re.compile(r"sa_family=AF_INET6?, .*?(?:inet_addr\(\"([^\"]+)\"|inet_pton\(AF_INET6, \"([^\"]+)\")")
QUIET = {
    "doctor": ["realtime.cli.main", "doctor"],
    "run": ["realtime.cli.main", "run", "--demo", "--seconds", "1", "--size", "160x120", "--json"],
    "export": ["realtime.cli.main", "export", "RECORDING", "--to", "csv", "--force"],
    "process": ["realtime.cli.main", "process", "RECORDING", "--engine", "hold", "--out", "OUT"],
    "engines": ["engines.cli", "verify", "causal-small"],
    "record": ["realtime.cli.main", "record", "OUT", "--connect", "STREAM", "--seconds", "2"],
    "view": ["realtime.cli.main", "view", "--no-open", "--connect", "STREAM", "--http", "HTTP"],
    "trainers": ["trainers.cli", "compare", "--help"],
    "training": ["trainers.cli", "train", "CONFIG", "--data", "MOTION", "--out", "OUT"],
}
TINY = "recipe: pavllo\nlayers: 1\nchannels: 8\nbatch: 4\nvalidation_clips: 2\nloop: {steps: 1}\n"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace")
@pytest.mark.parametrize("name", QUIET)
def test_h19_no_command_looks_up_a_name_or_speaks_beyond_this_machine(tmp_path, name):
    from realtime.detect.model_download import cache_dir, fault, model_path

    if name == "run" and fault(model_path()):
        pytest.skip("the detector's model is not in the cache")
    home, told, recording = tmp_path / "home", tmp_path / "trace.txt", tmp_path / "a.poses"
    (home / ".cache").mkdir(parents=True)
    if cache_dir().is_dir():
        shutil.copytree(cache_dir(), home / ".cache" / "steadypose")
    write_recording(recording)
    env = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {"HOME": str(home)}
    bind = ["--bind", free_address()] if name == "run" else []
    with FakePipeline() as stream:
        words = {"RECORDING": str(recording), "OUT": str(tmp_path / "out.poses"), "STREAM": stream.address}
        words["HTTP"] = free_address().removeprefix("tcp://")
        if name == "training":
            words["MOTION"], words["CONFIG"] = motion_folder(tmp_path), str(tmp_path / "tiny.yaml")
            Path(words["CONFIG"]).write_text(TINY)
        done = watched([words.get(word, word) for word in QUIET[name]] + bind, told, env, words["HTTP"])
    if "ptrace" in done.stderr:
        pytest.skip("this machine does not let a program be watched")
    assert name != "record" or Path(words["OUT"]).stat().st_size > 1000
    assert done.returncode == 0 or name == "doctor", done.stderr  # that one finds what is wrong here
    trace = told.read_text(errors="replace")
    beyond = {a or b for a, b in ADDRESS.findall(trace)} - {"127.0.0.1", "::1", "0.0.0.0", "::"}
    assert not beyond
    assert not any(word in done.stderr for word in ("W0000", "INFO:", "clearcut"))
    made = [p for p in home.rglob("*") if p.is_file() and "steadypose" not in p.parts]
    assert not [p for p in made if "onnx" in str(p).lower() or "device" in p.name.lower()], made


def watched(words: list[str], told: Path, env: dict[str, str], http: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours under strace; the viewer until its page was asked for."""
    process = subprocess.Popen(
        ["strace", *TALK, "-o", str(told), sys.executable, "-m", *words],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if "view" in words:
        until(lambda: process.poll() is not None or answers(http), 120)
        for child in psutil.Process(process.pid).children():
            child.terminate()
    out, errors = process.communicate(timeout=240)
    return subprocess.CompletedProcess(words, process.returncode, out, errors)


def answers(http: str) -> bool:
    host, _, port = http.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), 5) as line:
            line.sendall(f"GET / HTTP/1.1\r\nHost: {http}\r\n\r\n".encode())
            return line.recv(12).startswith(b"HTTP/1.1")
    except OSError:
        return False


def write_recording(path: Path) -> None:
    with RecordingWriter(path) as writer:
        writer.write(encode("hello", "cam0", fake.HELLO))
        for seq in range(30):
            one = fake.person(1, fake.in_camera(fake.walker(seq / 30)))
            writer.write(encode("keypoints2d", "cam0", fake.keypoints(seq, (one,))))
            writer.write(encode("pose3d", "cam0", fake.pose(seq, [one])))


@pytest.mark.parametrize("module", ["engines.cli", "engines.backends.ort", "realtime.lift.lifter", "trainers.cli"])
def test_h19_telemetry_is_off_before_the_runtime_is_imported(module):
    env = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    order = f"import sys; import {module}; assert 'engines' in sys.modules or 'onnxruntime' not in sys.modules; "
    code = order + "import engines, os; print(os.environ.get('ORT_DISABLE_TELEMETRY'))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "1", done.stderr


# H20


def test_h20_doctor_writes_and_reads_one_message_of_each_kind(monkeypatch):
    samples = wire_check.samples()
    assert {type(one) for one in samples} == set(Message.__args__)
    assert wire_check.messages().level == "good"
    monkeypatch.setattr(wire_check, "decode", lambda kind, data: (_ for _ in ()).throw(IndexError("tuple index")))
    found = wire_check.messages()
    assert found.level == "bad" and "NumPy" in found.found and "numpy" in found.fix
    assert any(one.what == "messages" for one in doctor.findings(None))
