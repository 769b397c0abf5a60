"""Show motion to virtual cameras and a simulated detector."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from engines.skeleton import H36M_17
from trainers.augmentation import occlusion_masks
from trainers.augmentation.detector_noise import observe
from trainers.augmentation.motion import augment
from trainers.augmentation.virtual_detections import seen_by_detector
from trainers.data import bank as banks
from trainers.data.clips import Clips
from trainers.geometry.self_occlusion import behind_body
from trainers.geometry.virtual_cameras import CameraRange, VirtualView, mirrored, sample_views, tick_times
from trainers.recipes.labels import windows
from trainers.recipes.people_seen import PeopleSeen, PeopleSettings, Watching

ORDER = torch.from_numpy(H36M_17.mirror())
LEVEL = CameraRange(pitch=0.0, roll=0.0, level=1.0, fov=(55.0, 55.0), distance=(5.0, 6.0), centred=1.0, distortion=0.0)
PLAINLY = Watching()


@dataclass(frozen=True)
class VirtualPeople:
    """A `PeopleSource` of motion: every window gets a camera of its own."""

    bank: banks.Bank

    @property
    def xyz(self) -> Tensor:
        """Bodies (N, 17, 3) m, to measure their bones."""
        return self.bank.xyz

    def ticks(self, clips: int, ticks: int, g: Generator) -> Tensor:
        """Draw the runtime's jittered ticks (B, T) s."""
        return tick_times(clips, ticks, g)

    def people_seen(self, times: Tensor, settings: PeopleSettings, g: Generator, how: Watching = PLAINLY) -> PeopleSeen:
        """Show windows at `times` (B, T) s to one camera each, half of them in a mirror."""
        motion = windows(self.bank, times, how.target, how.every, g)
        motion = motion if how.plain else augment(motion, settings.augment, g)
        view = views(motion, LEVEL if how.plain else settings.cameras, g)
        return _seen(view, detected(view, times, settings, g, how))

    def seen_at_once(self, times: Tensor, settings: PeopleSettings, g: Generator, cameras: int) -> list[PeopleSeen]:
        """Show the same windows to several cameras."""
        motion = augment(banks.sample(self.bank, times, g), settings.augment, g)
        around = [sample_views(motion, settings.cameras, g) for _ in range(cameras)]
        return [_seen(view, detected(view, times, settings, g)) for view in around]

    def calibrated(
        self, times: Tensor, settings: PeopleSettings, g: Generator, cameras: int
    ) -> tuple[Clips, Tensor, Tensor]:
        """Return clips of several calibrated cameras one after the other; rotations (N, 3, 3) and centres (N, 3) m."""
        motion = augment(banks.sample(self.bank, times, g), settings.augment, g)
        pinholes = replace(settings.cameras, known=1.0, distortion=0.0)
        view = sample_views(motion.repeat(cameras, 1, 1, 1), pinholes, g)
        return detected(view, times.repeat(cameras, 1), settings, g), view.rotation, standing(view, motion)


def views(motion: Tensor, limits: CameraRange, g: Generator) -> VirtualView:
    """Sample one camera for each clip (B, T, 17, 3), half of them in a mirror."""
    view = sample_views(motion, limits, g)
    return mirrored(view, torch.rand(len(motion), generator=g, device=g.device) < 0.5)


def detected(
    view: VirtualView, times: Tensor, settings: PeopleSettings, g: Generator, how: Watching = PLAINLY
) -> Clips:
    """Simulate the detector's report of a view."""
    if not how.plain and not how.own_body:
        return seen_by_detector(view, times, settings.noise, vars(settings.masks), g)
    hidden = ~view.inside
    if not how.plain:
        hidden = occlusion_masks.mixed(view.rays, g, vars(settings.masks)) | hidden
    if how.own_body:
        hidden = hidden | behind_body(view.pose, view.xyz[:, :, 0])
    found = observe(view, hidden, settings.noise, ORDER.to(g.device), g)
    valid = torch.ones_like(times, dtype=torch.bool)
    return Clips(found.x, found.reliability, found.world, times, view.pose, hidden, valid)


def distance(view: VirtualView) -> Tensor:
    """Measure the way (B, T) m to the pelvis along its ray, in the camera that the runtime believes in."""
    return (1 + view.rays[:, :, 0].square().sum(-1)).sqrt() / view.metres


def standing(view: VirtualView, motion: Tensor) -> Tensor:
    """Place the world's origin (N, 3) in each virtual camera's axes."""
    room = motion - motion[:, :, 0].mean(1)[:, None, None]  # as `sample_views` places it
    count = len(view.rotation) // len(motion)
    return view.xyz[:, 0, 0] - (room[:, 0, 0].repeat(count, 1)[:, None] @ view.rotation.transpose(1, 2))[:, 0]


def _seen(view: VirtualView, clips: Clips) -> PeopleSeen:
    screen = 1 / (view.lens[:, 0] * view.half[:, 0])
    root = view.xyz[:, :, 0]
    return PeopleSeen(clips, root, distance(view), view.lens, screen, view.rays, view.inside, view.metres)
