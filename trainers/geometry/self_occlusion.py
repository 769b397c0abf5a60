"""Tell which joints the body itself hides: the cylinder man (Cheng 2019, section 4.1), hard and differentiable.

Poses (..., 17, 3) in metres and camera axes (x right, y down, z forward); for a person off the optical axis turn the
pose so that z runs along the ray to the pelvis (`trainers.geometry.person_frame.toward`).

Each cylinder is taken for the rectangle in which it is cut along its axis, across the line of sight.  A joint is hidden
by a part that it does not belong to when its projection lies inside the rectangle's and it lies behind its plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engines.skeleton import H36M_17
from trainers.geometry.person_frame import toward

J = H36M_17.index
HEAD_M, LIMB_M = 0.10, 0.05
THORAX, HEAD = J("thorax"), J("head")
SHOULDERS = (J("left_shoulder"), J("right_shoulder"))
NEAREST_M = 0.1  # nobody is nearer to a camera
SHARPNESS_M = 0.01  # width over which the differentiable form goes from 0 to 1


@dataclass(frozen=True)
class Part:
    """A cylinder between two joints, and the joints that belong to it: it never hides those."""

    near: int
    far: int
    radius: float  # m; 0: the torso's, from neck to shoulder
    own: tuple[int, ...]


def _limb(near: str, far: str) -> Part:
    return Part(J(near), J(far), LIMB_M, (J(near), J(far)))


_TRUNK = tuple(map(J, ("pelvis", "spine", "thorax", "left_hip", "right_hip", "left_shoulder", "right_shoulder")))
PARTS = (
    Part(THORAX, HEAD, HEAD_M, (THORAX, HEAD)),
    Part(THORAX, J("pelvis"), 0.0, _TRUNK),
    *(_limb(f"{s}_shoulder", f"{s}_elbow") for s in ("left", "right")),
    *(_limb(f"{s}_elbow", f"{s}_wrist") for s in ("left", "right")),
    *(_limb(f"{s}_hip", f"{s}_knee") for s in ("left", "right")),
    *(_limb(f"{s}_knee", f"{s}_ankle") for s in ("left", "right")),
)


@dataclass(frozen=True)
class Rectangles:
    """Cuts of the P parts; every vector (..., P, 3)."""

    origin: Tensor  # middle of one short side
    axis: Tensor  # to the middle of the other
    across: Tensor  # unit, in the picture's plane
    normal: Tensor  # unit, towards the camera
    radius: Tensor  # (..., P)

    def corners(self) -> Tensor:
        """Return (..., P, 4, 3): A, B, C, D around the rectangle."""
        side = self.radius[..., None] * self.across
        end = self.origin + self.axis
        return torch.stack([self.origin - side, self.origin + side, end + side, end - side], -2)


def rectangles(pose: Tensor) -> Rectangles:
    near, far = ([getattr(p, name) for p in PARTS] for name in ("near", "far"))
    origin, axis = pose[..., near, :], pose[..., far, :] - pose[..., near, :]
    sight = pose.new_tensor([0.0, 0.0, 1.0]).expand_as(axis)
    crossed = torch.linalg.cross(axis, sight)
    length = crossed.norm(dim=-1, keepdim=True)
    sideways = pose.new_tensor([1.0, 0.0, 0.0]).expand_as(axis)  # of a cylinder seen end on; it hides next to nothing
    across = torch.where(length > 1e-6, crossed / length.clamp_min(1e-6), sideways)
    normal = torch.linalg.cross(axis, across)
    normal = normal / normal.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    normal = torch.where(normal[..., 2:] > 0, -normal, normal)
    return Rectangles(origin, axis, across, normal, radii(pose))


def radii(pose: Tensor) -> Tensor:
    """(..., P) m; the torso is as wide as its neck lies from its shoulders."""
    given = pose.new_tensor([p.radius for p in PARTS]).expand(*pose.shape[:-2], len(PARTS))
    torso = (pose[..., list(SHOULDERS), :] - pose[..., [THORAX], :]).norm(dim=-1).mean(-1, keepdim=True)
    return torch.where(given > 0, given, torso)


def depths(pose: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far inside each rectangle's picture and how far behind its plane every joint lies, (..., J, P)
    metres."""
    cut = rectangles(pose)
    offset = pose[..., :, None, :] - cut.origin[..., None, :, :]  # (..., J, P, 3)
    span = cut.axis[..., :2].norm(dim=-1)
    along = (offset[..., :2] * (cut.axis[..., :2] / span.clamp_min(1e-9)[..., None])[..., None, :, :]).sum(-1)
    aside = (offset * cut.across[..., None, :, :]).sum(-1).abs()
    inside = torch.minimum(torch.minimum(along, span[..., None, :] - along), cut.radius[..., None, :] - aside)
    behind = -(offset * cut.normal[..., None, :, :]).sum(-1)
    return inside, behind


def others(device: torch.device) -> Tensor:
    """Return (J, P) bool: parts that a joint does not belong to."""
    table = torch.ones(len(H36M_17), len(PARTS), dtype=torch.bool)
    for k, part in enumerate(PARTS):
        table[list(part.own), k] = False
    return table.to(device)


def visible(pose: Tensor) -> Tensor:
    """Return (..., 17) bool: Eq. 7."""
    inside, behind = depths(pose)
    return ~((inside > 0) & (behind > 0) & others(pose.device)).any(-1)


def visibility(pose: Tensor, sharpness_m: float = SHARPNESS_M) -> Tensor:
    """Return (..., 17) in [0, 1]: Eq. 7 with sigmoids for the brackets; differentiable in the pose."""
    inside, behind = depths(pose)
    hidden = torch.sigmoid(4 * inside / sharpness_m) * torch.sigmoid(4 * behind / sharpness_m)
    return (1 - hidden * others(pose.device)).prod(-1)


def behind_body(pose: Tensor, root: Tensor) -> Tensor:
    """Tell which joints (..., 17) the body hides, of poses (..., 17, 3) m whose pelvis stands at `root` (..., 3) m."""
    return ~visible(pose @ toward(root[..., :2] / root[..., 2:].clamp_min(NEAREST_M)))
