"""Estimate a person's distance from a bone of known length: closed form, smoothed (Roy 2024, Eq. 1).

A joint with ray (x, y) and relative depth d stands at (root + d) (x, y, 1).  The distance of two such joints is a
quadratic in root; the larger solution is the one in front of the camera.  A wrong focal length scales the answer, which
is then the depth in the guessed camera: the one that puts joints on their rays at the right size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from engines.skeleton import H36M_17

J = H36M_17.index
REFERENCES = {
    "trunk": (J("pelvis"), J("thorax")),
    "shoulders": (J("left_shoulder"), J("right_shoulder")),
    "left_thigh": (J("left_hip"), J("left_knee")),
    "right_thigh": (J("right_hip"), J("right_knee")),
}
TYPICAL_M = {"trunk": 0.48, "shoulders": 0.33, "left_thigh": 0.43, "right_thigh": 0.43}
USUAL_M, USUAL_WEIGHT = 3.5, 1e-6  # until a reference bone is seen
NEAREST_M = 0.5
MEMORY_S, TICK_S = 1.0, 1 / 30
KEEP = math.exp(-TICK_S / MEMORY_S)  # state lives on the grid of ticks, so one factor serves every step


def from_bone(rays: Tensor, depth: Tensor, bone: tuple[int, int], length: Tensor | float) -> tuple[Tensor, Tensor]:
    """Return rays (..., 17, 2), depth (..., 17) m -> root depth (...,) that makes the bone so long, and how much it
    says."""
    near, far = (torch.cat([rays[..., j, :], torch.ones_like(rays[..., j, :1])], -1) for j in bone)
    u = near - far  # grows with the root's depth
    v = depth[..., bone[0], None] * near - depth[..., bone[1], None] * far
    uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    inside = uv * uv - uu * (vv - length * length)  # below 0: the depths alone are longer than the bone
    root = (inside.clamp_min(1e-12).sqrt() - uv) / uu.clamp_min(1e-9)
    return root.clamp_min(NEAREST_M), inside.clamp_min(0) * (root > NEAREST_M)


class RootDepth(nn.Module):
    """Mean log depth over the last second, weighted by how well the reference bones show it."""

    length: Tensor  # m, of the reference bones

    def __init__(self, references: tuple[str, ...] = ("trunk",)) -> None:
        super().__init__()
        if not references or set(references) - set(REFERENCES):
            raise ValueError(f"references {', '.join(references) or 'none'}, known: {', '.join(REFERENCES)}")
        self.bones = [REFERENCES[name] for name in references]
        self.register_buffer("length", torch.tensor([TYPICAL_M[name] for name in references]))  # m, set on people

    def measure(self, pose: Tensor) -> None:
        """Known lengths: the mean of people's (N, 17, 3)."""
        near, far = ([bone[k] for bone in self.bones] for k in (0, 1))
        self.length.copy_((pose[:, near] - pose[:, far]).norm(dim=-1).mean(0))

    def evidence(self, rays: Tensor, depth: Tensor, observed: Tensor) -> Tensor:
        """Return (..., 2): sum of weight * log depth, sum of weights; unobserved bones say nothing."""
        total = torch.zeros_like(depth[..., :2])
        for bone, length in zip(self.bones, self.length):
            root, weight = from_bone(rays, depth, bone, length)
            weight = weight * observed[..., bone[0]] * observed[..., bone[1]]
            total = total + torch.stack([weight * root.log(), weight], -1)
        return total

    @staticmethod
    def estimate(summed: Tensor) -> Tensor:
        """Return (..., 2) -> (...,) m."""
        usual = USUAL_WEIGHT * math.log(USUAL_M)
        return ((summed[..., 0] + usual) / (summed[..., 1] + USUAL_WEIGHT)).exp()

    def step(
        self, rays: Tensor, depth: Tensor, observed: Tensor, state: Tensor, start: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Map one tick, state (B, 2) -> root depth (B,), state."""
        past = torch.where(start[:, None], torch.zeros_like(state), KEEP * state)
        now = past + self.evidence(rays, depth, observed)
        return self.estimate(now), now

    def clip(self, rays: Tensor, depth: Tensor, observed: Tensor) -> Tensor:
        """Return (B, T, 17, ...) -> (B, T)."""
        ticks = torch.arange(rays.shape[1], device=rays.device, dtype=rays.dtype)
        lag = ticks[:, None] - ticks[None]
        memory = torch.where(lag >= 0, KEEP ** lag.clamp_min(0), torch.zeros_like(lag))
        return self.estimate(memory @ self.evidence(rays, depth, observed))
