"""Build Cheng 2020: heatmaps embedded per frame, temporal branches of several strides over 64 frames.

Shapes: B clips, T ticks, J = 17.  The detector's heatmaps are drawn anew from keypoints and confidences, in the picture
of a camera that looks at the pelvis, scaled to the person (models.live.FrontEnd); hidden joints have empty maps.  Every
frame is embedded once; the last 63 embeddings are state.  `answered` is the frame of the window whose pose is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import cast

import torch
from torch import Tensor, nn

from engines.contract import Contract
from engines.skeleton import H36M_17
from trainers.geometry.person_frame import toward
from trainers.models.blocks.front_end import JOINT_FEATURES, FrontEnd
from trainers.models.blocks.inputs import checked, mapped, pushed
from trainers.models.blocks.joint_map import JointMap
from trainers.models.blocks.sigma_by_age import SigmaTable

JOINTS, FRAMES = len(H36M_17), 64
CELLS, REACH_M = 16, 1.28  # a heatmap's cells a side; metres from the pelvis to its border
SPREAD = 1.0  # cells, of a keypoint's Gaussian
WIDTHS = {1: (4, 4, 4), 2: (4, 4, 2), 3: (7, 3), 5: (4, 3), 7: (3, 3)}  # stride -> kernels; their product: frames
PLACE = 2 + JOINTS  # centre of the person and ages, kept until a frame is answered


def drawn(position: Tensor, confidence: Tensor) -> Tensor:
    """Map positions (N, 17, 2) in about metres from the pelvis, confidence (N, 17) -> maps (N, 17, 16, 16), y first."""
    cell = 2 * REACH_M / CELLS
    grid = (torch.arange(CELLS, device=position.device) + 0.5) * cell - REACH_M
    away = (position.unsqueeze(-1) - grid) / (SPREAD * cell)  # (N, 17, 2, 16)
    bell = torch.exp(-0.5 * away.square())
    return (confidence.unsqueeze(-1) * bell[:, :, 1]).unsqueeze(-1) * bell[:, :, 0].unsqueeze(-2)


class Embedding(nn.Module):
    """f_E: heatmaps of one frame -> what they say."""

    def __init__(self, outputs: int = 512) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(JOINTS, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        )  # fmt: skip
        self.out = nn.Sequential(
            nn.Linear(64 * (CELLS // 4) ** 2, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()
        )

    def forward(self, position: Tensor, confidence: Tensor) -> Tensor:
        return cast(Tensor, self.out(self.maps(drawn(position, confidence)).flatten(1)))


class Branch(nn.Module):
    """Convolutions over every `stride`-th frame: dilated over clips, strided over one window; the same weights."""

    def __init__(self, inputs: int, channels: int, stride: int, answered: int) -> None:
        super().__init__()
        self.stride, self.widths = stride, WIDTHS[stride]
        self.frames = prod(self.widths)
        ahead = (FRAMES - 1 - answered) // stride
        before = min(answered // stride, max(self.frames // 2, self.frames - 1 - ahead))
        self.first = answered - before * stride  # in the window
        sizes = [inputs] + [channels] * len(self.widths)
        self.layers = nn.ModuleList(nn.Conv1d(a, channels, w, bias=False) for a, w in zip(sizes, self.widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in self.widths)

    def clip(self, x: Tensor) -> Tensor:
        """Map (B, C, 64 + n - 1) -> (B, C', n): one answer for each window."""
        answers, spacing = x.shape[-1] - FRAMES + 1, self.stride
        for layer, norm, width in zip(cast("list[nn.Conv1d]", self.layers), self.norms, self.widths):
            x = torch.relu(norm(nn.functional.conv1d(x, layer.weight, dilation=spacing)))
            spacing *= width
        return x[..., self.first : self.first + answers]

    def window(self, x: Tensor) -> Tensor:
        """Map (B, C, 64) -> (B, C', 1)."""
        x = x[..., self.first : self.first + self.stride * (self.frames - 1) + 1 : self.stride]
        for layer, norm, width in zip(cast("list[nn.Conv1d]", self.layers), self.norms, self.widths):
            x = torch.relu(norm(nn.functional.conv1d(x, layer.weight, stride=width)))
        return x


class Cheng2020(nn.Module):
    def __init__(
        self, strides: Sequence[int] = (1, 2, 3, 5, 7), embedding: int = 512, channels: int = 256, answered: int = 32,
        threshold: float = 0.5, joints_in: str = "blazepose33",
    ) -> None:  # fmt: skip
        super().__init__()
        if not strides or set(strides) - set(WIDTHS) or not 0 <= answered < FRAMES:
            raise ValueError(
                f"strides {tuple(strides)} of {', '.join(map(str, WIDTHS))}, answering frame {answered} of {FRAMES}"
            )
        self.answered, self.embedding, self.threshold, self.joints_in = answered, embedding, threshold, joints_in
        self.joint_map, self.front = JointMap(joints_in), FrontEnd(threshold, use_world=False)
        self.embed = Embedding(embedding)
        self.branches = nn.ModuleList(Branch(embedding, channels, s, answered) for s in strides)
        self.head = nn.Conv1d(channels * len(strides), JOINTS * 3, 1)
        self.sigma = SigmaTable()

    @property
    def look_ahead(self) -> int:
        return FRAMES - 1 - self.answered

    def contract(self) -> Contract:
        late = (("late", (self.look_ahead, PLACE)),) if self.look_ahead else ()
        return Contract(
            "lift", "step", self.joints_in, H36M_17.name, FRAMES, look_ahead=self.look_ahead,
            reliability_source="learned", threshold=self.threshold,
            state=(*self.front.state, ("embeddings", (FRAMES - 1, self.embedding)), *late),
        )  # fmt: skip

    # --- the parts ---

    def embedded(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Map the front end's features (N, F) -> embeddings (N, E), centre and ages (N, 19)."""
        joints = features[:, : JOINTS * JOINT_FEATURES].unflatten(1, (JOINTS, JOINT_FEATURES))
        position, seen, reliability, fresh = joints[..., :2], joints[..., 2], joints[..., 3], joints[..., 4]
        centre = features[:, JOINTS * JOINT_FEATURES :][:, :2]
        return self.embed(position, seen * reliability), torch.cat([centre, -0.5 * fresh.log()], -1)

    @staticmethod
    def pose(out: Tensor, centre: Tensor) -> Tensor:
        """Return (..., 51) as a camera sees it that looks at `centre` (..., 2) -> (..., 17, 3) in camera axes."""
        xyz = out.unflatten(-1, (JOINTS, 3))
        return cast(Tensor, (xyz - xyz[..., :1, :]) @ toward(centre).transpose(-1, -2))

    # --- whole clips ---

    def frames(self, x: Tensor, reliability: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, T, 17, ...) -> embeddings (B, T, E), centres and ages (B, T, 19)."""
        x, reliability = checked(x, reliability)
        features, _, _ = self.front.clip(x, reliability, time, x.new_zeros(*x.shape[:3], 3))
        embedded, place = self.embedded(features.flatten(0, 1))
        return embedded.unflatten(0, x.shape[:2]), place.unflatten(0, x.shape[:2])

    def answers(self, embedded: Tensor, centre: Tensor) -> Tensor:
        """Embeddings (B, 63 + n, E), centres of the n answered frames (B, n, 2) -> poses (B, n, 17, 3)."""
        found = torch.cat([cast(Branch, branch).clip(embedded.transpose(1, 2)) for branch in self.branches], 1)
        return self.pose(self.head(found).transpose(1, 2), centre)

    def inner(self, x: Tensor, reliability: Tensor, time: Tensor) -> Tensor:
        """Map clips of 63 + n ticks -> poses of the n frames whose whole window lies in the clip: training."""
        embedded, place = self.frames(x, reliability, time)
        return self.answers(embedded, place[:, self.answered : x.shape[1] - self.look_ahead, :2])

    def clip(self, x: Tensor, reliability: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, T, ...) -> xyz (B, T, 17, 3), log sigma (B, T, 17); before the first and after the last frame:
        copies."""
        if not len(x):
            return x.new_zeros(*x.shape[:3], 3), x.new_zeros(x.shape[:3])
        embedded, place = self.frames(x, reliability, time)
        first = embedded[:, :1].expand(-1, self.answered, -1)
        last = embedded[:, -1:].expand(-1, self.look_ahead, -1)
        return self.answers(torch.cat([first, embedded, last], 1), place[..., :2]), self.sigma(place[..., 2:])

    # --- one frame at a time ---

    def step(
        self, x: Tensor, reliability: Tensor, dt: Tensor, reset: Tensor, state: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Map x (B, 17, 2), reliability (B, 17), dt (B,), reset (B,) -> xyz (B, 17, 3), log sigma (B, 17), state."""
        start, nothing = reset > 0.5, torch.zeros_like(x[..., :1]).expand(-1, -1, 3)
        features, _, _, after = self.front.step(x, reliability, dt, nothing, start, dict(state))
        now, place = self.embedded(features)
        window = pushed(state["embeddings"], now, start)
        after["embeddings"] = window[:, 1:]
        if self.look_ahead:
            waiting = pushed(state["late"], place, start)
            place, after["late"] = waiting[:, 0], waiting[:, 1:]
        found = torch.cat([cast(Branch, branch).window(window.transpose(1, 2)) for branch in self.branches], 1)
        return self.pose(self.head(found).squeeze(-1), place[:, :2]), self.sigma(place[:, 2:]), after

    def run(self, given: dict[str, Tensor], state: dict[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Map the contract's tensors of one tick, the detector's joints -> (xyz, log_sigma) and the state after it."""
        xyz, log_sigma, after = self.step(*mapped(self.joint_map, given), given["dt"], given["reset"], state)
        return (xyz, log_sigma), after
