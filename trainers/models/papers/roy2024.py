"""Build Roy 2024: depths lifted frame by frame, refined on a graph of 31 frames with masked nodes.

Shapes: B clips, T frames, J = 17.  Depths are metres relative to the pelvis along the line of sight to it; everything
happens in a camera that looks at the pelvis, so that a person's place in the picture does not matter.
LNet runs once a frame; the last 30 depths are state.  The graph answers frame `target` of its 31: 30 is now, 15 is the
paper's and comes 15 frames late.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from engines.contract import TICK_S, Contract
from engines.skeleton import H36M_17
from trainers.geometry.person_frame import PELVIS, toward
from trainers.geometry.root_depth import RootDepth
from trainers.models.blocks.front_end import AGE_MAX
from trainers.models.blocks.hold_hidden import hold_clip, hold_step
from trainers.models.blocks.inputs import checked, facing, mapped, pushed
from trainers.models.blocks.joint_map import JointMap
from trainers.models.blocks.sigma_by_age import SigmaTable, age_clip, age_step
from trainers.models.papers.roy2024_nets import FRAMES, JOINTS, LNet, RNet

HELD_S = AGE_MAX - TICK_S / 2  # between two ticks, so that rounding never decides
CHUNK = 256  # windows refined at once
LATE = 3 * JOINTS + 2  # rays, centre and ages of frames that wait for their future


class Roy2024(nn.Module):
    """`gate`: live, nodes of unreliable keypoints are 0.  `hold`: before LNet they hang on their parent's offset."""

    free: Tensor

    def __init__(
        self, target: int = 30, strides: Sequence[int] = (1, 3, 5, 7), gate: bool = True, hold: bool = False,
        dropout: float = 0.1, references: tuple[str, ...] = ("trunk",), threshold: float = 0.5,
        joints_in: str = "blazepose33",
    ) -> None:  # fmt: skip
        super().__init__()
        if not 0 <= target < FRAMES or any(not 1 <= s < FRAMES for s in strides):
            raise ValueError(
                f"target {target} and strides {tuple(strides)} must lie within a window of {FRAMES} frames"
            )
        self.target, self.gate, self.hold, self.threshold, self.joints_in = target, gate, hold, threshold, joints_in
        self.joint_map, self.lnet, self.rnet = JointMap(joints_in), LNet(dropout), RNet(strides)
        self.root, self.sigma = RootDepth(references), SigmaTable()
        free = torch.ones(JOINTS)
        free[PELVIS] = 0.0
        self.register_buffer("free", free, persistent=False)

    @property
    def look_ahead(self) -> int:
        return FRAMES - 1 - self.target

    def contract(self) -> Contract:
        state: list[tuple[str, tuple[int, ...]]] = [
            ("window", (FRAMES - 1, 2 * JOINTS)),
            ("age", (JOINTS,)),
            ("root", (2,)),
        ]
        state += [("held", (JOINTS, 2))] if self.hold else []
        state += [("late", (self.look_ahead, LATE))] if self.look_ahead else []
        return Contract(
            "lift", "step", self.joints_in, H36M_17.name, FRAMES, look_ahead=self.look_ahead,
            reliability_source="learned", threshold=self.threshold, state=tuple(state),
        )  # fmt: skip

    # --- the parts ---

    def depths(self, rays: Tensor, observed: Tensor) -> Tensor:
        """LNet: rays (..., 17, 2), observed (..., 17) bool -> (..., 17) m; sizes come from observed joints."""
        known = observed.to(rays.dtype)
        counted = known.maximum(1 - known.amax(-1, keepdim=True))  # where nothing is seen, everything counts
        size = (rays.abs().amax(-1) * counted).amax(-1).clamp_min(1e-3)
        keypoints = (rays / size[..., None, None]).clamp(-1, 1)
        return cast(Tensor, self.lnet(keypoints.flatten(-2)) * self.free)

    def refine(self, windows: Tensor, mask: Tensor) -> Tensor:
        """Map windows (N, 31, 17) of depths, mask (N, 31, 17) 0 or 1 -> (N, 17) depths of the target frame."""
        return cast(Tensor, windows[:, self.target] + self.rnet(windows * mask) * self.free)

    @staticmethod
    def place(rays: Tensor, depth: Tensor, root: Tensor, rotation: Tensor) -> Tensor:
        """Eq. 1: (..., 17, 2), (..., 17), (...,) m, (..., 3, 3) -> root-relative pose (..., 17, 3) in camera axes."""
        along = (root.unsqueeze(-1) + depth).unsqueeze(-1)
        xyz = torch.cat([along * rays, depth.unsqueeze(-1)], -1)
        return (xyz - xyz[..., PELVIS : PELVIS + 1, :]) @ rotation.transpose(-1, -2)

    # --- whole clips ---

    def watched(self, x: Tensor, reliability: Tensor, time: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return rays (B, T, 17, 2) towards the pelvis, rotation (B, T, 3, 3), seen (B, T, 17); without time: even
        ticks."""
        x, reliability = checked(x, reliability)
        seen = reliability >= self.threshold
        if not self.hold:
            return (*facing(x), seen)
        if time is None:
            time = (torch.arange(x.shape[1], device=x.device) * TICK_S).expand(x.shape[:2])
        return (*facing(self._held(hold_clip(x, seen), x, age_clip(seen, time))), seen)

    @staticmethod
    def _held(held: Tensor, claimed: Tensor, age: Tensor) -> Tensor:
        """Return what was seen in the last 3 s is held; of anything else the detector's claim is all there is."""
        return torch.where((age < HELD_S).unsqueeze(-1), held, claimed)

    def clip(
        self, x: Tensor, reliability: Tensor, time: Tensor, root: Tensor | None = None, refined: bool = True
    ) -> tuple[Tensor, Tensor]:
        """(B, T, ...) -> xyz (B, T, 17, 3), log sigma (B, T, 17); `root` (B, T): the true depth, not its estimate.

        `refined` False answers with LNet alone, as the paper's tables do.
        """
        rays, rotation, seen = self.watched(x, reliability, time)
        best = self.answered(rays, seen, refined)
        found = self.distance(rays, seen, best) if root is None else root
        return self.place(rays, best[:, self.look_ahead :], found, rotation), self.sigma(age_clip(seen, time))

    def answered(self, rays: Tensor, observed: Tensor, refined: bool = True) -> Tensor:
        """Return depths (B, calls, 17) as the step form gives them call by call: the first `look_ahead` answer
        copies."""
        depth = self.depths(rays, observed)
        calls = torch.arange(rays.shape[1] + self.look_ahead, device=rays.device)
        return self._refined(depth, observed, calls) if refined else depth[:, (calls - self.look_ahead).clamp_min(0)]

    def distance(self, rays: Tensor, observed: Tensor, best: Tensor) -> Tensor:
        """Estimated depth of the pelvis (B, T) m."""
        at = (torch.arange(best.shape[1], device=rays.device) - self.look_ahead).clamp_min(0)
        return self.root.clip(rays[:, at], best, observed[:, at].to(rays.dtype))[:, self.look_ahead :]

    def _refined(self, depth: Tensor, observed: Tensor, calls: Tensor) -> Tensor:
        """Return one window a call, (B, calls, 17); before the first frame and after the last stand copies."""
        back = torch.arange(FRAMES, device=depth.device) - (FRAMES - 1)
        at = (calls[:, None] + back).clamp(0, depth.shape[1] - 1)
        windows, kept = depth[:, at].flatten(0, 1), self._kept(observed[:, at]).flatten(0, 1)
        parts = [self.refine(a, b) for a, b in zip(windows.split(CHUNK), kept.split(CHUNK))]
        return cast(Tensor, torch.cat(parts).unflatten(0, (len(depth), len(calls))))

    def _kept(self, observed: Tensor) -> Tensor:
        return (observed if self.gate else torch.ones_like(observed)).to(self.free.dtype)

    # --- one frame at a time ---

    def step(
        self, x: Tensor, reliability: Tensor, dt: Tensor, reset: Tensor, state: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Map x (B, 17, 2), reliability (B, 17), dt (B,), reset (B,) -> xyz (B, 17, 3), log sigma (B, 17), state."""
        start, seen, after = reset > 0.5, reliability >= self.threshold, {}
        after["age"], points = age_step(state["age"], seen, dt, start), x
        if self.hold:
            held, after["held"] = hold_step(x, seen, state["held"], start)
            points = self._held(held, x, after["age"])
        rays, _ = facing(points)
        now = torch.cat([self.depths(rays, seen), seen.to(x.dtype)], -1)
        window = pushed(state["window"], now, start)  # (B, 31, 34)
        after["window"] = window[:, 1:]
        late = torch.cat([rays.flatten(1), points[:, PELVIS], after["age"]], -1)
        if self.look_ahead:
            waiting = pushed(state["late"], late, start)
            late, after["late"] = waiting[:, 0], waiting[:, 1:]
        depth, there = window.split(JOINTS, -1)
        best = self.refine(depth, self._kept(there))
        rays, centre, age = (
            late[:, : 2 * JOINTS].unflatten(1, (JOINTS, 2)),
            late[:, 2 * JOINTS : -JOINTS],
            late[:, -JOINTS:],
        )
        root, after["root"] = self.root.step(rays, best, there[:, self.target], state["root"], start)
        return self.place(rays, best, root, toward(centre)), self.sigma(age), after

    def run(self, given: dict[str, Tensor], state: dict[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Map the contract's tensors of one tick, the detector's joints -> (xyz, log_sigma) and the state after it."""
        xyz, log_sigma, after = self.step(*mapped(self.joint_map, given), given["dt"], given["reset"], state)
        return (xyz, log_sigma), after
