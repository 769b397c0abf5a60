"""Shards of bursts on disk: single frames of what the detector said, beside the truth of 37 joints.

No object arrays, no pickle.  F frames, S scenes; 33 points in the order of BLAZEPOSE_33; 37 joints: H36M_17, then the
points of BLAZEPOSE_33 that are not among them, in their order.

| array | type, shape | meaning |
|---|---|---|
| camera | f4 (S, 5) | width, height, focal, cx, cy in px |
| up | f4 (S, 3) | world up in camera axes |
| desk | u1 (S) | 1: a half body before a webcam |
| scene, burst | i4 (F) | scene within the shard; burst within the scene |
| xy, moved | i2 (F, 33, 2) | 1/8 px: the detector's points; last frame's points after flow |
| score, presence | f2 (F, 33) | log-odds of visibility (low-pass undone) and of presence |
| world | f2 (F, 33, 3) | the detector's own 3D, metres |
| back_error, patch_error, flow_known | f2, f2, u1 (F, 33) | see realtime.occlude.optical_flow |
| look | f2 (F, 33, 2) | brightness around the detector's points and its deviation, 0..1; NaN outside |
| root | f4 (F, 3) | true pelvis in camera axes, metres |
| xyz | i2 (F, 37, 3) | true joints from the pelvis, 0.1 mm |
| hidden | u1 (F, 37) | bits: 1 board, 2 own body, 4 outside the picture |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines import npz
from engines.skeleton import BLAZEPOSE_33, H36M_17
from realtime.wire.keypoints import logit
from trainers.data.shards.clip_shards import METRE, MOST_ARRAYS, MOST_BYTES, PX, shard_path
from trainers.errors import UserError
from trainers.user_file import read_bytes

Array = NDArray[Any]
_REST = [i for i, name in enumerate(BLAZEPOSE_33.joints) if name not in H36M_17.joints]
JOINTS_37 = (*H36M_17.joints, *(BLAZEPOSE_33.joints[i] for i in _REST))
PLACES = np.array([JOINTS_37.index(name) for name in BLAZEPOSE_33.joints])  # of the 33 points among the 37 joints
HZ = 30.0  # of a burst's frames, as they are drawn
FROM_50 = np.array([*range(17), *(17 + i for i in _REST)])  # of the 17 joints and the 33 points one after the other


def _units(unit: float) -> Any:
    return lambda v: np.clip(np.rint(np.nan_to_num(v) * unit), -32767, 32767).astype(np.int16)


def _back(unit: float) -> Any:
    return lambda v: v.astype(np.float32) / np.float32(unit)


def _kind(name: str) -> Any:
    return lambda v: np.asarray(v, name)


# array -> (shape of one frame, to disk, from disk)
FRAME: dict[str, tuple[tuple[int, ...], Any, Any]] = {
    "scene": ((), _kind("i4"), _kind("i4")),
    "burst": ((), _kind("i4"), _kind("i4")),
    "xy": ((33, 2), _units(PX), _back(PX)),
    "moved": ((33, 2), _units(PX), _back(PX)),
    "score": ((33,), lambda v: logit(np.asarray(v, np.float32)).astype(np.float16), _kind("f4")),
    "presence": ((33,), lambda v: logit(np.asarray(v, np.float32)).astype(np.float16), _kind("f4")),
    "world": ((33, 3), _kind("f2"), _kind("f4")),
    "back_error": ((33,), _kind("f2"), _kind("f4")),
    "patch_error": ((33,), _kind("f2"), _kind("f4")),
    "flow_known": ((33,), _kind("u1"), _kind("?")),
    "look": ((33, 2), _kind("f2"), _kind("f4")),
    "root": ((3,), _kind("f4"), _kind("f4")),
    "xyz": ((37, 3), _units(METRE), _back(METRE)),
    "hidden": ((37,), _kind("u1"), _kind("u1")),
}
SCENE: dict[str, tuple[int, ...]] = {"camera": (5,), "up": (3,), "desk": ()}


@dataclass(frozen=True)
class BurstFrames:
    """Frames of some shards, decoded: float32 px and metres, log-odds; `scene` counts through all shards."""

    scene: Array
    burst: Array
    xy: Array
    moved: Array
    score: Array
    presence: Array
    world: Array
    back_error: Array
    patch_error: Array
    flow_known: Array
    look: Array
    root: Array
    xyz: Array
    hidden: Array
    camera: Array  # (F, 5), of each frame's scene
    up: Array  # (F, 3)
    desk: Array  # (F,) bool

    def __len__(self) -> int:
        return len(self.scene)


def write_bursts(folder: Path, number: int, scenes: dict[str, Array], rows: list[dict[str, Any]]) -> Path:
    """Complete or not at all."""
    path = shard_path(folder, number)
    partial = path.with_suffix(".partial")
    coded: dict[str, Any] = {name: np.asarray(scenes[name], np.float32) for name in SCENE} | {
        name: encode(np.stack([row[name] for row in rows]) if rows else np.zeros((0, *shape)))
        for name, (shape, encode, _) in FRAME.items()
    }
    with partial.open("wb") as file:
        np.savez_compressed(file, **coded)
    partial.replace(path)
    return path


def read_bursts(*folders: str | Path, names: Iterable[str] = tuple(FRAME)) -> BurstFrames:
    """Return every frame of some folders' shards; arrays not among `names` are left empty."""
    paths = [path for folder in folders for path in _paths(Path(folder))]
    wanted = {"scene", *names}
    columns: dict[str, list[Array]] = {name: [] for name in (*FRAME, *SCENE)}
    before = 0
    for path in paths:
        shard = _read(path, wanted)
        index = shard["scene"]
        for name in FRAME:
            columns[name].append(shard[name])
        for name in SCENE:
            columns[name].append(shard[name][index])
        columns["scene"][-1] = index + before
        before += len(shard["camera"])
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    joined["desk"] = joined["desk"] > 0
    return BurstFrames(**joined)


def _paths(folder: Path) -> list[Path]:
    paths = sorted(folder.glob("shard_*.npz"))
    if not paths:
        raise UserError(f"{folder}: no shard_*.npz in it; make them: trainers synthesize bursts --out {folder} ...")
    return paths


def _read(path: Path, wanted: set[str]) -> dict[str, Array]:
    try:
        file = npz.read(read_bytes(path, MOST_BYTES), MOST_BYTES, MOST_ARRAYS)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable shard ({error}); delete it and go on with --resume") from None
    if missing := {*FRAME, *SCENE} - set(file):
        raise UserError(f"{path}: no shard of bursts, arrays {', '.join(sorted(missing))} are missing")
    _check(file, path)
    data = {n: file[n] for n in (*FRAME, *SCENE) if n in wanted or n in SCENE}
    nothing = {name: np.zeros((0, *shape), np.float32) for name, (shape, _, _) in FRAME.items()}
    return nothing | {name: FRAME[name][2](v) if name in FRAME else v for name, v in data.items()}


def _check(file: dict[str, Array], path: Path) -> None:
    """Shapes, kinds and scenes as they were written; numbers that count are finite."""
    frames, scenes = len(np.atleast_1d(file["scene"])), len(np.atleast_1d(file["camera"]))
    expected = {n: (frames, *shape) for n, (shape, _, _) in FRAME.items()} | {n: (scenes, *s) for n, s in SCENE.items()}
    for name, shape in expected.items():
        if file[name].shape != shape or file[name].dtype.kind not in "fiu":
            found = f"{file[name].dtype} {file[name].shape}"
            raise UserError(f"{path}: {name} is {found}, expected numbers {shape}; make the shard anew")
    if not all(np.isfinite(file[name]).all() for name in (*SCENE, "root", "world", "score", "presence")):
        raise UserError(f"{path}: holds numbers that are not finite; make the shard anew")
    index = file["scene"]
    if index.dtype.kind not in "iu" or (frames and not 0 <= int(index.min()) <= int(index.max()) < scenes):
        raise UserError(f"{path}: scene points beyond its {scenes} scenes; make the shard anew")
