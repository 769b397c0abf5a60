"""Train Cheng 2019 (sections 3 to 5): windows of 128, two networks, a discriminator, some people without 3D.

People without 3D give what cameras see of them: exact keypoints and who is hidden, the stand-in for 2D annotations.
Losses are sums over joints or bones and means over frames, as the equations are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Adam, Optimizer

from trainers.data import bank as banks
from trainers.losses import symmetry
from trainers.models.blocks.batch_norm import frozen_statistics
from trainers.models.blocks.inputs import facing
from trainers.models.papers.cheng2019 import WINDOW, Cheng2019, Discriminator
from trainers.recipes.cheng2019_losses import explained, fooled, judged, per_pose, projected
from trainers.recipes.labels import divided
from trainers.recipes.people_seen import PeopleSettings, PeopleSource, Watching
from trainers.recipes.virtual import (
    errors,
    fit_sigma,
    joints_in,
    open_people,
    within,
)
from trainers.recipes.virtual_people import VirtualPeople

MODEL_KEYS = ("ahead", "channels", "dropout", "two_d", "aware")
SLOW_AFTER = 100 / 130  # of the steps: then a tenth of the rate
CHECKED = slice(64, None, 8)  # frames of validation clips that are answered


@dataclass(frozen=True)
class Cheng2019Settings(PeopleSettings):
    ahead: int = 0  # frames between the answered one and the newest
    channels: int = 192
    dropout: float = 0.1
    two_d: bool = True  # the 2D TCN
    aware: bool = True  # unreliable keypoints are (0, 0)
    augmented: bool = True  # virtual cameras anywhere, masks, self-occlusion; else level cameras and nothing masked
    pose_weight: float = 1.0  # w1
    symmetry: float = 0.2  # alpha
    adversarial: float = 0.1  # beta
    regularisation: float = 0.1  # w2
    labelled: tuple[str, ...] = ()  # subjects with 3D; none: all but every `withheld`-th
    withheld: int = field(default=3, metadata={"low": 0, "high": 1000, "unit": "subjects"})  # 0: everybody has 3D
    unlabelled: float = 0.25  # share of a batch from people without 3D
    batch: int = field(default=16, metadata={"low": 1, "high": 100_000, "unit": "windows"})
    cut: float = 0.15  # share of windows whose history begins inside
    rate: float = 1e-3
    judged_every: int = field(default=8, metadata={"low": 1, "high": 128, "unit": "frames"})  # discriminator, Eq. 8
    virtual: float = 0.5  # share of labelled recorded windows seen by virtual cameras (4.2), where augmented


@dataclass(frozen=True)
class PaddedWindows:
    """N windows of 128 frames; the last ones are of people without 3D."""

    x: Tensor  # (N, 128, 17, 2) what the detector says
    reliability: Tensor  # (N, 128, 17)
    rays: Tensor  # (N, 128, 17, 2) where keypoints are
    visible: Tensor  # (N, 128, 17) 0 or 1: v of Eq. 5
    pose: Tensor  # (N, 128, 17, 3) m, zeros without labels
    labelled: Tensor  # (N,) bool: zeta


def network(settings: Mapping[str, Any]) -> Cheng2019:
    return Cheng2019(**{k: settings[k] for k in MODEL_KEYS}, joints_in=joints_in(settings))


def recipe(settings: Cheng2019Settings, data: list[str], device: str, steps: int) -> Cheng2019Recipe:
    return Cheng2019Recipe(settings, data, device, steps)


def build_for_export(settings: Mapping[str, Any], trained: Mapping[str, Tensor]) -> Cheng2019:
    model = network(settings)
    model.load_state_dict({k.removeprefix("lifter."): v for k, v in trained.items() if k.startswith("lifter.")})
    return model


class Cheng2019Recipe:
    def __init__(self, settings: Cheng2019Settings, data: list[str], device: str, steps: int) -> None:
        torch.manual_seed(7)
        self.settings, self.device, self.steps = settings, device, steps
        self.export, self.judge = network(vars(settings)).to(device), Discriminator().to(device)
        self.model = nn.ModuleDict({"lifter": self.export, "judge": self.judge})
        found = open_people(data, settings, device, ticks=WINDOW + 32)
        people = found.train.subjects
        with_3d = settings.labelled or tuple(s for i, s in enumerate(people) if not self._withheld(i, len(people)))
        known, unknown = divided(found.train, with_3d)
        self.watching = Watching(plain=not settings.augmented, own_body=settings.augmented)
        self.bank = found.source(known, device)
        moving = found.motion.only(known.subjects) if found.motion and settings.augmented else None
        self.room = (
            VirtualPeople(banks.bank(moving, device)) if moving and moving.segments and settings.virtual > 0 else None
        )
        self.other = found.source(unknown, device) if unknown.segments and settings.unlabelled > 0 else None
        self.fitted, self.judged = found.fitted, found.judged

    def _withheld(self, place: int, people: int) -> bool:
        every = self.settings.withheld
        return every > 0 and people > 1 and place % every == every - 1

    # --- the schedule ---

    def optimizers(self) -> list[Optimizer]:
        made: list[Optimizer] = [Adam(self.export.parameters(), lr=self.settings.rate)]
        return [*made, Adam(self.judge.parameters(), lr=self.settings.rate)] if self.settings.adversarial else made

    def learning_rate(self, step: int) -> float:
        return 1.0 if step < SLOW_AFTER * self.steps else 0.1

    # --- batches ---

    @property
    def without_3d(self) -> int:
        """Windows at the end of a batch whose people have no 3D: counted without asking the device."""
        return round(self.settings.batch * self.settings.unlabelled) if self.other else 0

    def batch(self, step: int, generator: Generator) -> PaddedWindows:
        return self.draw(generator)

    def draw(self, generator: Generator) -> PaddedWindows:
        s = self.settings
        others = self.without_3d
        turned = round((s.batch - others) * s.virtual) if self.room else 0
        parts = [self._windows(self.bank, s.batch - others - turned, True, generator)]
        parts += [self._windows(self.room, turned, True, generator)] if self.room and turned else []
        parts += [self._windows(self.other, others, False, generator)] if self.other and others else []
        return PaddedWindows(*(torch.cat(column) for column in zip(*parts)))

    def _windows(self, source: PeopleSource, count: int, labelled: bool, g: Generator) -> tuple[Tensor, ...]:
        times = self.bank.ticks(count, WINDOW, g)  # virtual cameras keep the recorded ones' rate
        seen = source.people_seen(times, self.settings, g, self.watching)
        clips, at = seen.clips, begun(count, self.settings.cut, g)
        rows = torch.arange(count, device=g.device)[:, None]
        pose = clips.pose if labelled else torch.zeros_like(clips.pose)
        fields = (clips.x, clips.reliability, seen.rays, (~clips.hidden).float(), pose)
        return (*(v[rows, at] for v in fields), torch.full((count,), labelled, device=g.device))

    # --- losses ---

    def losses(self, batch: PaddedWindows, which: int) -> dict[str, Tensor]:
        with torch.set_grad_enabled(which == 0), frozen_statistics(self.export) if which else nullcontext():
            seen = self.export.observed(batch.reliability)
            keypoints, size, centre, rotation = self.export.normalised(batch.x, seen)
            smoothed, pose = self.export.poses(keypoints, seen)
            truth = batch.pose @ rotation
        if which == 1:
            known = truth[: len(truth) - self.without_3d]
            return {"discriminator": judged(self.judge, known, pose, self.settings.judged_every)}
        exact = facing(batch.rays, centre)[0] / size[:, None, None, None]
        return self._lifter_losses(batch, pose, truth, smoothed, seen, exact)

    def _lifter_losses(
        self, batch: PaddedWindows, pose: Tensor, truth: Tensor, smoothed: Tensor, observed: Tensor, exact: Tensor
    ) -> dict[str, Tensor]:
        """L_2D + w1 L_3D + w2 L_reg (Eq. 9), term by term, in the axes of a camera that looks at the person."""
        s = self.settings
        zeta = batch.labelled.to(pose.dtype)
        found = {
            "pose": s.pose_weight * per_pose((pose - truth).square().sum(-1), zeta),
            "projection": s.pose_weight * per_pose(projected(pose, exact, batch.visible), 1 - zeta),
        }
        if self.export.smooth is not None:  # Eq. 3
            found["keypoints"] = per_pose(observed * (smoothed - exact).square().sum(-1))
        if s.symmetry:
            found["symmetry"] = s.pose_weight * s.symmetry * symmetry(pose)
        if s.adversarial:
            found["adversarial"] = s.pose_weight * s.adversarial * fooled(self.judge, pose, s.judged_every)
        if s.regularisation and self.without_3d:
            found["regularisation"] = s.regularisation * explained(pose, observed, 1 - zeta, s.judged_every)
        return found

    # --- validation ---

    def calibrate(self) -> None:
        """Nothing beyond what every validation fits."""

    def validate(self) -> dict[str, float]:
        """Return mm on limbs after two seconds of history; sigma is fitted first."""
        at, answers = CHECKED, {}
        for name, check in (("fitted", self.fitted), ("judged", self.judged)):
            frames = torch.arange(check.clips.x.shape[1], device=self.device)[at]
            answers[name] = self.export.clip(check.clips.x, check.clips.reliability, frames=frames)
            if name == "fitted":
                fit_sigma(self.export.sigma, answers[name][0], check, self.export.threshold, at)
        pose, log_sigma = answers["judged"]
        return errors(pose, self.judged, at) | {"within sigma": within(pose, log_sigma, self.judged, at)}


def begun(count: int, share: float, g: Generator) -> Tensor:
    """Return (N, 128) frames to take: some windows begin inside, and what was before is a copy."""
    first = torch.randint(WINDOW, (count, 1), generator=g, device=g.device)
    first = torch.where(torch.rand(count, 1, generator=g, device=g.device) < share, first, 0)
    return torch.arange(WINDOW, device=g.device).maximum(first)
