"""Define training clips of one format, whichever source they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Generator, Tensor

from engines.skeleton import H36M_17

# (x, world, pose, hidden, root, zoom, generator) -> x, world, pose of other bodies in other poses
Repose = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Generator], tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class Clips:
    """B clips of T ticks, 17 joints, as the lifter gets them, and the truth."""

    x: Tensor  # (B, T, 17, 2) rays
    reliability: Tensor  # (B, T, 17)
    world: Tensor  # (B, T, 17, 3) m, the detector's own 3D; zeros where absent
    time: Tensor  # (B, T) s
    pose: Tensor  # (B, T, 17, 3) m, root-relative, camera axes
    hidden: Tensor  # (B, T, 17) bool, behind something or outside the picture
    valid: Tensor  # (B, T) bool, counts

    @staticmethod
    def join(parts: list[Clips]) -> Clips:
        return Clips(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Clips)))


def varied(clips: Clips, g: Generator, roll: float = 0.3, zoom: float = 0.15) -> Clips:
    """Return half of the clips in a mirror, each turned about the optical axis and seen with another focal length."""
    batch, device = len(clips.x), clips.x.device

    def drawn(spread: float) -> Tensor:
        return (torch.rand(batch, generator=g, device=device) * 2 - 1) * spread

    angle, factor = drawn(roll), drawn(zoom).exp()
    clips = in_mirror(clips, torch.rand(batch, generator=g, device=device) < 0.5)
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    turn = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], -1).view(batch, 1, 3, 3)
    plane = turn[..., :2, :2] * factor.view(-1, 1, 1, 1)
    return replace(clips, x=clips.x @ plane.mT, world=clips.world @ turn.mT, pose=clips.pose @ turn.mT)


def in_mirror(clips: Clips, flip: Tensor) -> Clips:
    """Return clips where flip (B,) is true seen in a mirror; left and right change names."""
    order = torch.from_numpy(H36M_17.mirror()).to(flip.device)
    left = torch.tensor([-1.0, 1.0, 1.0], device=flip.device)

    def named(values: Tensor) -> Tensor:
        return torch.where(flip.view(-1, *[1] * (values.dim() - 1)), values[:, :, order], values)

    def seen(points: Tensor) -> Tensor:
        return named(points) * torch.where(flip[:, None], left[: points.shape[-1]], 1.0)[:, None, None]

    return Clips(
        seen(clips.x), named(clips.reliability), seen(clips.world), clips.time, seen(clips.pose), named(clips.hidden),
        clips.valid,
    )  # fmt: skip


@dataclass(frozen=True)
class Footage:
    """Synthesized detections on the 30 Hz grid: all clips one after the other, as Clips without the batch."""

    x: Tensor  # (N, 17, 2)
    reliability: Tensor  # (N, 17)
    world: Tensor
    pose: Tensor
    hidden: Tensor
    root: Tensor  # (N, 3) m, true pelvis in camera axes
    zoom: Tensor  # (N,) true focal length over the believed one
    start: Tensor  # (S,) first tick of each clip
    length: Tensor  # (S,)
    fits: Tensor  # (S,) bool: people whom sigma is calibrated on

    def halves(self) -> tuple[Footage, Footage]:
        """(to fit sigma on, to judge on)."""
        if bool(self.fits.all()) or not bool(self.fits.any()):
            return self, self
        return tuple(  # type: ignore[return-value]
            replace(self, start=self.start[c], length=self.length[c], fits=self.fits[c])
            for c in (self.fits, ~self.fits)
        )

    def to(self, device: str) -> Footage:
        return Footage(*(getattr(self, f.name).to(device) for f in fields(Footage)))

    def sample(self, clips: int, ticks: int, g: Generator, repose: Repose | None = None) -> Clips:
        """Return windows at random places; those that outlast their clip repeat its end, which does not count.

        With `repose` other bodies in other poses, seen with the same errors.
        """
        weight = self.length.float()
        which = torch.multinomial(weight, clips, replacement=True, generator=g)
        room = (self.length[which] - ticks).clamp_min(0)
        offset = (torch.rand(clips, generator=g, device=g.device) * (room + 1)).long()
        steps = torch.arange(ticks, device=g.device)[None] + offset[:, None]
        last = self.length[which, None] - 1
        at = self.start[which, None] + steps.minimum(last)
        time = torch.arange(ticks, device=g.device, dtype=torch.float32).expand(clips, -1) / 30.0
        valid = steps <= last
        x, world, pose, hidden = self.x[at], self.world[at], self.pose[at], self.hidden[at]
        if repose is not None:
            x, world, pose = repose(x, world, pose, hidden, self.root[at], self.zoom[at], g)
        return Clips(x, self.reliability[at], world, time, pose, hidden, valid)
