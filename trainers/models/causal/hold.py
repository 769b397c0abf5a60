"""Build `hold`, the lifter without training: the detector's own 3D along the person's ray, hidden bones held.

Shapes: B clips, T ticks, 17 joints.  Camera axes, metres.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.contract import TICK_S, Contract
from engines.skeleton import H36M_17
from trainers.models.blocks.front_end import AGE_MAX, FrontEnd
from trainers.models.blocks.joint_map import JointMap
from trainers.models.blocks.sigma_by_age import SigmaTable, age_clip
from trainers.models.causal.causal_lifter import lift_mapped

TRUNK = ("pelvis", "right_hip", "left_hip", "spine", "thorax", "left_shoulder", "right_shoulder")
HELD_S = AGE_MAX - TICK_S / 2  # what was not seen for so long, or never, is where the detector says
TRUNK_DOUBTED = 0.2  # reliability below which the trunk is held; chosen on rendered training people


class HoldLifter(nn.Module):
    """What the judge half believes is a mean of what is held and what the detector says; the trunk is held only when
    it is hardly believed: doubts about the hips would move everything.  Without that, wrong doubts cost more in the
    open than right ones gain.  Sigma from the age, measured on validation people.
    """

    doubted: Tensor  # (17,) reliability below which a joint is held

    def __init__(self, threshold: float = 0.5, joints_in: str = "blazepose33") -> None:
        super().__init__()
        self.joint_map, self.front = JointMap(joints_in), FrontEnd(threshold)
        self.joints_in, self.sigma = joints_in, SigmaTable()
        doubted = torch.full((len(H36M_17),), threshold)
        doubted[[H36M_17.index(j) for j in TRUNK]] = min(threshold, TRUNK_DOUBTED)
        self.register_buffer("doubted", doubted, persistent=False)

    def receptive_field(self) -> int:
        return 1

    def contract(self) -> Contract:
        return Contract(
            "lift", "step", self.joints_in, H36M_17.name, 1, world=True, reliability_source="learned",
            threshold=self.front.threshold, state=self.front.state,
        )  # fmt: skip

    def clip(self, x: Tensor, reliability: Tensor, time: Tensor, world: Tensor) -> tuple[Tensor, Tensor]:
        believed = reliability >= self.doubted
        _, rotation, held = self.front.clip(x, believed.to(x.dtype), time, world)
        age = age_clip(believed, time)
        return self._answer(rotation, held, world, reliability, age), self.sigma(age)

    def step(
        self, x: Tensor, reliability: Tensor, dt: Tensor, world: Tensor, reset: Tensor, state: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        believed = (reliability >= self.doubted).to(x.dtype)
        _, rotation, held, new = self.front.step(x, believed, dt, world, reset > 0.5, state)
        age = new["age"]
        return self._answer(rotation, held, world, reliability, age), self.sigma(age), new

    def run(self, given: dict[str, Tensor], state: dict[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Map the contract's tensors of one tick, the detector's joints -> (xyz, log_sigma) and the state after it."""
        return lift_mapped(self, given, state)

    def _answer(self, rotation: Tensor, held: Tensor, world: Tensor, reliability: Tensor, age: Tensor) -> Tensor:
        half = (reliability / self.front.threshold).clamp(0, 1)
        half = torch.where(age < HELD_S, half, torch.ones_like(half)).unsqueeze(-1)
        kept, said = held - held[..., :1, :], world - world[..., :1, :]
        return (kept + half * (said - kept)) @ rotation.transpose(-1, -2)
