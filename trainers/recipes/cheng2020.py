"""Train Cheng 2020 (sections 3.1 to 3.3): two cameras around everybody, people without 3D, a motion critic.

A window answers `run` frames in a row, so that the critic sees motion.  Labelled people are seen by two cameras at
once; of people whose 3D is withheld only what one camera sees is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Generator, Tensor, nn
from torch.optim import Adam, Optimizer

from trainers import checkpoint
from trainers.augmentation import occlusion_masks
from trainers.augmentation.keypoint_errors import shifted, side_swapped
from trainers.data import view_bank
from trainers.data.motion import MotionSet
from trainers.errors import UserError
from trainers.geometry.self_occlusion import behind_body
from trainers.losses import projected, squared
from trainers.models.blocks.inputs import facing
from trainers.models.papers.cheng2020 import FRAMES, Cheng2020
from trainers.models.papers.inference_optimisation import fit_calibration, in_metres, orthogonal
from trainers.models.papers.motion_critic import Critic, convinced, told_apart, turned, turns
from trainers.recipes.labels import divided
from trainers.recipes.people_seen import PeopleSeen, PeopleSettings, PeopleSource
from trainers.recipes.virtual import (
    errors,
    fit_by_age,
    joints_in,
    open_people,
    within,
)

KINDS = ("points", "frames", "point_runs", "frame_runs")  # section 3.3, in the paper's order
MODEL_KEYS = ("strides", "embedding", "channels", "answered")


@dataclass(frozen=True)
class Cheng2020Settings(PeopleSettings):
    strides: tuple[int, ...] = (1, 2, 3, 5, 7)  # of the temporal branches
    embedding: int = field(default=512, metadata={"low": 1, "high": 4096, "unit": "channels"})  # of f_E
    channels: int = field(default=256, metadata={"low": 1, "high": 4096, "unit": "channels"})  # of a branch
    answered: int = field(default=32, metadata={"low": 0, "high": 63, "unit": "ticks"})  # frame of 64; 63 is now
    run: int = field(default=8, metadata={"low": 3, "high": 64, "unit": "ticks"})  # answers in a row
    critic: Literal["none", "spatial", "temporal"] = "temporal"
    interval: int = field(default=1, metadata={"low": 1, "high": 5, "unit": "ticks"})  # of temporal KCS
    views_weight: float = 0.5  # w1 of Eq. 6: the other camera's answer, turned
    plane_weight: float = 0.1  # w2: 2D projection of people without 3D
    critic_weight: float = 0.01  # w3
    occlusion: float = 0.25  # share of clips that each of the four kinds falls on
    shifted: float = 0.03  # share of keypoints
    shift_m: float = 0.1  # 10 of 256 pixels around a person
    own_body: bool = True  # keypoints behind the own body (cylinder man, 3.4) have empty heatmaps in training
    swapped: float = 0.03  # share of pairs of keypoints that exchange sides
    withheld: float = 0.2  # share of training people without 3D
    unlabelled: float = 0.25  # share of a batch that is theirs
    batch: int = field(default=16, metadata={"low": 2, "high": 100_000, "unit": "clips"})
    rate: float = 1e-3  # of Adam
    critic_rate: float = 1e-4
    last_rate: float = 0.02  # share of both at the end, reached exponentially
    validation_clips: int = 16


@dataclass(frozen=True)
class TwoCameraClips:
    """Clips of 63 + run ticks: people with 3D in a first camera, the same in a second one, then people without."""

    x: Tensor  # (N, T, 17, 2)
    reliability: Tensor  # (N, T, 17)
    time: Tensor  # (N, T)
    pose: Tensor  # (2 P, run, 17, 3) m, of the answered frames
    turn: Tensor  # (P, 3, 3) from the first camera to the second
    plane: Tensor  # (N - 2 P, run, 17, 2) rays of people without 3D
    visible: Tensor  # (N - 2 P, run, 17)


def network(settings: Mapping[str, Any]) -> Cheng2020:
    return Cheng2020(**{k: settings[k] for k in MODEL_KEYS}, joints_in=joints_in(settings))


def critic_of(settings: Mapping[str, Any]) -> Critic | None:
    return None if settings["critic"] == "none" else Critic(settings["critic"], settings["interval"])


def recipe(settings: Cheng2020Settings, data: list[str], device: str, steps: int) -> Cheng2020Recipe:
    return Cheng2020Recipe(settings, data, device, steps)


def build_for_export(settings: Mapping[str, Any], trained: Mapping[str, Tensor]) -> Cheng2020:
    model = network(settings)
    model.load_state_dict({k.removeprefix("lifter."): v for k, v in trained.items() if k.startswith("lifter.")})
    return model


def judges(run: str) -> tuple[Critic | None, tuple[float, float]]:
    """Return a finished run's critic and calibration of confidences: what inference stage optimisation needs of it."""
    path = Path(run) / checkpoint.FILE if Path(run).is_dir() else Path(run)
    meta = checkpoint.metadata(path)
    if meta.get("recipe") != "cheng2020":
        raise UserError(f"{path}: a run of {meta.get('recipe', 'nothing')}, expected one of recipe cheng2020")
    trained, critic = checkpoint.weights(path), critic_of(json.loads(meta["settings"]))
    if critic is not None:
        critic.load_state_dict({k[7:]: v for k, v in trained.items() if k.startswith("critic.")})
        critic.requires_grad_(False)
    slope, offset = trained["calibration"].tolist()
    return critic, (slope, offset)


class Cheng2020Recipe:
    def __init__(self, settings: Cheng2020Settings, data: list[str], device: str, steps: int) -> None:
        torch.manual_seed(7)
        self.settings, self.device, self.steps = settings, device, steps
        self.lifter = self.export = network(vars(settings))
        self.critic = critic_of(vars(settings))
        parts = {"lifter": self.lifter} | ({"critic": self.critic} if self.critic else {})
        self.model = nn.ModuleDict(parts)
        self.model.register_buffer("calibration", torch.tensor([1.0, 0.0]))
        self.model.to(device)
        people = open_people(data, settings, device, cameras=2)
        with_3d, without = parted(people.train, settings.withheld)
        self.bank = people.source(with_3d, device)
        self.other = people.source(without, device) if without.segments and settings.unlabelled > 0 else None
        self.fitted, self.judged = people.fitted, people.judged

    def optimizers(self) -> list[Optimizer]:
        found: list[Optimizer] = [Adam(self.lifter.parameters(), lr=self.settings.rate)]
        return [*found, Adam(self.critic.parameters(), lr=self.settings.critic_rate)] if self.critic else found

    def learning_rate(self, step: int) -> float:
        return float(self.settings.last_rate ** (step / max(self.steps, 1)))

    # --- batches ---

    def batch(self, step: int, generator: Generator) -> TwoCameraClips:
        return self.draw(generator)

    def draw(self, generator: Generator) -> TwoCameraClips:
        s, g = self.settings, generator
        alone = round(s.batch * s.unlabelled) if self.other else 0
        pair = self._looks(self.bank, max(1, (s.batch - alone) // 2), 2, g)
        single = self._looks(self.other, alone, 1, g) if self.other and alone else []
        plane = shown = pair[0].clips.pose.new_zeros(0)
        for seen in single:
            plane = self._answered(seen.rays)
            shown = self._answered(seen.inside & ~behind_body(seen.clips.pose, seen.root)).float()
        given = [self._given(seen, g) for seen in (*pair, *single)]
        x, reliability, time = (torch.cat(column) for column in zip(*given))
        first, second = (seen.clips.pose for seen in pair)
        pose = torch.cat([self._answered(first), self._answered(second)])
        return TwoCameraClips(x, reliability, time, pose, view_bank.between(first, second), plane, shown)

    def _looks(self, source: PeopleSource, clips: int, cameras: int, g: Generator) -> list[PeopleSeen]:
        """Return the same people by so many cameras at once."""
        times = source.ticks(clips, FRAMES - 1 + self.settings.run, g)
        return source.seen_at_once(times, self.settings, g, cameras)

    def _answered(self, values: Tensor) -> Tensor:
        return values[:, self.settings.answered : self.settings.answered + self.settings.run]

    def _given(self, people: PeopleSeen, g: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the network is given: the detector's words, then the paper's own errors and gaps."""
        s, clips = self.settings, people.clips
        x = shifted(clips.x, people.metres, s.shifted, s.shift_m, g)
        x, reliability = side_swapped(x, clips.reliability, s.swapped, g)
        hidden = occlusion_masks.mixed(people.rays, g, dict.fromkeys(KINDS, s.occlusion))
        hidden = hidden | behind_body(clips.pose, people.root) if s.own_body else hidden
        return x, torch.where(hidden, 0.0, reliability), clips.time

    # --- losses ---

    def losses(self, batch: TwoCameraClips, which: int) -> dict[str, Tensor]:
        return self._critic_losses(batch) if which else self._lifter_losses(batch)

    def _lifter_losses(self, batch: TwoCameraClips) -> dict[str, Tensor]:
        s, pairs = self.settings, len(batch.turn)
        pose = self.lifter.inner(batch.x, batch.reliability, batch.time)
        labelled, alone = pose[: 2 * pairs], pose[2 * pairs :]
        terms = {"position": squared(labelled, batch.pose)}
        if s.views_weight > 0:
            terms["views"] = s.views_weight * squared(turned(labelled[:pairs], batch.turn), labelled[pairs:])
        if len(alone) and s.plane_weight > 0:
            terms["plane"] = s.plane_weight * in_plane(alone, batch.plane, batch.visible)
        if self.critic and s.critic_weight > 0:
            terms["critic"] = s.critic_weight * convinced(self.critic, self._turned(pose))
        return terms

    def _critic_losses(self, batch: TwoCameraClips) -> dict[str, Tensor]:
        assert self.critic is not None
        self.lifter.eval()  # its statistics move once a step
        with torch.no_grad():
            pose = self.lifter.inner(batch.x, batch.reliability, batch.time)
        self.lifter.train()
        return {"told apart": told_apart(self.critic, self._turned(batch.pose), self._turned(pose))}

    def _turned(self, pose: Tensor) -> Tensor:
        """Eq. 5; real poses are turned too, or turning alone would tell them apart."""
        g = Generator(pose.device).manual_seed(int(torch.randint(2**31, ()).item()))
        return turned(pose, turns(len(pose), g))

    # --- afterwards ---

    def calibrate(self) -> None:
        """Nothing beyond what every validation fits."""

    def validate(self) -> dict[str, float]:
        """Return mm on limbs; first sigma is fitted, and what a confidence is worth, for inference stage
        optimisation."""
        clips = self.fitted.clips
        cast(Tensor, self.model.calibration).copy_(fit_calibration(clips.reliability, ~clips.hidden))
        fit_by_age(self.lifter, self.fitted)
        clips = self.judged.clips
        pose, log_sigma = self.lifter.clip(clips.x, clips.reliability, clips.time)
        return errors(pose, self.judged) | {"within sigma": within(pose, log_sigma, self.judged)}


def parted(train: MotionSet, withheld: float) -> tuple[MotionSet, MotionSet]:
    """(with 3D, without): the last share of the people by name; somebody always keeps 3D."""
    people = train.subjects
    kept = people[: max(1, len(people) - ceil(withheld * len(people)))]
    return divided(train, kept)


def in_plane(pose: Tensor, rays: Tensor, visible: Tensor) -> Tensor:
    """Eq. 3 in metres: the pose seen along the line to the pelvis against keypoints put to its scale."""
    points, rotation = facing(rays)
    seen = pose @ rotation
    scale, translation = orthogonal(seen.detach(), points, visible)
    return projected(in_metres(points, scale, translation), seen, visible)
