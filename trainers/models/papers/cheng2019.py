"""Build Cheng 2019: a 2D TCN that smooths what is seen, a 3D TCN that fills in what is not; 128 frames.

Shapes: B windows, T = 128 frames, J = 17.  Unreliable keypoints are (0, 0) before and after the 2D TCN (Eq. 3).
Keypoints are turned to a camera that looks at the pelvis (where it was last seen) and divided by the person's size in
the window, which makes them metres, about; poses are root-relative metres in that camera.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.contract import Contract
from engines.skeleton import H36M_17
from trainers.geometry.person_frame import PELVIS, THORAX
from trainers.models.blocks.front_end import PRIOR_SCALE, PRIOR_WEIGHT, REACH
from trainers.models.blocks.inputs import checked, facing, mapped
from trainers.models.blocks.joint_map import JointMap
from trainers.models.blocks.sigma_by_age import SigmaTable, age_window

WINDOW, KERNEL, JOINTS = 128, 5, len(H36M_17)
CHUNK = 64  # windows at once


def unit(channels_in: int, channels: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    conv = nn.Conv1d(channels_in, channels, KERNEL, stride, dilation * (KERNEL // 2), dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm1d(channels), nn.ReLU())


class ConvBlock(nn.Module):
    """Half the frames, then a dilated convolution with a short connection around it."""

    def __init__(self, channels_in: int, channels: int, dilation: int) -> None:
        super().__init__()
        self.down, self.wide = unit(channels_in, channels, stride=2), unit(channels, channels, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        return cast(Tensor, x + self.wide(x))


class TransposedBlock(nn.Module):
    """Twice the frames, plus what the other side had at that time scale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose1d(channels, channels, KERNEL, 2, KERNEL // 2, output_padding=1, bias=False)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor, short: Tensor) -> Tensor:
        return torch.relu(self.norm(self.up(x))) + short


class TwinTCN(nn.Module):
    """Fig. 6: two convolution blocks, two transposed ones; the 2D and the 3D network differ in `outputs` alone."""

    def __init__(self, outputs: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.enter = nn.Conv1d(2 * JOINTS, channels, 1)
        self.first, self.second = ConvBlock(channels, channels, 2), ConvBlock(channels, channels, 4)
        self.third, self.fourth = TransposedBlock(channels), TransposedBlock(channels)
        self.drop, self.last = nn.Dropout(dropout), nn.Conv1d(channels, outputs, KERNEL, padding=KERNEL // 2)
        nn.init.normal_(self.last.weight, 0, 1e-3)  # at first keypoints stay and poses are points

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, 34) -> (B, T, outputs); T a multiple of 4."""
        whole = self.enter(x.transpose(1, 2))
        half = self.first(whole)
        y = self.third(self.drop(self.second(half)), half)
        return cast(Tensor, self.last(self.drop(self.fourth(y, whole))).transpose(1, 2))


class Discriminator(nn.Module):
    """Three 1D convolutions along the joints of one pose and a linear layer -> logit that it is a real one."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        sizes = (3, channels, channels, channels)
        self.layers = nn.ModuleList(nn.Conv1d(a, b, 3, padding=1) for a, b in pairwise(sizes))
        self.judge = nn.Linear(JOINTS * channels, 1)

    def forward(self, pose: Tensor) -> Tensor:  # (N, 17, 3) -> (N,)
        y = pose.transpose(1, 2)
        for layer in self.layers:
            y = F.leaky_relu(layer(y), 0.2)
        return cast(Tensor, self.judge(y.flatten(1)).squeeze(-1))


def filled(values: Tensor, known: Tensor) -> Tensor:
    """Return values (B, T, D) where known (B, T) 0 or 1, elsewhere the last known or else the next; zeros without
    any."""
    for backwards in (False, True):
        shift = 1
        while shift < values.shape[1]:
            values_then, known_then = _shifted(values, shift, backwards), _shifted(known, shift, backwards)
            values = torch.where(known.unsqueeze(-1) > 0, values, values_then)
            known = known.maximum(known_then)
            shift *= 2
    return values * known.unsqueeze(-1)


def _shifted(x: Tensor, by: int, backwards: bool) -> Tensor:
    """Return frame t gets what was at t - by (or comes at t + by); zeros beyond the window."""
    blank = torch.zeros_like(x[:, :by])
    return torch.cat([x[:, by:], blank], 1) if backwards else torch.cat([blank, x[:, :-by]], 1)


class Cheng2019(nn.Module):
    """`ahead`: frames between the answered one and the newest.  `aware` False believes every keypoint."""

    reach2: Tensor

    def __init__(
        self, ahead: int = 0, channels: int = 192, dropout: float = 0.1, two_d: bool = True, aware: bool = True,
        threshold: float = 0.5, joints_in: str = "blazepose33",
    ) -> None:  # fmt: skip
        super().__init__()
        if not 0 <= ahead < WINDOW:
            raise ValueError(f"ahead {ahead} frames, expected 0 to {WINDOW - 1}: it lies within the window")
        self.ahead, self.aware, self.threshold, self.joints_in = ahead, aware, threshold, joints_in
        self.joint_map, self.sigma = JointMap(joints_in), SigmaTable()
        self.smooth = TwinTCN(2 * JOINTS, channels, dropout) if two_d else None
        self.lift = TwinTCN(3 * JOINTS, channels, dropout)
        self.register_buffer("reach2", torch.tensor(REACH).square(), persistent=False)

    def contract(self) -> Contract:
        return Contract(
            "lift", "window", self.joints_in, H36M_17.name, WINDOW, look_ahead=self.ahead, window=WINDOW,
            reliability_source="learned", threshold=self.threshold,
        )  # fmt: skip

    def observed(self, reliability: Tensor) -> Tensor:
        """C_b: (..., 17) 0 or 1."""
        known = (reliability >= self.threshold).to(reliability.dtype)
        return known if self.aware else torch.ones_like(known)

    def normalised(self, x: Tensor, observed: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return keypoints (B, T, 17, 2) in about metres, the person's size (B,), centre (B, T, 2), rotation (B, T,
        3, 3)."""
        centre = self._centre(x, observed)
        rays, rotation = facing(x, centre)
        extent = (observed * rays.square().sum(-1)).sum((1, 2))
        metres = (observed * self.reach2).sum((1, 2))
        size = ((extent + PRIOR_WEIGHT * PRIOR_SCALE**2) / (metres + PRIOR_WEIGHT)).sqrt()
        return (rays / size[:, None, None, None]).clamp(-4, 4), size, centre, rotation

    @staticmethod
    def _centre(x: Tensor, observed: Tensor) -> Tensor:
        """Return where the pelvis is, or was, or where the thorax says it must be."""
        pelvis, thorax = x[:, :, PELVIS], x[:, :, THORAX]
        sees_pelvis, sees_thorax = observed[..., PELVIS], observed[..., THORAX]
        offset = filled(pelvis - thorax, sees_pelvis * sees_thorax)
        place = torch.where(sees_pelvis.unsqueeze(-1) > 0, pelvis, thorax + offset)
        return filled(place, sees_pelvis.maximum(sees_thorax))

    def poses(self, keypoints: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised keypoints (B, T, 17, 2) -> smoothed ones and root-relative poses (B, T, 17, 3) of all frames."""
        known = observed.unsqueeze(-1)
        smoothed = keypoints * known
        if self.smooth is not None:
            smoothed = smoothed + self.smooth(smoothed.flatten(2)).unflatten(2, (JOINTS, 2))
            smoothed = smoothed * known
        xyz = self.lift(smoothed.flatten(2)).unflatten(2, (JOINTS, 3))
        return smoothed, xyz - xyz[..., PELVIS : PELVIS + 1, :]

    def window(self, x: Tensor, reliability: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, 128, 17, ...) -> xyz (B, 17, 3) in camera axes and log sigma (B, 17) of the answered frame."""
        seen, at = self.observed(reliability), WINDOW - 1 - self.ahead
        keypoints, _, _, rotation = self.normalised(x, seen)
        _, xyz = self.poses(keypoints, seen)
        age = age_window(reliability[:, : at + 1] >= self.threshold)
        return xyz[:, at] @ rotation[:, at].transpose(-1, -2), self.sigma(age)

    def clip(
        self, x: Tensor, reliability: Tensor, time: Tensor | None = None, frames: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return (B, T, ...) -> xyz (B, T, 17, 3), log sigma: each frame, or `frames`, by its window, padded with
        copies."""
        x, reliability = checked(x, reliability)
        frames = torch.arange(x.shape[1], device=x.device) if frames is None else frames
        back = torch.arange(WINDOW, device=x.device) - (WINDOW - 1 - self.ahead)
        at = (frames[:, None] + back).clamp(0, x.shape[1] - 1)  # (T, 128)
        given = x[:, at].flatten(0, 1), reliability[:, at].flatten(0, 1)
        parts = [self.window(a, b) for a, b in zip(given[0].split(CHUNK), given[1].split(CHUNK))]
        shape = (len(x), len(frames))
        return tuple(torch.cat(column).unflatten(0, shape) for column in zip(*parts))

    def run(self, given: dict[str, Tensor], state: dict[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Map the contract's tensors of one window, the detector's joints -> (xyz, log_sigma); it has no state."""
        x, reliability = mapped(self.joint_map, given)
        return self.window(x, reliability + 0 * given["dt"].unsqueeze(-1)), {}
