"""Hold a hidden keypoint at its last seen offset from its parent, on clips and step by step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engines.skeleton import H36M_17

# a hidden joint hangs on its parent; the trunk hangs on the thorax, which is seen more often than the hips
TRUNK = ("thorax", "pelvis")
HOLD_LEVELS: tuple[dict[str, str], ...] = (
    {"spine": "pelvis", "right_hip": "pelvis", "left_hip": "pelvis", "nose": "thorax", "left_shoulder": "thorax",
     "right_shoulder": "thorax"},
    {"right_knee": "right_hip", "left_knee": "left_hip", "head": "nose", "left_elbow": "left_shoulder",
     "right_elbow": "right_shoulder"},
    {"right_ankle": "right_knee", "left_ankle": "left_knee", "left_wrist": "left_elbow", "right_wrist": "right_elbow"},
)  # fmt: skip
HOLD_ORDER = [*TRUNK, *(child for level in HOLD_LEVELS for child in level)]
HOLD_JOINTS = [H36M_17.index(j) for j in HOLD_ORDER]  # order of the chain -> joint
HOLD_BACK = [HOLD_ORDER.index(j) for j in H36M_17.joints]  # joint -> place in the chain


def last_seen(observed: Tensor) -> Tensor:
    """Map (B, T, …) bool -> index of the latest observed tick up to now, -1 before the first."""
    ticks = torch.arange(observed.shape[1], device=observed.device).view(1, -1, *[1] * (observed.dim() - 2))
    return torch.where(observed, ticks, torch.full_like(ticks, -1)).cummax(1).values


def unseen_for(observed: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Map (B, T, J) bool, (B, T) s -> latest observed tick (-1: never) and seconds since it, or since the start."""
    index = last_seen(observed)
    clock = time.unsqueeze(-1)
    return index, clock - clock.expand_as(index).gather(1, index.clamp_min(0))


def carry(values: Tensor, observed: Tensor, start: Tensor | None = None) -> Tensor:
    """Return values (B, T, D) at their latest observed tick; `start` (zeros) before the first."""
    index = last_seen(observed)
    held = values.gather(1, index.clamp_min(0).unsqueeze(-1).expand(-1, -1, values.shape[-1]))
    return torch.where((index >= 0).unsqueeze(-1), held, torch.zeros_like(held) if start is None else start)


def pick(values: Tensor, joints: list[int], dim: int) -> Tensor:
    return values.index_select(dim, torch.tensor(joints, device=values.device))


def chain(
    trunk: Tensor, points: Tensor, observed: Tensor, remember: Callable[[Tensor, int], Tensor]
) -> tuple[Tensor, Tensor]:
    """Return places and offsets of all joints from the trunk outwards, (…, 17, D) both in the order of the chain.

    points (…, 17, D) and observed (…, 17, 1) are in that order; remember(offsets, first) carries a level's offsets.
    """
    places, offsets, first = trunk, [], len(TRUNK)
    for level in HOLD_LEVELS:
        parent = pick(places, [HOLD_ORDER.index(p) for p in level.values()], -2)
        here = slice(first, first + len(level))
        offset = remember(points[..., here, :] - parent, first)
        places = torch.cat([places, torch.where(observed[..., here, :], points[..., here, :], parent + offset)], -2)
        offsets.append(offset)
        first += len(level)
    return places, torch.cat(offsets, -2)


def hold_clip(points: Tensor, observed: Tensor) -> Tensor:
    """Map (B, T, 17, D), (B, T, 17) bool -> points where hidden joints keep their last offset from their parent."""
    p, s = pick(points, HOLD_JOINTS, 2), pick(observed, HOLD_JOINTS, 2).unsqueeze(-1)
    at_thorax, at_pelvis, sees_thorax, sees_pelvis = p[:, :, 0], p[:, :, 1], s[:, :, 0], s[:, :, 1]
    offset = carry(at_pelvis - at_thorax, (sees_thorax & sees_pelvis).squeeze(-1))
    thorax = carry(torch.where(sees_thorax, at_thorax, at_pelvis - offset), (sees_thorax | sees_pelvis).squeeze(-1))
    trunk = torch.stack([thorax, torch.where(sees_pelvis, at_pelvis, thorax + offset)], 2)

    def remember(offsets: Tensor, first: int) -> Tensor:
        each = [carry(o, s[:, :, first + i, 0]) for i, o in enumerate(offsets.unbind(2))]
        return torch.stack(each, 2)

    return pick(chain(trunk, p, s, remember)[0], HOLD_BACK, 2)


def hold_step(points: Tensor, observed: Tensor, state: Tensor, reset: Tensor) -> tuple[Tensor, Tensor]:
    """Return one tick of `hold_clip`: points (B, 17, D), observed (B, 17) bool, state (B, 17, D), reset (B,) bool.

    The state, in the order of the chain: last place of the thorax, then last offset of each joint from its parent.
    """
    state = torch.where(reset[:, None, None], torch.zeros_like(state), state)
    p, s = pick(points, HOLD_JOINTS, 1), pick(observed, HOLD_JOINTS, 1).unsqueeze(-1)
    at_thorax, at_pelvis, sees_thorax, sees_pelvis = p[:, 0], p[:, 1], s[:, 0], s[:, 1]
    offset = torch.where(sees_thorax & sees_pelvis, at_pelvis - at_thorax, state[:, 1])
    thorax = torch.where(sees_thorax, at_thorax, torch.where(sees_pelvis, at_pelvis - offset, state[:, 0]))
    trunk = torch.stack([thorax, torch.where(sees_pelvis, at_pelvis, thorax + offset)], 1)

    def remember(offsets: Tensor, first: int) -> Tensor:
        here = slice(first, first + offsets.shape[1])
        return torch.where(s[:, here], offsets, state[:, here])

    places, offsets = chain(trunk, p, s, remember)
    return pick(places, HOLD_BACK, 1), torch.cat([torch.stack([thorax, offset], 1), offsets], 1)
