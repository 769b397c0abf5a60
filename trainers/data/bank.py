"""Hold all motion as one tensor on one device and sample windows at any rate and tempo."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainers.data.motion import MotionSet


@dataclass(frozen=True)
class Bank:
    xyz: Tensor  # (N, J, 3) metres, every segment after the other
    start: Tensor  # (S,) first frame of each segment
    length: Tensor  # (S,) frames
    fps: Tensor  # (S,)

    @property
    def seconds(self) -> float:
        return float((self.length / self.fps).sum())


def bank(motion: MotionSet, device: str | torch.device = "cpu", shortest_s: float = 0.5) -> Bank:
    """Segments shorter than `shortest_s` are left out."""
    kept = [s for s in motion.segments if s.seconds >= shortest_s]
    if not kept:
        raise ValueError(f"{motion.name}: none of {len(motion)} segments lasts {shortest_s} s")
    length = torch.tensor([len(s.xyz) for s in kept], device=device)
    return Bank(
        torch.cat([torch.from_numpy(s.xyz) for s in kept]).to(device),
        torch.cumsum(length, 0) - length,
        length,
        torch.tensor([s.fps for s in kept], dtype=torch.float32, device=device),
    )


def sample(
    source: Bank, times: Tensor, generator: torch.Generator, keep: Iterable[int] | None = None, whole: bool = False
) -> Tensor:
    """Windows (B, T, J, 3) of motion seen at `times` (B, T) seconds, which rise from about 0; places drawn at random.

    Every second of motion is equally likely.  A window longer than its segment turns back at the end (the motion runs
    backwards from there), so nothing ever jumps.  With `whole` windows begin at a frame, not between two.
    """
    device, batch = source.xyz.device, len(times)
    weight = (source.length / source.fps).to(torch.float32)
    if keep is not None:
        weight = weight * torch.isin(torch.arange(len(weight), device=device), torch.tensor(list(keep), device=device))
    which = torch.multinomial(weight, batch, replacement=True, generator=generator)
    last = (source.length[which] - 1).to(torch.float32)  # (B,)
    frames = times.to(device) * source.fps[which, None]  # (B, T)
    room = (last - frames.amax(1)).clamp_min(0)
    offset = torch.rand(batch, device=device, generator=generator) * room
    offset = offset.round() if whole else offset
    return gather(source, which, reflect(frames + offset[:, None], last[:, None]))


def reflect(position: Tensor, last: Tensor) -> Tensor:
    """Return positions folded into [0, last]: forwards, backwards, forwards."""
    last = last.clamp_min(1e-6)
    return last - (torch.remainder(position, 2 * last) - last).abs()


def gather(source: Bank, which: Tensor, position: Tensor) -> Tensor:
    """Return poses (B, T, J, 3) of segments (B,) at fractional frames (B, T): cubic between frames, never past the
    ends."""
    last = (source.length[which] - 1)[:, None]
    whole = position.floor().long().clamp_min(0).minimum(last)
    part = (position - whole)[..., None, None]

    def at(shift: int) -> Tensor:
        return source.xyz[source.start[which, None] + (whole + shift).clamp_min(0).minimum(last)]

    return catmull_rom(at(-1), at(0), at(1), at(2), part)


def catmull_rom(before: Tensor, left: Tensor, right: Tensor, after: Tensor, part: Tensor) -> Tensor:
    """Return the cubic through left (part 0) and right (part 1) with the slopes of its neighbours."""
    slope_left, slope_right = (right - before) / 2, (after - left) / 2
    rise = right - left
    cubic = slope_left + slope_right - 2 * rise
    square = rise - slope_left - cubic
    return left + part * (slope_left + part * (square + part * cubic))
