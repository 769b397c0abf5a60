"""Show people as calibrated cameras recorded them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from trainers.augmentation import occlusion_masks
from trainers.data import view_bank
from trainers.data.clips import Clips
from trainers.data.view_bank import RecordedBank
from trainers.geometry.self_occlusion import behind_body
from trainers.geometry.virtual_cameras import tick_times
from trainers.recipes.labels import windows
from trainers.recipes.people_seen import PeopleSeen, PeopleSettings, Watching


@dataclass(frozen=True)
class RecordedPeople:
    """A `PeopleSource` of recorded views; their rays are undistorted, so that the lens is a pinhole."""

    bank: RecordedBank
    screen: float = 1.0  # screen units (half the picture's width is 1) in one unit of rays

    @property
    def xyz(self) -> Tensor:
        """Bodies (N, 17, 3) m, to measure their bones."""
        return self.bank.xyz

    def ticks(self, clips: int, ticks: int, g: Generator) -> Tensor:
        """Draw the runtime's jittered ticks (B, T) s, or the frames of people seen at another rate."""
        if self.bank.native:
            return (torch.arange(ticks, device=g.device) / self.bank.hz).expand(clips, -1)
        return tick_times(clips, ticks, g)

    def people_seen(
        self, times: Tensor, settings: PeopleSettings, g: Generator, how: Watching | None = None
    ) -> PeopleSeen:
        """Show windows at `times` (B, T) s by any of their cameras, half of them in a mirror."""
        how = how or Watching()
        points = windows(self.bank.points, times, how.target, how.every, g, self.bank.native)
        clips, root = view_bank.as_seen(points, self.bank.as_ticks(times), g)[0]
        return self._seen(masked(clips, root, settings, g) if how.own_body else clips, root)

    def seen_at_once(self, times: Tensor, settings: PeopleSettings, g: Generator, cameras: int) -> list[PeopleSeen]:
        """Show the same windows by several cameras."""
        return [self._seen(*by_camera) for by_camera in view_bank.sample_views(self.bank, times, g)[:cameras]]

    def calibrated(
        self, times: Tensor, settings: PeopleSettings, g: Generator, cameras: int
    ) -> tuple[Clips, Tensor, Tensor]:
        """Return clips of several cameras one after the other; rotations (N, 3, 3) and centres (N, 3) m."""
        return calibrated(view_bank.sample_views(self.bank, times, g))

    def _seen(self, clips: Clips, root: Tensor) -> PeopleSeen:
        pinhole = clips.x.new_tensor([1.0, 0.0]).expand(len(clips.x), 2)
        screen = clips.x.new_full((len(clips.x),), self.screen)
        metres = 1 / root[..., 2].clamp_min(view_bank.NEAREST)
        rays = view_bank.true_rays(clips, root)
        return PeopleSeen(clips, root, root.norm(dim=-1), pinhole, screen, rays, ~clips.hidden, metres)


def calibrated(by_camera: list[tuple[Clips, Tensor]]) -> tuple[Clips, Tensor, Tensor]:
    """Find rotations and centres in the first camera's axes from the true poses, as a data set's calibration has them.

    (clips, root) by camera -> clips one after the other, (N, 3, 3), (N, 3) m.
    """
    first, root = by_camera[0]
    rotation = torch.cat([view_bank.between(first.pose, clips.pose) for clips, _ in by_camera])
    roots = torch.cat([theirs for _, theirs in by_camera])
    centre = (roots - root.repeat(len(by_camera), 1, 1) @ rotation.mT).mean(1)
    return Clips.join([clips for clips, _ in by_camera]), rotation, centre


def masked(clips: Clips, root: Tensor, settings: PeopleSettings, g: Generator) -> Clips:
    """Hide what masks and the own body (the cylinder man) hide."""
    hides = occlusion_masks.mixed(clips.x, g, vars(settings.masks)) | behind_body(clips.pose, root)
    return replace(clips, reliability=torch.where(hides, 0.0, clips.reliability), hidden=hides | clips.hidden)
