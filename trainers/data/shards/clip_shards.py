"""Write and read shards of detections on disk: compact npz files of whole clips.

`shard_00000.npz` ... hold whole clips one after the other; no object arrays, no pickle.  F frames, C clips, 33 points
in the order of BLAZEPOSE_33, 17 joints in the order of H36M_17, 50 = the 17 joints, then the 33 points.

| array | type, shape | meaning |
|---|---|---|
| start | i4 (C+1) | borders of the clips among the frames |
| name, subject, kind, pool | str (C) | kind: rendered or boards; pool of looks: train or heldout |
| fps | f4 (C) | frames a second |
| camera | f4 (C, 5) | width, height, focal, cx, cy in px; focal 0: unknown |
| t | f4 (F) | seconds since the clip began |
| detected | u1 (F) | 0: nobody found; the track restarts at the next 1; the detector's arrays are 0 there |
| xy, truth_xy, moved | i2 (F, 33, 2) | 1/8 px: the detector's points, the true ones, last frame's points after flow |
| score, presence | f2 (F, 33) | log-odds (realtime.wire.keypoints.logit) of visibility, low-pass undone; of presence |
| back_error, patch_error | f2 (F, 33) | px and 0..1, see realtime.occlude.optical_flow |
| flow_known | u1 (F, 33) | 1: traced from last frame; 0 at the start of a track |
| look | f2 (F, 33, 2) | brightness around the detector's points and its deviation, 0..1; NaN outside |
| world | f2 (F, 33, 3) | the detector's own 3D, metres |
| root | f4 (F, 3) | true pelvis in camera axes, metres; NaN where unknown (kind boards) |
| xyz | i2 (F, 17, 3) | true joints from the pelvis, 0.1 mm |
| xyz33 | i2 (F, 33, 3) | true points from the pelvis, 0.1 mm; kind boards: the reference run's world points |
| hidden | u1 (F, 50) | bits: 1 board, 2 own body, 4 outside the picture, 8 another person |
| trusted | u1 (F, 33) | 1: truth is exact (rendered) or the reference run was sure of the point (boards) |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from engines import npz
from realtime.wire.keypoints import logit
from trainers.errors import UserError
from trainers.user_file import read_bytes

BOARD, OWN, OUTSIDE, OTHER = 1, 2, 4, 8
PX, METRE = 8.0, 1e4  # units in a pixel and in a metre of the stored integers
Array = NDArray[Any]


@dataclass(frozen=True)
class DetectorClip:
    """One clip, decoded to float32 px, metres and probabilities; see the table above."""

    name: str
    subject: str
    kind: str
    pool: str
    fps: float
    width: int
    height: int
    focal: float
    cx: float
    cy: float
    t: Array  # (T,)
    detected: Array  # (T,) bool
    xy: Array  # (T, 33, 2)
    score: Array  # (T, 33)
    presence: Array
    world: Array  # (T, 33, 3)
    look: Array  # (T, 33, 2)
    moved: Array  # (T, 33, 2)
    back_error: Array  # (T, 33)
    patch_error: Array
    flow_known: Array  # bool
    truth_xy: Array  # (T, 33, 2)
    root: Array  # (T, 3)
    xyz: Array  # (T, 17, 3) from the pelvis
    xyz33: Array  # (T, 33, 3)
    hidden: Array  # (T, 50) uint8
    trusted: Array  # (T, 33) bool

    def __len__(self) -> int:
        return len(self.t)


def _px(values: Array) -> Array:
    return np.clip(np.rint(np.nan_to_num(values) * PX), -32767, 32767).astype(np.int16)


def _tenths(values: Array) -> Array:
    return np.clip(np.rint(np.nan_to_num(values) * METRE), -32767, 32767).astype(np.int16)


def _odds(values: Array) -> Array:
    return logit(np.asarray(values, np.float32)).astype(np.float16)


_ENCODE = {
    "t": np.float32, "detected": np.uint8, "xy": _px, "truth_xy": _px, "moved": _px, "score": _odds, "presence": _odds,
    "back_error": np.float16, "patch_error": np.float16, "flow_known": np.uint8, "world": np.float16,
    "look": np.float16, "root": np.float32, "xyz": _tenths, "xyz33": _tenths, "hidden": np.uint8, "trusted": np.uint8,
}  # fmt: skip


_SHAPES: dict[str, tuple[int, ...]] = {  # of one frame
    **dict.fromkeys(("t", "detected"), ()), **dict.fromkeys(("xy", "truth_xy", "moved", "look"), (33, 2)),
    **dict.fromkeys(("score", "presence", "back_error", "patch_error", "flow_known", "trusted"), (33,)),
    **dict.fromkeys(("world", "xyz33"), (33, 3)), "root": (3,), "xyz": (17, 3), "hidden": (50,),
}  # fmt: skip


def _from_px(values: Array) -> Array:
    return cast(NDArray[Any], values.astype(np.float32) / np.float32(PX))


def _from_tenths(values: Array) -> Array:
    return cast(NDArray[Any], values.astype(np.float32) / np.float32(METRE))


def chance(values: Array) -> Array:
    """Return the probabilities of log-odds."""
    return np.asarray(1 / (1 + np.exp(-values.astype(np.float32))), np.float32)


_DECODE = {
    "t": np.float32, "detected": bool, "xy": _from_px, "truth_xy": _from_px, "moved": _from_px, "score": chance,
    "presence": chance, "back_error": np.float32, "patch_error": np.float32, "flow_known": bool, "world": np.float32,
    "look": np.float32, "root": np.float32, "xyz": _from_tenths, "xyz33": _from_tenths, "hidden": np.uint8,
    "trusted": bool,
}  # fmt: skip


def _coded(table: dict[str, Any], name: str, values: Array) -> Array:
    way = table[name]
    return np.asarray(way(values) if callable(way) and not isinstance(way, type) else values.astype(way))


FOOTAGE = "boards"  # kind of clips of real people
MOST_BYTES, MOST_ARRAYS = 4 << 30, 64  # of one shard, unpacked


def shard_path(folder: Path, number: int) -> Path:
    return folder / f"shard_{number:05d}.npz"


def write_shard(folder: Path, number: int, clips: list[DetectorClip]) -> Path:
    """Complete or not at all; no clips make an empty shard."""
    nothing = {name: np.zeros((0, *shape)) for name, shape in _SHAPES.items()}
    frames = {
        name: np.concatenate(
            [_coded(_ENCODE, name, part) for part in (nothing[name], *(getattr(c, name) for c in clips))]
        )
        for name in _ENCODE
    }
    heads = {name: np.array([getattr(c, name) for c in clips], np.str_) for name in ("name", "subject", "kind", "pool")}
    path = shard_path(folder, number)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        arrays: dict[str, Any] = heads | frames
        np.savez_compressed(
            file,
            start=np.cumsum([0] + [len(c) for c in clips]).astype(np.int32),
            fps=np.array([c.fps for c in clips], np.float32),
            camera=np.array([(c.width, c.height, c.focal, c.cx, c.cy) for c in clips], np.float32).reshape(-1, 5),
            **arrays,
        )
    partial.replace(path)
    return path


def read_shard(path: Path) -> list[DetectorClip]:
    try:
        data = npz.read(read_bytes(path, MOST_BYTES), MOST_BYTES, MOST_ARRAYS)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: not a readable shard ({error}); delete it and run the same command with --resume"
        ) from None
    missing = ({"start", "fps", "camera", "name", "subject", "kind", "pool"} | set(_ENCODE)) - set(data)
    if missing:
        raise UserError(f"{path}: arrays {', '.join(sorted(missing))} are missing; synthesize the folder anew")
    borders = data["start"].tolist()
    if data["start"].ndim != 1 or len(data["fps"]) != len(borders) - 1 or sorted(borders) != borders:
        raise UserError(f"{path}: borders of clips do not rise or do not fit their frame rates; synthesize it anew")
    for name in ("fps", "camera", "t", "world"):
        if data[name].dtype.kind not in "fiu" or not np.isfinite(data[name]).all():
            raise UserError(f"{path}: {name} holds what is no finite number; delete it and go on with --resume")
    odd = [n for n, shape in _SHAPES.items() if data[n].shape != (borders[-1], *shape)]
    if odd:
        raise UserError(f"{path}: {odd[0]} has shape {data[odd[0]].shape}, expected {(borders[-1], *_SHAPES[odd[0]])}")
    rendered = np.repeat(data["kind"] != FOOTAGE, np.diff(borders))  # on footage nobody knows where a person stands
    if data["root"].dtype.kind not in "fiu" or not np.isfinite(data["root"][rendered]).all():
        raise UserError(f"{path}: root holds what is no finite number; delete it and go on with --resume")
    return [_clip(data, i, a, b) for i, (a, b) in enumerate(pairwise(borders))]


def _clip(data: dict[str, Array], i: int, a: int, b: int) -> DetectorClip:
    width, height, focal, cx, cy = (float(v) for v in data["camera"][i])
    rest: dict[str, Any] = {name: str(data[name][i]) for name in ("name", "subject", "kind", "pool")}
    rest |= {name: _coded(_DECODE, name, data[name][a:b]) for name in _DECODE}
    return DetectorClip(
        fps=float(data["fps"][i]), width=int(width), height=int(height), focal=focal, cx=cx, cy=cy, **rest
    )


def read_clips(*folders: str | Path) -> Iterator[DetectorClip]:
    """Yield every clip of some folders, in order."""
    for folder in folders:
        paths = sorted(Path(folder).glob("shard_*.npz"))
        if not paths:
            raise UserError(
                f"{folder}: no shard_*.npz in it; make them: trainers synthesize rendered --out {folder} ..."
            )
        for path in paths:
            yield from read_shard(path)
