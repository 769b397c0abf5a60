"""Convert the 17 joints to a tree of bones and back: vectors, frames, turns.  Shapes (..., 17, 3).

Shapes (..., 17, 3) on any device.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from engines.skeleton import H36M_17

PARENTS = H36M_17.parents
J = H36M_17.index
R_LEG = tuple(map(J, ("right_knee", "right_ankle")))
L_LEG = tuple(map(J, ("left_knee", "left_ankle")))
L_ARM = tuple(map(J, ("left_elbow", "left_wrist")))
R_ARM = tuple(map(J, ("right_elbow", "right_wrist")))
ANKLES = (R_LEG[1], L_LEG[1])


def bones(xyz: Tensor) -> Tensor:
    """(..., 17, 3) positions -> bone vectors; the first is the root's position."""
    parents = list(PARENTS[1:])
    return torch.cat([xyz[..., :1, :], xyz[..., 1:, :] - xyz[..., parents, :]], -2)


def joints(bone: Tensor) -> Tensor:
    """Return the inverse of `bones`."""
    out = [bone[..., 0, :]]
    for j, parent in enumerate(PARENTS[1:], 1):
        out.append(out[parent] + bone[..., j, :])
    return torch.stack(out, -2)


def unit(vector: Tensor) -> Tensor:
    return cast(Tensor, vector / vector.norm(dim=-1, keepdim=True).clamp_min(1e-6))


def frame(sideways: Tensor, upwards: Tensor) -> Tensor:
    """Return (..., 3) twice -> (..., 3, 3): orthonormal columns left, up, forward; `upwards` is kept, `sideways`
    bends."""
    up = unit(upwards)
    left = unit(sideways - (sideways * up).sum(-1, keepdim=True) * up)
    return torch.stack([left, up, torch.linalg.cross(left, up)], -1)


def chest_frame(xyz: Tensor) -> Tensor:
    return frame(xyz[..., J("left_shoulder"), :] - xyz[..., J("right_shoulder"), :], xyz[..., 8, :] - xyz[..., 7, :])


def heading_frame(xyz: Tensor) -> Tensor:
    """Upright, turned with the hips."""
    hips = xyz[..., J("left_hip"), :] - xyz[..., J("right_hip"), :]
    level = hips * hips.new_tensor([1.0, 0.0, 1.0])
    return frame(level, hips.new_tensor([0.0, 1.0, 0.0]).expand_as(hips))


def rotate(vector: Tensor, turn: Tensor) -> Tensor:
    """Vectors (..., 3) turned by axis times angle (..., 3)."""
    vector, turn = torch.broadcast_tensors(vector, turn)
    angle = turn.norm(dim=-1, keepdim=True).clamp_min(1e-8)
    axis = turn / angle
    crossed = torch.linalg.cross(axis, vector)
    along = (axis * vector).sum(-1, keepdim=True) * axis
    return cast(Tensor, vector * angle.cos() + crossed * angle.sin() + along * (1 - angle.cos()))
