"""Build Zhang 2021, DG-Net: fixed and dynamic graph convolutions over four frames.

The paper answers all four frames of a window; here one is answered, `answered`: the last one (now), which no later
frame tells anything, or an inner one that comes late.

Shapes: B clips, T frames of a window, J = 17.  Every frame is seen by a camera that looks at its pelvis, keypoints
scaled to [-1, 1], so that a person's place in the picture does not matter.  A head answers four numbers per joint:
the root-relative position, and its depth once more; the depth, the ray and the root's depth make a second position
(Roy 2024's Eq. 1), and the pose is the mean of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from engines.contract import Contract
from engines.skeleton import H36M_17
from trainers.geometry.person_frame import PELVIS, toward
from trainers.geometry.root_depth import RootDepth
from trainers.models.blocks.inputs import checked, facing, mapped, pushed
from trainers.models.blocks.joint_graphs import DynamicSpatial, DynamicTemporal, FixedSpatial, FixedTemporal, Style
from trainers.models.blocks.joint_map import JointMap
from trainers.models.blocks.sigma_by_age import SigmaTable, age_clip, age_step

JOINTS = len(H36M_17)
CHUNK = 256  # windows at once
LATE = 4 * JOINTS + 2  # rays, ages, what is seen and where the pelvis lies, of frames that wait for their future
Convolution = Callable[[], nn.Module]


class Normed(nn.Module):
    """A graph convolution, batch normalisation over joints and frames, ReLU."""

    def __init__(self, convolution: nn.Module, channels: int) -> None:
        super().__init__()
        self.convolution, self.norm = convolution, nn.BatchNorm1d(channels)

    def forward(self, x: Tensor, pose2d: Tensor) -> Tensor:
        y = self.convolution(x, pose2d)
        return torch.relu(self.norm(y.flatten(0, -2)).view(y.shape))


class Residual(nn.Module):
    """Two layers of one kind of convolution, added to what came in."""

    def __init__(self, make: Convolution, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Normed(make(), channels) for _ in range(2))

    def forward(self, x: Tensor, pose2d: Tensor) -> Tensor:
        y = x
        for layer in self.layers:
            y = layer(y, pose2d)
        return x + y


class NonLocal(nn.Module):
    """Every joint listens to all joints of its frame; as wide inside as outside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ask, self.tell, self.value, self.out = (nn.Linear(channels, channels) for _ in range(4))
        self.norm = nn.BatchNorm1d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor, pose2d: Tensor) -> Tensor:
        attention = torch.softmax(self.ask(x) @ self.tell(x).transpose(-1, -2) * x.shape[-1] ** -0.5, -1)
        y = self.out(attention @ self.value(x))
        return cast(Tensor, x + self.norm(y.flatten(0, -2)).view(x.shape))


class DGNet(nn.Module):
    """Keypoints (B, T, 17, 2) -> features of every block; heads for each block and for all together."""

    def __init__(
        self, blocks: int = 5, channels: int = 128, spatial: Sequence[str] = ("fixed", "dynamic"),
        temporal: Sequence[str] = ("fixed", "dynamic", "fixed"), style: Style = "dynamic", near: int = 3,
        alike: int = 4, edge: float = 0.3, weighting: str = "connected", nonlocal_unit: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        unknown = set(spatial) | set(temporal)
        if unknown - {"fixed", "dynamic"}:
            raise ValueError(f"units are fixed or dynamic, found {', '.join(sorted(unknown))}")
        makers: dict[tuple[str, str], Convolution] = {
            ("spatial", "fixed"): lambda: FixedSpatial(channels, channels),
            ("spatial", "dynamic"): lambda: DynamicSpatial(channels, style, near, edge, weighting),
            ("temporal", "fixed"): lambda: FixedTemporal(channels),
            ("temporal", "dynamic"): lambda: DynamicTemporal(channels, style, alike, edge, weighting),
        }
        self.entry = Normed(FixedSpatial(2, channels), channels)
        self.blocks = nn.ModuleList()
        for _ in range(blocks):
            block = nn.ModuleList()
            for place, units in (("spatial", spatial), ("temporal", temporal)):
                block.extend(Residual(makers[place, unit], channels) for unit in units)
                block.extend([NonLocal(channels)] if nonlocal_unit and units else [])
            self.blocks.append(block)
        self.heads = nn.ModuleList(nn.Linear(channels, 4) for _ in range(blocks))
        self.fused = nn.Linear(blocks * channels, 4)

    def features(self, pose2d: Tensor) -> list[Tensor]:
        x, found = self.entry(pose2d, pose2d), []
        for block in self.blocks:
            for unit in cast(nn.ModuleList, block):
                x = unit(x, pose2d)
            found.append(x)
        return found

    def forward(self, pose2d: Tensor) -> Tensor:
        """Return (B, T, 17, 4): the network-level answer."""
        return rooted(self.fused(torch.cat(self.features(pose2d), -1)))

    def every_level(self, pose2d: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the network-level answer and each block's: training."""
        found = self.features(pose2d)
        return rooted(self.fused(torch.cat(found, -1))), [rooted(h(x)) for h, x in zip(self.heads, found)]


def rooted(out: Tensor) -> Tensor:
    return out - out[..., PELVIS : PELVIS + 1, :]


class Zhang2021(nn.Module):
    """`balanced`: the mean of both coordinate heads; `zero_hidden`: (0, 0) for keypoints that are not believed."""

    def __init__(
        self, net: DGNet, frames: int = 4, balanced: bool = True, zero_hidden: bool = False,
        references: tuple[str, ...] = ("trunk",), threshold: float = 0.5, joints_in: str = "blazepose33",
        answered: int = -1,
    ) -> None:  # fmt: skip
        super().__init__()
        if frames < 1 or not -frames <= answered < frames:
            raise ValueError(f"a window of {frames} frames that answers frame {answered}, expected one of them")
        self.net, self.frames, self.balanced, self.zero_hidden = net, frames, balanced, zero_hidden
        self.answered = answered % frames
        self.threshold, self.joints_in = threshold, joints_in
        self.joint_map, self.root, self.sigma = JointMap(joints_in), RootDepth(references), SigmaTable()

    @property
    def look_ahead(self) -> int:
        return self.frames - 1 - self.answered

    def contract(self) -> Contract:
        window = (("window", (self.frames - 1, 2 * JOINTS)),) if self.frames > 1 else ()
        late = (("late", (self.look_ahead, LATE)),) if self.look_ahead else ()
        return Contract(
            "lift", "step", self.joints_in, H36M_17.name, self.frames, look_ahead=self.look_ahead,
            reliability_source="learned", threshold=self.threshold,
            state=(*window, ("age", (JOINTS,)), ("root", (2,)), *late),
        )  # fmt: skip

    # --- the parts ---

    def keypoints(self, rays: Tensor, observed: Tensor) -> Tensor:
        """Normalise rays (..., 17, 2), observed (..., 17) bool, to the network's input in [-1, 1]."""
        known = observed.to(rays.dtype)
        counted = known.maximum(1 - known.amax(-1, keepdim=True))  # where nothing is seen, everything counts
        size = (rays.abs().amax(-1) * counted).amax(-1).clamp_min(1e-3)
        points = (rays / size[..., None, None]).clamp(-1, 1)
        return points * known.unsqueeze(-1) if self.zero_hidden else points

    @staticmethod
    def by_depth(rays: Tensor, depth: Tensor, root: Tensor) -> Tensor:
        """Return rays (..., 17, 2), root-relative depth (..., 17), the root's own (...,) -> root-relative (..., 17,
        3)."""
        xyz = torch.cat([(root.unsqueeze(-1) + depth).unsqueeze(-1) * rays, depth.unsqueeze(-1)], -1)
        return xyz - xyz[..., PELVIS : PELVIS + 1, :]

    def place(self, out: Tensor, rays: Tensor, root: Tensor, rotation: Tensor) -> Tensor:
        """Return the heads' numbers (..., 17, 4) -> the pose (..., 17, 3) in camera axes."""
        pose = out[..., :3]
        if self.balanced:
            pose = (pose + self.by_depth(rays, out[..., 3], root)) / 2
        return pose @ rotation.transpose(-1, -2)

    def windows(self, values: Tensor) -> Tensor:
        """Return (B, T, ...) -> (B, T + look-ahead, frames, ...): one a call; before the first and after the last
        copies."""
        steps = torch.arange(values.shape[1] + self.look_ahead, device=values.device)
        back = torch.arange(self.frames, device=values.device) - (self.frames - 1)
        return values[:, (steps[:, None] + back).clamp(0, values.shape[1] - 1)]

    # --- whole clips ---

    def clip(self, x: Tensor, reliability: Tensor, time: Tensor, root: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (B, T, ...) -> xyz (B, T, 17, 3), log sigma (B, T, 17); `root` (B, T): the true depth, not its
        estimate."""
        x, reliability = checked(x, reliability)
        seen = reliability >= self.threshold
        rays, rotation = facing(x)
        given = self.windows(self.keypoints(rays, seen)).flatten(0, 1)
        if not len(given):
            return x.new_zeros(*x.shape[:3], 3), self.sigma(age_clip(seen, time))
        out = torch.cat([self.net(part)[:, self.answered] for part in given.split(CHUNK)]).unflatten(0, (len(x), -1))
        if root is None:
            at = (torch.arange(out.shape[1], device=x.device) - self.look_ahead).clamp_min(0)
            root = self.root.clip(rays[:, at], out[..., 3], seen[:, at].to(rays.dtype))[:, self.look_ahead :]
        return self.place(out[:, self.look_ahead :], rays, root, rotation), self.sigma(age_clip(seen, time))

    # --- one frame at a time ---

    def step(
        self, x: Tensor, reliability: Tensor, dt: Tensor, reset: Tensor, state: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Map x (B, 17, 2), reliability (B, 17), dt (B,), reset (B,) -> xyz (B, 17, 3), log sigma (B, 17), state."""
        start, seen, after = reset > 0.5, reliability >= self.threshold, {}
        rays, _ = facing(x)
        window = self.keypoints(rays, seen).flatten(1).unsqueeze(1)  # (B, 1, 34)
        if self.frames > 1:
            window = pushed(state["window"], window[:, 0], start)
            after["window"] = window[:, 1:]
        out = self.net(window.unflatten(-1, (JOINTS, 2)))[:, self.answered]
        age = after["age"] = age_step(state["age"], seen, dt, start)
        known, centre = seen.to(rays.dtype), x[:, PELVIS]
        if self.look_ahead:
            waiting = pushed(state["late"], torch.cat([rays.flatten(1), age, known, centre], -1), start)
            after["late"] = waiting[:, 1:]
            flat, age, known, centre = waiting[:, 0].split((2 * JOINTS, JOINTS, JOINTS, 2), -1)
            rays = flat.unflatten(1, (JOINTS, 2))
        root, after["root"] = self.root.step(rays, out[..., 3], known, state["root"], start)
        return self.place(out, rays, root, toward(centre)), self.sigma(age), after

    def run(self, given: dict[str, Tensor], state: dict[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Map the contract's tensors of one tick, the detector's joints -> (xyz, log_sigma) and the state after it."""
        xyz, log_sigma, after = self.step(*mapped(self.joint_map, given), given["dt"], given["reset"], state)
        return (xyz, log_sigma), after
