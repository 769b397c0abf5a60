"""Train Pavllo 2019 semi-supervised (section 4): half of a batch has 3D, the other only keypoints.

The pose network alone ships; the runtime finds the root by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast

import torch
from torch import Generator, Tensor, nn
from torch.optim import Adam, Optimizer

from trainers.data.motion import MotionSegment, MotionSet
from trainers.geometry.projection import LensModel, project
from trainers.losses import mean_bones, mpjpe, wmpjpe
from trainers.metrics import align_scale, joint_errors
from trainers.models.blocks.tcn import TCN
from trainers.models.papers.pavllo import PavlloLifter
from trainers.recipes.labels import divided
from trainers.recipes.pavllo import network
from trainers.recipes.people_seen import PeopleSettings, PeopleSource
from trainers.recipes.virtual import errors, fit_by_age, open_people, within

SHORTEST_S = 1.0  # of a labelled piece
SEEN = 0.5


@dataclass(frozen=True)
class PavlloSemiSettings(PeopleSettings):
    variant: str = "symmetric"  # causal | symmetric | single
    width: int = 3  # of every kernel
    layers: int = field(
        default=3, metadata={"low": 1, "high": 8, "unit": "layers"}
    )  # a receptive field of width^layers
    channels: int = 1024
    dropout: float = 0.25
    zero_hidden: bool = False
    labelled: tuple[str, ...] = ()  # subjects with 3D; none named: the first training subject
    labelled_share: float = field(default=1.0, metadata={"low": 1e-4, "high": 1.0, "unit": "share"})  # of their frames
    semi: bool = True  # false: the labelled half alone, the supervised baseline
    projection_weight: float = 1.0  # of the distance in screen units: half the picture's width is 1
    bone_weight: float = 1.0  # of the mean absolute difference of predicted mean lengths, m
    warm_up: int = field(default=1, metadata={"low": 0, "high": 10_000, "unit": "epochs"})  # on labels alone
    batch: int = field(default=256, metadata={"low": 2, "high": 100_000, "unit": "clips"})  # one prediction each
    epoch: int = field(default=50, metadata={"low": 1, "high": 1_000_000, "unit": "steps"})
    rate: float = 1e-3  # of AMSGrad
    shrink: float = 0.95  # of the rate, every epoch
    momentum: tuple[float, float] = (0.1, 0.001)  # of batch normalisation, first and last step
    validation_clips: int = 32


@dataclass(frozen=True)
class Half:
    """N clips of the receptive field's length and the truth of the answered frame."""

    x: Tensor  # (N, R, 17, 2)
    reliability: Tensor  # (N, R, 17)
    pose: Tensor  # (N, 17, 3) m; of unlabelled people never used in a loss
    root: Tensor  # (N, 3) m, camera axes; the same
    lens: Tensor  # (N, 2) factor and k1 of Lens.plain
    screen: Tensor  # (N,) screen units (half the picture's width) in one unit of rays

    @staticmethod
    def join(parts: list[Half]) -> Half:
        return Half(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Half)))


Batch = tuple[Half, Half | None]


def recipe(settings: PavlloSemiSettings, data: list[str], device: str, steps: int) -> SemiRecipe:
    return SemiRecipe(settings, data, device, steps)


def build_for_export(settings: Mapping[str, Any], trained: Mapping[str, Tensor]) -> PavlloLifter:
    model = network(settings)
    model.load_state_dict({k.removeprefix("pose."): v for k, v in trained.items() if k.startswith("pose.")})
    return model


class SemiRecipe:
    def __init__(self, settings: PavlloSemiSettings, data: list[str], device: str, steps: int) -> None:
        torch.manual_seed(7)
        self.settings, self.steps = settings, steps
        self.pose = self.export = network(vars(settings))
        tcn = self.pose.tcn
        self.trajectory = TCN(34, 3, tcn.widths, settings.channels, settings.dropout, causal=tcn.causal)
        self.model = nn.ModuleDict({"pose": self.pose, "trajectory": self.trajectory}).to(device)
        self.frames = tcn.receptive_field()
        self.answered = self.frames - 1 - tcn.look_ahead()
        people = open_people(data, settings, device)
        with_3d, without = divided(people.train, settings.labelled or people.train.subjects[:1])
        self.labelled = people.source(pieces(with_3d, settings.labelled_share), device, shortest_s=0.0)
        self.unlabelled = people.source(without, device) if settings.semi and without.segments else None
        self.fitted, self.judged = people.fitted, people.judged

    def optimizers(self) -> list[Optimizer]:
        return [Adam(self.model.parameters(), lr=self.settings.rate, amsgrad=True)]

    def learning_rate(self, step: int) -> float:
        return float(self.settings.shrink ** (step // self.settings.epoch))

    def warming(self, step: int) -> bool:
        return step < self.warm_up_steps

    @property
    def warm_up_steps(self) -> int:
        return self.settings.warm_up * self.settings.epoch if self.unlabelled else 0

    # --- batches ---

    def batch(self, step: int, generator: Generator) -> Batch:
        first, last = self.settings.momentum
        for tcn in (self.pose.tcn, self.trajectory):
            tcn.set_momentum(first * (last / first) ** (step / max(self.steps - 1, 1)))
        return self.draw(generator, self.warming(step))

    def draw(self, generator: Generator, warming: bool) -> Batch:
        labelled = self._half(self.labelled, generator)
        alone = self.unlabelled is None or warming
        return labelled, None if alone else self._half(cast(PeopleSource, self.unlabelled), generator)

    def _half(self, source: PeopleSource, g: Generator) -> Half:
        s, count, at = self.settings, self.settings.batch // 2, self.answered
        times = (torch.arange(self.frames, device=g.device) / s.hz).expand(count, -1)
        seen = source.people_seen(times, s, g)
        clips = seen.clips
        return Half(clips.x, clips.reliability, clips.pose[:, at], seen.root[:, at], seen.lens, seen.screen)

    # --- losses ---

    def losses(self, batch: Batch, which: int) -> dict[str, Tensor]:
        labelled, other = batch
        count = len(labelled.x)
        pose, root = self._answer(labelled if other is None else Half.join([labelled, other]))  # one pass, as theirs
        terms = {"mpjpe": mpjpe(pose[:count], labelled.pose), "wmpjpe": wmpjpe(root[:count], labelled.root)}
        if other is not None:
            again = self.projection(pose[count:], root[count:], other)
            terms["projection"] = self.settings.projection_weight * again
            if self.settings.bone_weight > 0:
                terms["bones"] = self.settings.bone_weight * mean_bones(pose[count:], pose[:count])
        return terms

    def _answer(self, half: Half) -> tuple[Tensor, Tensor]:
        """Root-relative pose (N, 17, 3) and root (N, 3)."""
        features = self.pose.features(half.x, half.reliability)
        return self.pose.pose(self.pose.tcn.strided(features))[:, 0], self.trajectory.strided(features)[:, 0]

    def projection(self, pose: Tensor, root: Tensor, half: Half) -> Tensor:
        """Project pose plus trajectory through the camera's lens: distance to its keypoints, screen units."""
        again = project(pose + root.unsqueeze(1), LensModel.plain(half.lens))
        seen, screen = (half.reliability[:, self.answered] >= SEEN).to(pose.dtype), half.screen[:, None, None]
        return mpjpe(again * screen, half.x[:, self.answered] * screen, seen)

    # --- validation ---

    def calibrate(self) -> None:
        fit_by_age(self.pose, self.fitted)

    def validate(self) -> dict[str, float]:
        """Return mm on limbs, open and hidden, and of all joints after scaling (protocol 3)."""
        clips = self.judged.clips
        pose, log_sigma = self.pose.clip(clips.x, clips.reliability, clips.time)
        scaled = joint_errors(align_scale(pose, clips.pose), clips.pose)
        sure = within(pose, log_sigma, self.judged)
        return errors(pose, self.judged) | {"n-mpjpe": float(scaled.mean()) * 1000, "within sigma": sure}


def pieces(motion: MotionSet, share: float) -> MotionSet:
    """About this share of the frames, in unbroken pieces of a second or more from the middle of segments."""
    if share >= 1:
        return motion
    wanted, found = share * motion.frames, []
    for segment in sorted(motion.segments, key=lambda s: len(s.xyz), reverse=True):
        least = min(len(segment.xyz), round(SHORTEST_S * segment.fps))
        length = min(max(round(share * len(segment.xyz)), least), max(round(wanted), 2))
        if wanted < 2 or length < 2:
            break
        start = (len(segment.xyz) - length) // 2
        cut = segment.xyz[start : start + length]
        found.append(MotionSegment(cut, segment.fps, segment.clip, segment.subject, segment.action))
        wanted -= length
    return MotionSet(tuple(found), motion.name)
