"""The per-frame corrector: where a detector's own 3D errs, a function of pose and camera, and how far it may be off.

In the axes of a camera that looks along the person's ray, a believed joint lies on its own ray: what the detector does
not know is its depth.  The network answers a residual on the detector's depth, a factor on the person's distance, and a
residual across the rays that counts where a point is not believed, and for joints that are no single point: so nothing
of how rendered people differ from real ones moves a joint in the picture.  Several small networks answer, each taught
by itself; of their mean a share counts, for what rendered people teach holds of real ones in part.  Shapes: B people,
33 points in, 37 joints out; metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from engines.skeleton import BLAZEPOSE_33, BODY_37, mapping
from trainers.geometry.person_frame import toward
from trainers.models.blocks import bfloat16
from trainers.models.blocks.hold_hidden import pick

HIPS = [BLAZEPOSE_33.index("left_hip"), BLAZEPOSE_33.index("right_hip")]
POINTS, JOINTS = len(BLAZEPOSE_33), len(BODY_37)
FEATURES = POINTS * (2 + 3 + 1) + 3
NEAREST_M, FARTHEST_M = 0.2, 30.0
LEAST_TRUST = 0.02  # weight of an unreliable point in the distance
RESIDUAL_M = 0.1  # of a unit that the network answers
DISTANCE = 0.3  # log factor of such a unit
WIDEST = (-6.0, 1.0)  # log sigma, log metres
BELIEVED = 0.5
MADE_UP = ("spine", "thorax", "head")  # joints that no point of the detector is


@dataclass(frozen=True)
class PersonView:
    """One person as a camera that looks at the middle of the hips sees them."""

    rays: Tensor  # (B, 33, 2)
    world: Tensor  # (B, 33, 3) the detector's own 3D: it looks along this ray already
    reliability: Tensor  # (B, 33)
    rotation: Tensor  # (B, 3, 3) person's axes -> camera axes, from the right: pose @ rotation.T
    distance: Tensor  # (B,) at which the rays and the detector's 3D agree best


def person_view(rays: Tensor, world: Tensor, reliability: Tensor) -> PersonView:
    """Return rays (B, 33, 2) of the camera; the distance is a weighted least squares over the points, in closed
    form."""
    rotation = toward(pick(rays, HIPS, 1).mean(1))
    turned = torch.cat([rays, torch.ones_like(rays[..., :1])], -1) @ rotation
    seen = turned[..., :2] / turned[..., 2:].clamp_min(0.1)
    weight = (reliability.square() + LEAST_TRUST).unsqueeze(-1)
    return PersonView(seen, world, reliability, rotation, distance_of(world, seen, weight))


def distance_of(pose: Tensor, rays: Tensor, weight: Tensor) -> Tensor:
    """Return (B,) m: the distance of the pelvis at which pose (B, J, 3) and rays agree best, weighted (B, J, 1)."""
    total = weight.sum(1, keepdim=True)
    aside = pose[..., :2] - rays * pose[..., 2:]  # = distance * rays - (where the pelvis lies)
    from_mean = rays - (weight * rays).sum(1, keepdim=True) / total
    aside = aside - (weight * aside).sum(1, keepdim=True) / total
    distance = (weight * from_mean * aside).sum((1, 2)) / ((weight * from_mean.square()).sum((1, 2)) + 1e-6)
    return distance.clamp(NEAREST_M, FARTHEST_M)


class Member(nn.Module):
    """One residual MLP over the features."""

    def __init__(self, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(FEATURES, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth + 1))
        self.drop = nn.Dropout(dropout)
        self.outer = nn.Linear(width, JOINTS * 4 + 1)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        for layer, norm in zip(self.layers, self.norms):
            y = y + self.drop(gelu(layer(norm(y))))
        return cast(Tensor, self.outer(self.norms[-1](y)))


class Corrector(nn.Module):
    """33 points of the detector -> 37 joints from the pelvis and their log sigma, camera axes."""

    restraint: Tensor  # () share of the residuals that counts
    weights: Tensor  # (37, 33)
    unused: Tensor
    made_up: Tensor  # (37,) bool

    def __init__(
        self, width: int = 1024, depth: int = 2, dropout: float = 0.3, members: int = 1, fast: bool = False
    ) -> None:
        super().__init__()
        self.fast = fast
        self.members = nn.ModuleList(Member(width, depth, dropout) for _ in range(members))
        self.register_buffer("restraint", torch.ones(()))
        weights = torch.from_numpy(mapping("blazepose33", "body37"))
        made_up = torch.tensor([name in MADE_UP for name in BODY_37.joints])
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("unused", (weights == 0).float() * 2.0, persistent=False)
        self.register_buffer("made_up", made_up, persistent=False)

    def forward(self, rays: Tensor, world: Tensor, reliability: Tensor) -> tuple[Tensor, Tensor]:
        view = person_view(rays, world, reliability)
        xyz, log_sigma = self.correct(view)
        return xyz @ view.rotation.transpose(1, 2), log_sigma

    def correct(self, view: PersonView) -> tuple[Tensor, Tensor]:
        """Return (B, 37, 3) in the person's axes, (B, 37) log metres: the mean of the members, restrained."""
        found = self.answers(view)
        return self.placed(view, sum(found[1:], found[0]) / len(found), self.restraint)

    def answers(self, view: PersonView) -> list[Tensor]:
        """Of each member (B, 4 * 37 + 1): residuals, log sigmas, log factor of the distance, in units."""
        x = features(view)
        with bfloat16.products(x.device.type, self.fast and self.training):
            return [member(x).float() for member in self.members]

    def placed(self, view: PersonView, out: Tensor, restraint: Tensor | float = 1.0) -> tuple[Tensor, Tensor]:
        """Return an answer as joints (B, 37, 3) in the person's axes and log sigma (B, 37), log metres."""
        residual = restraint * RESIDUAL_M * out[:, : 3 * JOINTS].unflatten(1, (JOINTS, 3))
        farther = torch.exp(restraint * DISTANCE * out[:, -1:]).unsqueeze(-1)
        depth = torch.matmul(self.weights, view.world[..., 2:]) + residual[..., 2:]
        across = self.joint_rays(view) * (view.distance[:, None, None] * farther + depth)
        free = (self.reliability(view.reliability) < BELIEVED) | self.made_up
        xyz = torch.cat([across + residual[..., :2] * free.unsqueeze(-1), depth], -1)
        log_sigma = (out[:, 3 * JOINTS : 4 * JOINTS] - 2.5).clamp(*WIDEST)
        return xyz - xyz[:, :1], log_sigma

    def joint_rays(self, view: PersonView) -> Tensor:
        """Return (B, 37, 2): where the detector sees the joints."""
        return torch.matmul(self.weights, view.rays)

    def reliability(self, points: Tensor) -> Tensor:
        """Map (B, 33) -> (B, 37): as reliable as the worst point that a joint is made of."""
        return (points.unsqueeze(1) + self.unused).amin(-1)


def features(view: PersonView) -> Tensor:
    """Return (B, FEATURES): rays in metres at the person, the detector's 3D, reliability, direction, log distance."""
    metric = view.rays * view.distance[:, None, None]
    parts = (metric.clamp(-3, 3).flatten(1), view.world.clamp(-3, 3).flatten(1), view.reliability)
    return torch.cat([*parts, view.rotation[:, :2, 2], view.distance.log().unsqueeze(1)], 1)
