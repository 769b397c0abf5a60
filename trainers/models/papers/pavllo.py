"""Build Pavllo 2019's lifter under the contract: causal, symmetric, future replicated, single-frame.

As in the paper the network is given keypoints alone, wherever the person stands; `zero_hidden` gives (0, 0) for joints
below the threshold, as Cheng 2019 does.  Sigma is a table of ages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from engines.contract import Contract
from engines.skeleton import H36M_17
from trainers.models.blocks.joint_map import JointMap
from trainers.models.blocks.sigma_by_age import SigmaTable, age_clip, age_step, age_window
from trainers.models.blocks.tcn import TCN

Variant = Literal["causal", "symmetric", "replicated", "single"]
VARIANTS: tuple[Variant, ...] = ("causal", "symmetric", "replicated", "single")
JOINTS = len(H36M_17)


class PavlloLifter(nn.Module):
    """`replicated` shares its weights with `symmetric`: what live demos make of a network that looks ahead."""

    def __init__(
        self, variant: Variant = "causal", widths: Sequence[int] = (3, 3, 3, 3), channels: int = 1024,
        dropout: float = 0.25, zero_hidden: bool = False, threshold: float = 0.5, joints_in: str = "blazepose33",
    ) -> None:  # fmt: skip
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant {variant!r}, known: {', '.join(VARIANTS)}")
        kernels = [1] * len(widths) if variant == "single" else list(widths)
        self.variant, self.zero_hidden, self.threshold, self.joints_in = variant, zero_hidden, threshold, joints_in
        self.joint_map, self.sigma = JointMap(joints_in), SigmaTable()
        self.tcn = TCN(JOINTS * 2, JOINTS * 3, kernels, channels, dropout, causal=variant == "causal")

    def contract(self) -> Contract:
        ahead = self.tcn.look_ahead()
        late = self.variant == "replicated"
        kind: Literal["step", "window"] = "window" if late else "step"
        return Contract(
            "lift", kind, self.joints_in, H36M_17.name, self.tcn.receptive_field(), look_ahead=0 if late else ahead,
            window=self.tcn.receptive_field() - ahead if late else 1, reliability_source="learned",
            threshold=self.threshold, state=() if late else self._state(),
        )  # fmt: skip

    def _state(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        layers = ((f"layer{i}", shape) for i, shape in enumerate(self.tcn.state_shapes()))
        return (*layers, ("ages", (1 + self.tcn.look_ahead(), JOINTS)))

    def features(self, x: Tensor, reliability: Tensor) -> Tensor:
        """Return (..., 17, 2), (..., 17) -> (..., 34)."""
        seen = (reliability >= self.threshold).to(x.dtype).unsqueeze(-1)
        return (x * seen if self.zero_hidden else x).flatten(-2)

    def clip(self, x: Tensor, reliability: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, T, 17, ...) -> xyz (B, T, 17, 3), log sigma (B, T, 17); ends are padded with copies."""
        features = self.features(x, reliability)
        log_sigma = self.sigma(age_clip(reliability >= self.threshold, time))
        if self.variant == "replicated":
            answers = [self._now(features[:, : t + 1]) for t in range(x.shape[1])]
            return self.pose(torch.stack(answers, 1)), log_sigma
        return self.pose(self.tcn.clip(features)), log_sigma

    def _now(self, past: Tensor) -> Tensor:
        """Return the newest frame of (B, t, C), its future a copy of itself, its missing past a copy of the first."""
        ahead = self.tcn.look_ahead()
        before = self.tcn.receptive_field() - ahead - past.shape[1]
        first = past[:, :1].expand(-1, max(before, 0), -1)
        recent = past[:, max(-before, 0) :]
        return cast(Tensor, self.tcn(torch.cat([first, recent, past[:, -1:].expand(-1, ahead, -1)], 1))[:, 0])

    def target_pose(self, x: Tensor, reliability: Tensor) -> Tensor:
        """Return clips of the receptive field's length (B, R, 17, ...) -> the answered pose (B, 17, 3): training."""
        return self.pose(self.tcn.strided(self.features(x, reliability)))[:, 0]

    @staticmethod
    def pose(out: Tensor) -> Tensor:
        xyz = out.unflatten(-1, (JOINTS, 3))
        return cast(Tensor, xyz - xyz[..., :1, :])

    def run(self, given: dict[str, Tensor], state: dict[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Map the contract's tensors of one tick, or of one window, the detector's joints -> (xyz, log_sigma) and
        state."""
        x, reliability = self.joint_map.points(given["x"]), self.joint_map.reliability(given["reliability"])
        features, seen = self.features(x, reliability), reliability >= self.threshold
        if self.variant == "replicated":
            features = features + 0 * given["dt"].unsqueeze(-1)
            return (self.pose(self._now(features)), self.sigma(age_window(seen))), {}
        *layers, ages = state.values()
        answer, after = self.tcn.step(features, given["reset"], layers)
        start = given["reset"] > 0.5
        now = age_step(ages[:, -1], seen, given["dt"], start).unsqueeze(1)
        ages = torch.cat([torch.where(start[:, None, None], now, ages[:, 1:]), now], 1)
        names = [name for name, _ in self._state()]
        return (self.pose(answer), self.sigma(ages[:, 0])), dict(zip(names, [*after, ages]))
