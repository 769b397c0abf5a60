"""Load shards of detections as tensors: features with labels, clips for the lifter."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines import open_engine
from engines.contract import TICK_S, map_reliability
from engines.skeleton import BLAZEPOSE_33, H36M_17, Array, mapping
from realtime.engine_io.time_grid import TimeGrid
from realtime.lift.camera_model import GUESSED_FOV
from realtime.occlude.features import FEATURES, FeatureMemory, JointObservation, joint_features
from realtime.occlude.learned import MAX_GAP_NS, LearnedReliability, between
from realtime.occlude.optical_flow import Flow
from realtime.wire.keypoints import box_size
from trainers.data.clips import Footage
from trainers.data.motion import CALIBRATION
from trainers.data.shards.clip_shards import BOARD, OTHER, OUTSIDE, DetectorClip, read_clips
from trainers.data.shards.detector_model import one_detector
from trainers.errors import UserError

RIGHT = 0.05  # of body height: a keypoint no further from the truth is right
COVERED = BOARD | OUTSIDE | OTHER
OTHERS = 0.15  # of body height: where half of the limbs are so far off, the detector follows somebody else
SHORTEST = 16  # frames, at 30 a second or more; shorter tracks teach nothing
LIMBS = [i for i, n in enumerate(BLAZEPOSE_33.joints) if n.split("_")[-1] in ("elbow", "wrist", "knee", "ankle")]
MAP = mapping(BLAZEPOSE_33.name, H36M_17.name)


@dataclass(frozen=True)
class DetectionTrack:
    """One unbroken track of one clip."""

    clip: DetectorClip
    first: int
    last: int  # exclusive
    cues: Array  # (T, 33, F)
    right: NDArray[np.bool_]  # (T, 33) near the truth and not covered
    covered: NDArray[np.bool_]  # (T, 33) behind a board or person, or outside
    counts: NDArray[np.bool_]  # (T, 33) the label can be trusted


def tracks(clip: DetectorClip, shortest: int = SHORTEST) -> Iterator[DetectionTrack]:
    edges = np.flatnonzero(np.diff(np.r_[0, clip.detected.astype(np.int8), 0]))
    sizes = [box_size(xy) for xy in clip.truth_xy]
    height = float(np.quantile(sizes, 0.9))
    for first, last in zip(edges[::2], edges[1::2]):
        if last - first < shortest * min(1.0, clip.fps * TICK_S):
            continue
        part = slice(int(first), int(last))
        error = np.linalg.norm(clip.xy[part] - clip.truth_xy[part], axis=-1) / height
        covered = (clip.hidden[part, 17:] & COVERED) > 0
        somebody_else = np.median(np.where(covered, 0, error)[:, LIMBS], -1) > OTHERS
        yield DetectionTrack(
            clip, int(first), int(last), cues_of(clip, int(first), int(last)), (error <= RIGHT) & ~covered, covered,
            clip.trusted[part] & ~somebody_else[:, None],
        )  # fmt: skip


def cues_of(clip: DetectorClip, first: int, last: int) -> Array:
    """Return the runtime's own cues, from what the detector and the flow said."""
    past: FeatureMemory | None = None
    rows = []
    for t in range(first, last):
        seen = JointObservation(
            clip.xy[t], clip.score[t], clip.presence[t], clip.world[t], clip.width, clip.height, clip.look[t]
        )
        flow = Flow(clip.moved[t], clip.back_error[t], clip.patch_error[t], clip.flow_known[t])
        dt = float(clip.t[t] - clip.t[t - 1]) if t > first else 1 / clip.fps
        row, past = joint_features(past, seen, flow if t > first else None, dt, BLAZEPOSE_33)
        rows.append(row)
    return np.stack(rows)


@dataclass(frozen=True)
class Cues:
    """All tracks one after the other."""

    features: Tensor  # (N, 33, F) half precision
    right: Tensor  # (N, 33)
    covered: Tensor
    counts: Tensor
    frame: Tensor  # (N,) of its track, that is answered at this tick
    start: Tensor  # (S,)
    length: Tensor
    real: Tensor  # (S,) bool: boards on real footage, not rendered

    def windows(self, at: Tensor, ticks: int, g: torch.Generator) -> Tensor:
        """(B, T) frames: random places in tracks `at`; the end of a short track is repeated."""
        room = (self.length[at] - ticks).clamp_min(0)
        offset = (torch.rand(len(at), generator=g, device=g.device) * (room + 1)).long()
        steps = torch.arange(ticks, device=g.device)[None] + offset[:, None]
        return self.start[at, None] + steps.minimum(self.length[at, None] - 1)


def on_ticks(track: DetectionTrack) -> tuple[Array, NDArray[np.intp], NDArray[np.bool_]]:
    """Return what the runtime tells a network at each tick that it remembers: cues (N, 33, F), the frame that is
    answered (N,), and whether the tick is that frame's (N,), not one between two frames."""
    grid, rows, frames, own = TimeGrid(MAX_GAP_NS), [], [], []
    times = [round(float(t) * 1e9) for t in track.clip.t[track.first : track.last]]
    for k, now in enumerate(times):
        for step in grid.steps(now):
            if not step.commit:
                continue
            own.append(step.t_ns == now)
            frames.append(k)
            if own[-1]:
                rows.append(track.cues[k])
            else:
                part = np.float32((step.t_ns - times[k - 1]) / (now - times[k - 1]))
                rows.append(between(track.cues[k - 1], track.cues[k], part))
    return np.stack(rows), np.array(frames), np.array(own)


def as_ticks(track: DetectionTrack) -> tuple[Array, NDArray[np.intp], NDArray[np.bool_]]:
    """Return the same of a track each of whose frames counts as a tick, whatever their rate."""
    frames = np.arange(len(track.cues))
    return track.cues, frames, np.ones(len(frames), bool)


def collect(tracks: list[DetectionTrack], grid: bool = True) -> Cues:
    """Put tracks one after the other, on the ticks of the runtime; what lies between two frames does not count.

    `grid` false: each frame is a tick.
    """
    assert len(FEATURES) == tracks[0].cues.shape[-1]
    parts = [on_ticks(track) if grid else as_ticks(track) for track in tracks]
    length = torch.tensor([len(frames) for _, frames, _ in parts])
    right, covered, counts = (
        torch.from_numpy(np.concatenate([getattr(t, n)[frames] for t, (_, frames, _) in zip(tracks, parts)]))
        for n in ("right", "covered", "counts")
    )
    own = torch.from_numpy(np.concatenate([own for _, _, own in parts]))
    return Cues(
        torch.from_numpy(np.concatenate([cues for cues, _, _ in parts])).half(),
        right,
        covered,
        counts & own[:, None],
        torch.from_numpy(np.concatenate([frames for _, frames, _ in parts])),
        torch.cumsum(length, 0) - length,
        length,
        torch.tensor([t.clip.kind == "boards" for t in tracks]),
    )


# --- for the lifter -------------------------------------------------------------------------------------------------

Judge = Callable[[Array, Array], Array]  # times (T,) s and cues (T, 33, F) of a track -> reliability (T, 33)


def engine_judge(name: str) -> Judge:
    """Open a reliability engine and run it frame by frame, as the runtime does."""
    learned = LearnedReliability(open_engine(name, "cpu", 1), BLAZEPOSE_33)

    def judge(times: Array, cues: Array) -> Array:
        learned.reset()
        answers = [learned.judge(int(t * 1e9), {1: row})[1] for t, row in zip(times, cues)]
        return np.stack(answers)

    return judge


def read_footage(folders: list[str], judge: Judge) -> tuple[Footage | None, Footage | None]:
    """(training, validation) of rendered shards, told apart by their pool of looks."""
    parts: dict[str, list[tuple[bool, dict[str, Array]]]] = {"train": [], "heldout": []}
    one_detector(folders)
    for clip in read_clips(*folders):
        if clip.kind != "rendered":
            continue
        fits = clip.subject in CALIBRATION
        parts[clip.pool] += [(fits, lifter_ticks(track, judge)) for track in tracks(clip)]
    train, heldout = (joined(p) for p in parts.values())
    if train is None:
        raise UserError(f"{folders[0]}: no rendered clips for training; make them: trainers synthesize rendered")
    return train, heldout


def joined(pieces: list[tuple[bool, dict[str, Array]]]) -> Footage | None:
    if not pieces:
        return None
    parts = [p for _, p in pieces]
    length = torch.tensor([len(p["x"]) for p in parts])
    arrays = {k: torch.from_numpy(np.concatenate([p[k] for p in parts])) for k in parts[0]}
    fits = torch.tensor([f for f, _ in pieces])
    return Footage(**arrays, start=torch.cumsum(length, 0) - length, length=length, fits=fits)


def lifter_ticks(track: DetectionTrack, judge: Judge) -> dict[str, Array]:
    """Return a track as the lifter sees it, on the 30 Hz grid."""
    clip, part = track.clip, slice(track.first, track.last)
    t = clip.t[part] - clip.t[track.first]
    grid = np.arange(0, t[-1] + 1e-6, TICK_S)
    reliability = map_reliability(judge(t, track.cues), MAP)
    near = np.clip(np.searchsorted(t, grid - 0.5 * TICK_S / 2), 0, len(t) - 1)

    def at(values: Array) -> Array:
        flat = values.reshape(len(t), -1).astype(np.float32)
        cols = np.stack([np.interp(grid, t, c) for c in flat.T], 1) if flat.shape[1] else flat
        return np.asarray(cols, np.float32).reshape(len(grid), *values.shape[1:])

    focal = believed_focal(clip)
    rays = (clip.xy[part] - (clip.cx, clip.cy)) / focal
    covered = (clip.hidden[part, :17] & COVERED) > 0
    arrays: dict[str, Any] = {
        "x": at(MAP @ rays.astype(np.float32)),
        "reliability": at(reliability),
        "world": at(MAP @ clip.world[part].astype(np.float32)),
        "pose": at(clip.xyz[part]),
        "hidden": covered[near],
        "root": at(clip.root[part]),
        "zoom": np.full(len(grid), clip.focal / focal, np.float32),
    }
    return arrays


def believed_focal(clip: DetectorClip) -> float:
    """Half of the clips are lifted with their true focal length, half with the runtime's guess."""
    guess = max(clip.width, clip.height) / 2 / math.tan(math.radians(GUESSED_FOV) / 2)
    even = sum(clip.name.encode()) % 2 == 0
    return clip.focal if even and clip.focal > 0 else guess
