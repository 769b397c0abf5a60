"""Draw occlusion masks over time: the papers' masks, occluders, limbs, half bodies, gaps that end the window.

Every mask is bool (B, T, J), True where hidden, drawn with the generator on its device.  Lengths are in frames.
Discrete and continuous, point-wise and frame-wise: Cheng 2020, section 3.3 (p = 0.2, lengths 2-40).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor

from engines.skeleton import H36M_17

J = H36M_17.index


def _joints(*words: str) -> tuple[int, ...]:
    return tuple(j for j, name in enumerate(H36M_17.joints) if any(w in name for w in words))


LIMBS = (
    tuple(map(J, ("left_elbow", "left_wrist"))),
    tuple(map(J, ("right_elbow", "right_wrist"))),
    (J("left_wrist"),),
    (J("right_wrist"),),
    tuple(map(J, ("left_knee", "left_ankle"))),
    tuple(map(J, ("right_knee", "right_ankle"))),
    (J("left_ankle"),),
    (J("right_ankle"),),
    _joints("knee", "ankle"),
    _joints("elbow", "wrist"),
)
LEGS = _joints("hip", "knee", "ankle", "pelvis")
HALVES = (LEGS, _joints("shoulder", "elbow", "wrist", "nose", "head", "thorax"), _joints("left"), _joints("right"))


# --- Cheng 2020 ---------------------------------------------------------------------------------------------------


def points(xy: Tensor, generator: Generator, p: float = 0.2) -> Tensor:
    """Discrete point-wise: each keypoint of each frame by itself."""
    return _coin(xy.shape[:3], p, generator)


def frames(xy: Tensor, generator: Generator, p: float = 0.2) -> Tensor:
    """Discrete frame-wise: whole frames."""
    return _coin((*xy.shape[:2], 1), p, generator).expand(xy.shape[:3])


def point_runs(xy: Tensor, generator: Generator, p: float = 0.2, lengths: tuple[int, int] = (2, 40)) -> Tensor:
    """Continuous point-wise: some keypoints, each for one run."""
    runs = _runs(xy, xy.shape[2], lengths, generator)
    return runs & _coin((len(xy), 1, xy.shape[2]), p, generator)


def frame_runs(xy: Tensor, generator: Generator, lengths: tuple[int, int] = (2, 40)) -> Tensor:
    """Continuous frame-wise: one run of whole frames."""
    return _runs(xy, 1, lengths, generator).expand(xy.shape[:3])


# --- what rooms and pictures do -----------------------------------------------------------------------------------


def boards(xy: Tensor, generator: Generator, lengths: tuple[int, int] = (3, 45)) -> Tensor:
    """Return a turned rectangle drifts over the person, then is gone: about a limb's to half a body's size."""
    batch, time = xy.shape[:2]
    low, high = xy.amin((1, 2)), xy.amax((1, 2))  # (B, 2)
    size = (high - low).amax(-1)
    middle = torch.randint(time, (batch,), device=xy.device, generator=generator)
    aim = _place(xy, middle, generator)  # (B, 2): in the middle of its time it covers some joint
    drift = _uniform(batch, -0.02, 0.02, generator, 2) * size[:, None]
    half = _uniform(batch, 0.05, 0.25, generator, 2) * size[:, None]
    angle = _uniform(batch, 0, torch.pi, generator)
    steps = torch.arange(time, device=xy.device)[None] - middle[:, None]  # (B, T)
    offset = xy - (aim[:, None] + steps[..., None] * drift[:, None])[:, :, None]  # (B, T, J, 2)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along, across = offset[..., 0] * cos + offset[..., 1] * sin, offset[..., 1] * cos - offset[..., 0] * sin
    inside = (along.abs() < half[:, None, None, 0]) & (across.abs() < half[:, None, None, 1])
    duration = _integers(batch, *lengths, generator)[:, None]
    return inside & (steps.abs() <= duration / 2)[..., None]


def limbs(xy: Tensor, generator: Generator, lengths: tuple[int, int] = (3, 45)) -> Tensor:
    """Return one or two limbs, or parts of them, each for one run."""
    first, second = (_group_run(xy, LIMBS, lengths, generator) for _ in range(2))
    return first | (second & _coin((len(xy), 1, 1), 0.5, generator))


def halves(xy: Tensor, generator: Generator, lengths: tuple[int, int] = (15, 120)) -> Tensor:
    """Return legs, upper body, left or right half for one run."""
    return _group_run(xy, HALVES, lengths, generator)


def legs_out(xy: Tensor, generator: Generator) -> Tensor:
    """Return the whole clip: everything below a level between hips and ankles lies outside the picture."""
    level = _uniform(len(xy), 0.0, 1.0, generator)[:, None]
    hips, ankles = xy[..., [J("left_hip"), J("right_hip")], 1].mean(-1), xy[..., _joints("ankle"), 1].amax(-1)
    border = hips + level * (ankles - hips)
    below = xy[..., 1] >= border.amin(1)[:, None, None]
    legs = torch.zeros(xy.shape[2], dtype=torch.bool, device=xy.device)
    legs[list(LEGS)] = True
    return below & legs


def last_gaps(xy: Tensor, generator: Generator, lengths: tuple[int, int] = (1, 30)) -> Tensor:
    """Hidden up to the end of the window: one limb, a half, or everybody's all."""
    batch, time, joints = xy.shape[:3]
    groups = _member((*LIMBS, *HALVES, tuple(range(joints))), joints, xy.device)
    which = torch.randint(len(groups), (batch,), device=xy.device, generator=generator)
    length = _integers(batch, *lengths, generator)[:, None]
    ending = torch.arange(time, device=xy.device)[None] >= time - length
    return ending[..., None] & groups[which][:, None]


def outside(xy: Tensor, width: Tensor | float, height: Tensor | float) -> Tensor:
    """Return keypoints beyond the picture; width and height in the unit of xy, numbers or (B, 1, 1)."""
    return (xy[..., 0] < 0) | (xy[..., 1] < 0) | (xy[..., 0] >= width) | (xy[..., 1] >= height)


Mask = Callable[[Tensor, Generator], Tensor]
MASKS: dict[str, Mask] = {
    "points": points,
    "frames": frames,
    "point_runs": point_runs,
    "frame_runs": frame_runs,
    "boards": boards,
    "limbs": limbs,
    "halves": halves,
    "legs_out": legs_out,
    "last_gaps": last_gaps,
}


def mixed(xy: Tensor, generator: Generator, shares: Mapping[str, float]) -> Tensor:
    """Map keypoints xy (B, T, J, 2) -> hidden (B, T, J): each named mask falls on its share of the clips."""
    unknown = set(shares) - set(MASKS)
    if unknown:
        raise ValueError(f"unknown masks {', '.join(sorted(unknown))}; known: {', '.join(MASKS)}")
    hidden = torch.zeros(xy.shape[:3], dtype=torch.bool, device=xy.device)
    for name, share in shares.items():
        if share > 0:
            hidden = hidden | (MASKS[name](xy, generator) & _coin((len(xy), 1, 1), share, generator))
    return hidden


# --- draws --------------------------------------------------------------------------------------------------------


def _coin(shape: tuple[int, ...], p: float, generator: Generator) -> Tensor:
    return torch.rand(shape, device=generator.device, generator=generator) < p


def _uniform(batch: int, low: float, high: float, generator: Generator, channels: int = 0) -> Tensor:
    shape = (batch, channels) if channels else (batch,)
    return low + (high - low) * torch.rand(shape, device=generator.device, generator=generator)


def _integers(batch: int, low: int, high: int, generator: Generator, channels: int = 0) -> Tensor:
    """Whole numbers in [low, high]."""
    shape = (batch, channels) if channels else (batch,)
    return torch.randint(low, high + 1, shape, device=generator.device, generator=generator)


def _runs(xy: Tensor, channels: int, lengths: tuple[int, int], generator: Generator) -> Tensor:
    """Return (B, T, channels): one run each, of random length, wholly inside the clip where it fits."""
    batch, time = xy.shape[:2]
    length = _integers(batch, *lengths, generator, channels)
    room = (time - length).clamp_min(0)
    begin = (torch.rand(batch, channels, device=xy.device, generator=generator) * (room + 1)).long()
    now = torch.arange(time, device=xy.device)[None, :, None]
    return (now >= begin[:, None]) & (now < (begin + length)[:, None])


def _member(groups: tuple[tuple[int, ...], ...], joints: int, device: torch.device) -> Tensor:
    """Return (G, J) bool."""
    table = torch.zeros(len(groups), joints, dtype=torch.bool)
    for row, group in zip(table, groups):
        row[list(group)] = True
    return table.to(device)


def _group_run(
    xy: Tensor, groups: tuple[tuple[int, ...], ...], lengths: tuple[int, int], generator: Generator
) -> Tensor:
    member = _member(groups, xy.shape[2], xy.device)
    which = torch.randint(len(groups), (len(xy),), device=xy.device, generator=generator)
    return _runs(xy, 1, lengths, generator) & member[which][:, None]


def _place(xy: Tensor, frame: Tensor, generator: Generator) -> Tensor:
    """Return (B, 2): where a random joint is in the given frame (B,)."""
    batch, _, joints = xy.shape[:3]
    joint = torch.randint(joints, (batch,), device=xy.device, generator=generator)
    return xy[torch.arange(batch, device=xy.device), frame, joint]
