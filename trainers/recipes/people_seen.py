"""Declare what a recipe gets of its people: clips as a camera saw them, and what there was to see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from torch import Generator, Tensor

from trainers.augmentation.detector_noise import NoiseRange
from trainers.augmentation.motion import Augmentation
from trainers.augmentation.virtual_detections import MaskShares
from trainers.data.clips import Clips
from trainers.geometry.virtual_cameras import CameraRange


@dataclass(frozen=True)
class PeopleSettings:
    """The part of a recipe's settings that says what cameras see; every recipe of a paper has it."""

    cameras: CameraRange = field(default_factory=CameraRange)
    noise: NoiseRange = field(default_factory=NoiseRange)
    masks: MaskShares = field(default_factory=MaskShares)
    augment: Augmentation = field(default_factory=Augmentation)
    validation_clips: int = 24
    recorded: bool = False  # learns from what real cameras saw (views in the data), not from virtual ones
    hz: float = field(default=30.0, metadata={"low": 1.0, "high": 1000.0, "unit": "1/s"})  # ticks of recorded people


@dataclass(frozen=True)
class PeopleSeen:
    """B clips of T ticks by one camera each."""

    clips: Clips  # as the detector reports them
    root: Tensor  # (B, T, 3) m, the true pelvis in camera axes
    distance: Tensor  # (B, T) m to the pelvis along its ray, in the camera that the runtime believes in
    lens: Tensor  # (B, 2) factor and k1 of LensModel.plain
    screen: Tensor  # (B,) screen units (half the picture's width is 1) in one unit of rays
    rays: Tensor  # (B, T, 17, 2) where the true joints project
    inside: Tensor  # (B, T, 17) bool: a camera could have seen it
    metres: Tensor  # (B, T) rays a metre at the person


@dataclass(frozen=True)
class Watching:
    """How people are watched, beyond a recipe's settings."""

    plain: bool = False  # virtual cameras are level and still, bodies as recorded, nothing masked
    own_body: bool = False  # joints behind the own body are hidden; recorded people are masked as virtual ones are
    target: int = 0  # this frame of every window is one of the `every`-th frames of the motion
    every: int = 1


class PeopleSource(Protocol):
    """People to draw windows from: motion before virtual cameras, or what calibrated cameras recorded."""

    @property
    def xyz(self) -> Tensor:
        """(N, 17, 3) m: bodies, to measure their bones."""

    def ticks(self, clips: int, ticks: int, g: Generator) -> Tensor:
        """Draw the times (B, T) s of windows."""

    def people_seen(self, times: Tensor, settings: PeopleSettings, g: Generator, how: Watching = ...) -> PeopleSeen:
        """Show windows at `times` (B, T) s before one camera each."""

    def seen_at_once(self, times: Tensor, settings: PeopleSettings, g: Generator, cameras: int) -> list[PeopleSeen]:
        """Show the same windows before several cameras."""

    def calibrated(
        self, times: Tensor, settings: PeopleSettings, g: Generator, cameras: int
    ) -> tuple[Clips, Tensor, Tensor]:
        """Return clips of several calibrated cameras one after the other; rotations (N, 3, 3) and centres (N, 3) m."""
