"""Correct, carry, fuse: a per-frame corrector before a causal lifter, their answers weighed by variance.  What is
believed is placed on its ray, bones keep their lengths.

In the open both err, mostly in other ways: the fused pose errs less than either.  What is not believed the lifter
carries alone, with the last believed correction.  37 joints: H36M's 17 fused; face, hands and feet as the corrector has
them, on the fused nose, wrists and ankles.  Shapes: B people; camera axes, metres from the pelvis.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from engines.contract import Contract
from engines.skeleton import BODY_37, H36M_17
from trainers.models.blocks.hold_hidden import pick
from trainers.models.causal.bone_lengths import BONE_ENDS, probable_lengths, remember_lengths, with_lengths
from trainers.models.causal.causal_lifter import LiveLifter
from trainers.models.causal.corrector import Corrector, person_view
from trainers.models.causal.on_rays import place_on_rays

CORE = len(H36M_17)
EXTRA_PARENTS = list(BODY_37.parents[CORE:])
CARRIED = "carry_"  # prefix of the lifter's own state
SETTLE_S = 0.05  # of the correction: longer smooths more of the detector's jitter and lags where a body turns fast
OFFSET_S = 0.05  # of face, hands and feet on their parents


class CorrectedLifter(nn.Module):
    """One streamed graph.  The state: the lifter's own, the correction, offsets, bone lengths and how long known."""

    gains: Tensor  # (4,) of sigma: corrector, carry, fused where believed, fused elsewhere
    lean: Tensor  # (2,) toward the corrector

    def __init__(self, corrector: Corrector, carry: LiveLifter) -> None:
        super().__init__()
        self.corrector, self.carry = corrector, carry
        # factors on the corrector's sigma, on the lifter's, and on the fused one of believed and other joints
        self.register_buffer("gains", torch.ones(4))
        # log-odds of the corrector's share: where half of the joints are believed, and what each tenth more adds
        self.register_buffer("lean", torch.zeros(2))

    def contract(self) -> Contract:
        inner = self.carry.contract()
        state = tuple((CARRIED + name, shape) for name, shape in inner.state)
        own = (("correction", (CORE, 3)), ("offset", (len(EXTRA_PARENTS), 3)), ("length", (len(BONE_ENDS),)),
               ("known", (len(BONE_ENDS),)))  # fmt: skip
        return Contract(
            "lift", "step", inner.joints_in, BODY_37.name, inner.receptive_field, world=True,
            reliability_source="learned", threshold=inner.threshold, state=(*state, *own),
        )  # fmt: skip

    def run(self, given: dict[str, Tensor], state: dict[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Map the contract's tensors of one tick -> (xyz, log_sigma) and the state after it."""
        x, reliability, world, dt = (given[name] for name in ("x", "reliability", "world", "dt"))
        start = given["reset"] > 0.5
        trust = self.corrector.reliability(reliability)
        view = person_view(x, world, reliability)
        turn = view.rotation
        corrected, corrected_sigma = self.corrector.correct(view)  # in the person's axes
        to = self.carry.joint_map
        carried, carried_sigma, after = self.carry.step(
            to.points(x), to.reliability(reliability), dt, to.points(world), given["reset"],
            {name: state[CARRIED + name] for name, _ in self.carry.state_shapes()},
        )  # fmt: skip
        after = {CARRIED + name: value for name, value in after.items()}
        share, sigma = self._weigh(corrected_sigma, carried_sigma, trust)
        rays = self.corrector.joint_rays(view)[:, :CORE]
        pose, own = self._settled(corrected, carried @ turn, share, rays, trust, dt, start, state)
        return (pose @ turn.transpose(1, 2), sigma), after | own

    def clip(self, x: Tensor, reliability: Tensor, time: Tensor, world: Tensor) -> tuple[Tensor, Tensor]:
        """Return the detector's joints over whole clips (B, T, ...) -> xyz (B, T, 37, 3), log_sigma (B, T, 37).

        Both networks pass once; what a tick hands to the next (correction, offsets, bone lengths) is followed.
        """
        to, ticks = self.carry.joint_map, x.shape[1]
        carried, carried_sigma = self.carry.clip(
            to.points(x), to.reliability(reliability), time, to.points(world)
        )  # (B, T, 17, 3)
        view = person_view(x.flatten(0, 1), world.flatten(0, 1), reliability.flatten(0, 1))
        corrected, corrected_sigma = self.corrector.correct(view)
        trust = self.corrector.reliability(reliability.flatten(0, 1))
        share, sigma = self._weigh(corrected_sigma, carried_sigma.flatten(0, 1), trust)
        rays = self.corrector.joint_rays(view)[:, :CORE]
        parts = corrected, carried.flatten(0, 1) @ view.rotation, share, rays, trust
        steps = zip(*(part.view(-1, ticks, *part.shape[1:]).unbind(1) for part in parts))
        state = {name: x.new_zeros(len(x), *shape) for name, shape in self.contract().state}
        poses, before = [], time[:, 0]
        for t, (corrected, carried, share, rays, trust) in enumerate(steps):
            start = torch.full((len(x),), t == 0, device=x.device)
            pose, state = self._settled(corrected, carried, share, rays, trust, time[:, t] - before, start, state)
            poses.append(pose)
            before = time[:, t]
        turned = torch.stack(poses, 1).flatten(0, 1) @ view.rotation.transpose(1, 2)
        return turned.view(-1, ticks, *turned.shape[1:]), sigma.view(-1, ticks, sigma.shape[-1])

    def _settled(
        self, corrected: Tensor, carried: Tensor, share: Tensor, rays: Tensor, trust: Tensor, dt: Tensor, start: Tensor,
        state: Mapping[str, Tensor],
    ) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
        """Return the fused pose (B, 37, 3) in the person's axes, believed joints on their rays (B, 17, 2), bones held,
        and the state that is not the lifter's."""
        hung = corrected[:, CORE:] - pick(corrected, EXTRA_PARENTS, 1)
        offset = follow(hung, state["offset"], trust[:, CORE:], dt, start, OFFSET_S)
        fused = carried + share[:, :CORE, None] * (corrected[:, :CORE] - carried)
        length, known = remember_lengths(_hung(fused, offset), trust, dt, start, state["length"], state["known"])
        held = probable_lengths(length, known)
        placed = place_on_rays(fused, rays, trust[:, :CORE], held[:, : CORE - 1], self.carry.front.threshold)
        correction = follow(placed - carried, state["correction"], trust[:, :CORE], dt, start, SETTLE_S)
        pose = with_lengths(_hung(carried + correction, offset), held)
        return pose, {"correction": correction, "offset": offset, "length": length, "known": known}

    def _weigh(self, corrected: Tensor, carried: Tensor, trust: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, 37) share of the corrector, and log sigma of the fused pose; log sigmas (B, 37) and (B, 17)."""
        corrected = corrected + self.gains[0].log()
        carried = torch.cat([carried, pick(carried, EXTRA_PARENTS, 1)], 1) + self.gains[1].log()
        believed = trust >= self.carry.front.threshold
        share = torch.sigmoid(2 * (carried - corrected) + self._leaning(believed)) * trust.square()
        both = -0.5 * torch.logaddexp(-2 * corrected, -2 * carried)
        sigma = torch.where(believed, both, torch.maximum(corrected, carried))
        return share, sigma + torch.where(believed, self.gains[2], self.gains[3]).log()

    def _leaning(self, believed: Tensor) -> Tensor:
        """Return (B, 1): who is seen whole, of him the corrector knows more than sigmas tell; of half a body the
        lifter."""
        part = believed[:, :CORE].float().mean(1, keepdim=True)
        return self.lean[0] + self.lean[1] * 10 * (part - 0.5)


def _hung(core: Tensor, offset: Tensor) -> Tensor:
    """Return 37 joints: face, hands and feet at their offsets from the joints that they hang on."""
    return torch.cat([core, pick(core, EXTRA_PARENTS, 1) + offset], 1)


def follow(wanted: Tensor, last: Tensor, trust: Tensor, dt: Tensor, start: Tensor, seconds: float) -> Tensor:
    """Return (B, J, 3) moves to what is wanted, the faster the more it is believed; at a start it is there at once."""
    speed = (1 - torch.exp(-dt / seconds))[:, None, None] * trust.unsqueeze(-1)
    return torch.where(start[:, None, None], wanted, last + speed * (wanted - last))
