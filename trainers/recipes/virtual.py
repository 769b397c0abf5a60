"""Share what the papers' recipes have in common: people before cameras, checks on held-out people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Generator, Tensor

from engines.contract import TICK_HZ
from engines.skeleton import BLAZEPOSE_33, H36M_17
from trainers.augmentation.virtual_detections import halves
from trainers.data import bank as banks
from trainers.data import view_bank
from trainers.data.clips import Clips
from trainers.data.corpus import motions
from trainers.data.motion import MotionSet
from trainers.data.motion import load as motion_of
from trainers.data.views import ViewSet, for_papers
from trainers.data.views import load as views_of
from trainers.errors import UserError
from trainers.geometry.virtual_cameras import tick_times
from trainers.metrics import LIMB_JOINTS, inner, joint_errors
from trainers.models.blocks.sigma_by_age import SigmaTable, age_clip
from trainers.recipes.people_seen import PeopleSettings, PeopleSource
from trainers.recipes.recorded_people import RecordedPeople
from trainers.recipes.virtual_people import VirtualPeople, detected, distance, views

CHECK_TICKS = 90
ALL = slice(None)


@dataclass(frozen=True)
class Check:
    """Clips of people never trained on, and how far away they are."""

    clips: Clips
    root: Tensor  # (B, T) m


@dataclass(frozen=True)
class People:
    """Whom a recipe learns from and is checked on: motion for virtual cameras, or what real ones saw."""

    train: MotionSet
    fitted: Check
    judged: Check
    recorded: bool
    hz: float = TICK_HZ
    motion: MotionSet | None = None  # of recorded people whose 3D is known, in room axes: for virtual cameras
    screen: float = 1.0  # of recorded views: screen units (half the picture's width is 1) in one unit of rays

    def source(self, part: MotionSet, device: str, shortest_s: float = 0.5) -> PeopleSource:
        """To draw windows of some of them from."""
        if self.recorded:
            return RecordedPeople(view_bank.bank(part, device, shortest_s, self.hz), self.screen)
        return VirtualPeople(banks.bank(part, device, shortest_s))


def open_people(
    data: list[str], settings: PeopleSettings, device: str, ticks: int = CHECK_TICKS, cameras: int = 1
) -> People:  # fmt: skip
    """`cameras`: of recorded people to train on, what so many cameras saw at once."""
    if not settings.recorded:
        train, validation = motions(data)
        return People(train, *checks(validation or train, settings, device, ticks), False)
    found = [views_of(Path(folder)) for folder in data]
    known = np.logical_and.reduce([one.known for one in found]) if found else np.zeros(0, bool)
    if not known.size or not known[list(LIMB_JOINTS)].all():
        raise UserError("recorded: give --data DIR with views of all limbs: trainers prepare h36m --cameras FILE")
    train_views, *held = for_papers(ViewSet(tuple(v for one in found for v in one.views), known, data[0]))
    train = view_bank.view_segments(train_views, cameras)
    g = Generator(device).manual_seed(20)
    fitted, judged = (_recorded_check(view_bank.view_segments(part), settings, ticks, device, g) for part in held)
    screen = float(np.mean([v.screen for v in train_views.views]))
    return People(train, fitted, judged, True, settings.hz, room_motion(data, train.subjects), screen)


def room_motion(data: list[str], people: tuple[str, ...]) -> MotionSet | None:
    """Return the same people's motion in room axes, where their folders hold it beside the views."""
    there = [folder for folder in data if any(Path(folder).glob("subject_*.npz"))]
    segments = tuple(s for folder in there for s in motion_of(folder).only(people).segments)
    return MotionSet(segments, data[0]) if segments else None


def joints_in(settings: Mapping[str, Any]) -> str:
    """Joint set of a network's input: recorded sets have Human3.6M's joints, which never go through the detector's."""
    return H36M_17.name if settings.get("recorded") else BLAZEPOSE_33.name


def _recorded_check(motion: MotionSet, settings: PeopleSettings, ticks: int, device: str, g: Generator) -> Check:
    source = view_bank.bank(motion, device, hz=settings.hz)
    times = RecordedPeople(source).ticks(settings.validation_clips, ticks, g)
    clips, root = view_bank.sample(source, times, g, mirrors=False)
    return Check(clips, root.norm(dim=-1))


def checks(people: MotionSet, settings: PeopleSettings, device: str, ticks: int = CHECK_TICKS) -> tuple[Check, Check]:
    """(to fit sigma on, to judge on), of different people where there are two; the same for every run."""
    g = Generator(device).manual_seed(20)
    return tuple(_check(banks.bank(part, device), settings, ticks, g) for part in halves(people))  # type: ignore[return-value]


def _check(source: banks.Bank, settings: PeopleSettings, ticks: int, g: Generator) -> Check:
    times = tick_times(settings.validation_clips, ticks, g)
    view = views(banks.sample(source, times, g), settings.cameras, g)
    return Check(detected(view, times, settings, g), distance(view))


def fit_sigma(table: SigmaTable, pose: Tensor, check: Check, threshold: float, at: slice = ALL) -> None:
    """Fit the sigma table so that 68 % of the check's coordinates lie within sigma; `at`: the answered frames."""
    age = age_clip(check.clips.reliability >= threshold, check.clips.time)[:, at]
    table.fit(pose.flatten(0, 1), check.clips.pose[:, at].flatten(0, 1), age.flatten(0, 1))


def fit_by_age(model: Any, check: Check) -> None:
    """`fit_sigma` of a lifter that answers every frame of a clip."""
    pose, _ = model.clip(check.clips.x, check.clips.reliability, check.clips.time)
    fit_sigma(model.sigma, pose, check, model.threshold)


def within(pose: Tensor, log_sigma: Tensor, check: Check, at: slice = ALL) -> float:
    """Return share of coordinates within one sigma."""
    error = (pose - check.clips.pose[:, at]).abs()
    return float((error <= log_sigma.exp().unsqueeze(-1))[:, :, 1:].float().mean())


def errors(pose: Tensor, check: Check, at: slice = ALL) -> dict[str, float]:
    """Return mm on limbs, open and hidden (without the gaps' first and last two frames)."""
    limbs, error = list(LIMB_JOINTS), joint_errors(pose, check.clips.pose[:, at]) * 1000
    places = {"open": ~check.clips.hidden[:, at], "hidden": inner(check.clips.hidden)[:, at]}
    return {name: float(error[..., limbs][where[..., limbs]].mean()) for name, where in places.items()}
