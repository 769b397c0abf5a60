"""Turn keypoints, reliabilities and the detector's 3D into a causal lifter's features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainers.geometry.person_frame import PELVIS, toward
from trainers.models.blocks.foreshortening import BONES, longest_clip, longest_step
from trainers.models.blocks.foreshortening import features as bone_features
from trainers.models.blocks.hold_hidden import hold_clip, hold_step, unseen_for

AGE_MAX = 3.0  # s; also the age of a joint never seen
SCALE_MEMORY = 2.0  # s
PRIOR_WEIGHT, PRIOR_SCALE = 1e-3, 0.3  # a person 3.3 m away, until something is seen
# typical distance from the pelvis, metres: turns the size in the picture into a distance
REACH = (0.0, 0.12, 0.45, 0.85, 0.12, 0.45, 0.85, 0.22, 0.48, 0.62, 0.75, 0.45, 0.45, 0.5, 0.45, 0.45, 0.5)
JOINT_FEATURES = 2 + 1 + 1 + 1 + 3  # position, seen, reliability, freshness, held world
GLOBAL_FEATURES = 4  # direction of the person (2), log scale, whether the detector's 3D is there


class FrontEnd(nn.Module):
    """Everything between the detector's keypoints and the network, causal, without weights."""

    reach2: Tensor

    def __init__(
        self, threshold: float = 0.5, use_world: bool = True, hold: bool = True, lengths: bool = False
    ) -> None:  # fmt: skip
        super().__init__()
        self.threshold, self.use_world, self.hold, self.lengths = threshold, use_world, hold, lengths
        self.register_buffer("reach2", torch.tensor(REACH).square(), persistent=False)
        self.width = 17 * JOINT_FEATURES + GLOBAL_FEATURES + (2 * BONES if lengths else 0)
        state: tuple[tuple[str, tuple[int, ...]], ...] = (
            ("held2d", (17, 2)), ("held3d", (17, 3)), ("age", (17,)), ("size", (2,)),
        )  # fmt: skip
        self.state = (*state, ("longest", (BONES,))) if lengths else state

    def clip(self, x: Tensor, reliability: Tensor, time: Tensor, world: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return x (B, T, 17, 2), reliability (B, T, 17), time (B, T) s, world (B, T, 17, 3) ->
        features (B, T, F), rotation (B, T, 3, 3), held world (B, T, 17, 3)."""
        seen = reliability >= self.threshold
        held, held3d = self._hold(hold_clip(x, seen), x), hold_clip(world, seen)
        index, since = unseen_for(seen, time)
        age = torch.where(index >= 0, since.clamp(0, AGE_MAX), torch.full_like(since, AGE_MAX))
        rotation = toward(held[:, :, PELVIS])
        points = self._look(held, rotation)
        decay = torch.exp(-(time.unsqueeze(2) - time.unsqueeze(1)).clamp_min(0) / SCALE_MEMORY).tril()  # (B, T, T)
        scale = self._scale(decay @ self._size(points, seen))
        metric = points / scale[..., None, None]
        features = self._features(metric, seen, reliability, age, held3d, scale, held)
        if self.lengths:
            features = torch.cat([features, bone_features(metric, longest_clip(metric, seen, time))], -1)
        return features, rotation, held3d

    def step(
        self, x: Tensor, reliability: Tensor, dt: Tensor, world: Tensor, reset: Tensor, state: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
        seen = reliability >= self.threshold
        both, offsets = hold_step(  # what is held in the picture and in space hangs on the same joints
            torch.cat([x, world], -1), seen, torch.cat([state["held2d"], state["held3d"]], -1), reset
        )
        held, held3d = self._hold(both[..., :2], x), both[..., 2:]
        older = torch.where(reset[:, None], torch.full_like(state["age"], AGE_MAX), state["age"] + dt[:, None])
        age = torch.where(seen, torch.zeros_like(older), older).clamp_max(AGE_MAX)
        rotation = toward(held[:, PELVIS])
        points = self._look(held, rotation)
        kept = torch.where(reset, torch.zeros_like(dt), torch.exp(-dt / SCALE_MEMORY))
        size = state["size"] * kept[:, None] + self._size(points, seen)
        scale = self._scale(size)
        metric = points / scale[..., None, None]
        features = self._features(metric, seen, reliability, age, held3d, scale, held)
        after = {"held2d": offsets[..., :2], "held3d": offsets[..., 2:], "age": age, "size": size}
        if self.lengths:
            after["longest"] = longest_step(metric, seen, dt, reset, state["longest"])
            features = torch.cat([features, bone_features(metric, after["longest"])], -1)
        return features, rotation, held3d, after

    def _hold(self, held: Tensor, raw: Tensor) -> Tensor:
        return held if self.hold else raw

    @staticmethod
    def _look(points: Tensor, rotation: Tensor) -> Tensor:
        """Return rays (…, 17, 2) as a camera that looks at the pelvis sees them."""
        rays = torch.cat([points, torch.ones_like(points[..., :1])], -1) @ rotation
        return rays[..., :2] / rays[..., 2:].clamp_min(0.1)

    def _size(self, points: Tensor, observed: Tensor) -> Tensor:
        """Sum the observed squared extent (…, 2) in the picture and in metres."""
        weight = observed.to(points.dtype)
        extent, metres = weight * points.square().sum(-1), weight * self.reach2
        return torch.cat([extent.sum(-1, keepdim=True), metres.sum(-1, keepdim=True)], -1)

    @staticmethod
    def _scale(size: Tensor) -> Tensor:
        """Return rays a metre at the person."""
        return ((size[..., 0] + PRIOR_WEIGHT * PRIOR_SCALE**2) / (size[..., 1] + PRIOR_WEIGHT)).sqrt()

    def _features(
        self,
        metric: Tensor,
        observed: Tensor,
        reliability: Tensor,
        age: Tensor,
        world: Tensor,
        scale: Tensor,
        held: Tensor,
    ) -> Tensor:
        visible = observed.to(metric.dtype).unsqueeze(-1)
        fresh = torch.exp(-2.0 * age).unsqueeze(-1)
        given = world if self.use_world else torch.zeros_like(world)
        there = (given.abs().amax((-1, -2)) > 0).to(metric.dtype).unsqueeze(-1)
        parts = [metric.clamp(-4, 4), visible, reliability.unsqueeze(-1), fresh, given.clamp(-3, 3)]
        whole = [held[..., PELVIS, :], scale.log().unsqueeze(-1), there]
        return torch.cat([torch.cat(parts, -1).flatten(-2), *whole], -1)
