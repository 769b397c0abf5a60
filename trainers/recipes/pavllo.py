"""Train Pavllo 2019 (section 5.3) on virtual or real cameras: AMSGrad, falling momentum, flips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor
from torch.optim import Adam, Optimizer

from engines.skeleton import H36M_17
from trainers.data.clips import Clips
from trainers.errors import UserError
from trainers.losses import mpjpe
from trainers.models.papers.pavllo import VARIANTS, PavlloLifter
from trainers.recipes.people_seen import PeopleSettings
from trainers.recipes.virtual import errors, fit_by_age, joints_in, open_people, within

ORDER = torch.from_numpy(H36M_17.mirror())


@dataclass(frozen=True)
class PavlloSettings(PeopleSettings):
    variant: str = "causal"  # causal | symmetric | replicated (symmetric, its future replicated) | single
    width: int = 3  # of every kernel
    layers: int = field(default=4, metadata={"low": 1, "high": 8})  # temporal ones: a receptive field of width^layers
    channels: int = 1024
    dropout: float = 0.25
    zero_hidden: bool = False  # (0, 0) for keypoints that are not believed
    batch: int = field(default=1024, metadata={"low": 1, "high": 100_000})  # clips, one prediction each
    epoch: int = field(default=250, metadata={"low": 1, "high": 1_000_000})  # steps
    rate: float = 1e-3  # of AMSGrad
    shrink: float = 0.95  # of the rate, every epoch
    momentum: tuple[float, float] = (0.1, 0.001)  # of batch normalisation, first and last step
    cut: float = 0.1  # share of clips whose history begins inside: padded with copies, as after a reset
    validation_clips: int = 64


def network(settings: Mapping[str, Any]) -> PavlloLifter:
    if settings["variant"] not in VARIANTS:
        raise UserError(f"variant: expected one of {', '.join(VARIANTS)}, found {settings['variant']!r}")
    widths = [settings["width"]] * settings["layers"]
    keys = ("channels", "dropout", "zero_hidden")
    return PavlloLifter(settings["variant"], widths, **{k: settings[k] for k in keys}, joints_in=joints_in(settings))


def recipe(settings: PavlloSettings, data: list[str], device: str, steps: int) -> PavlloRecipe:
    return PavlloRecipe(settings, data, device, steps)


def build_for_export(settings: Mapping[str, Any], trained: Mapping[str, Tensor]) -> PavlloLifter:
    model = network(settings)
    model.load_state_dict(trained)
    return model


class PavlloRecipe:
    def __init__(self, settings: PavlloSettings, data: list[str], device: str, steps: int) -> None:
        torch.manual_seed(7)
        self.settings, self.device, self.steps = settings, device, steps
        self.model = network(vars(settings)).to(device)
        self.export = self.model
        self.frames = self.model.tcn.receptive_field()
        self.answered = self.frames - 1 - self.model.tcn.look_ahead()  # place of the frame in its clip
        found = open_people(data, settings, device)
        self.people, self.fitted, self.judged = found.source(found.train, device), found.fitted, found.judged

    def optimizers(self) -> list[Optimizer]:
        return [Adam(self.model.parameters(), lr=self.settings.rate, amsgrad=True)]

    def learning_rate(self, step: int) -> float:
        return float(self.settings.shrink ** (step // self.settings.epoch))

    def batch(self, step: int, generator: Generator) -> Clips:
        first, last = self.settings.momentum
        self.model.tcn.set_momentum(first * (last / first) ** (step / max(self.steps - 1, 1)))
        return self.draw(generator)

    def draw(self, generator: Generator) -> Clips:
        s = self.settings
        times = (torch.arange(self.frames, device=self.device) / s.hz).expand(s.batch, -1)
        clips = self.people.people_seen(times, s, generator).clips
        return clips if s.cut <= 0 else cut(clips, s.cut, self.answered, generator)

    def losses(self, batch: Clips, which: int) -> dict[str, Tensor]:
        return {"mpjpe": mpjpe(self.model.target_pose(batch.x, batch.reliability), batch.pose[:, self.answered])}

    def calibrate(self) -> None:
        fit_by_age(self.model, self.fitted)

    def validate(self) -> dict[str, float]:
        """Return mm on limbs, open and hidden, and with the mean of the clip and its mirror image."""
        found = self.judged.clips
        plain, log_sigma = self.model.clip(found.x, found.reliability, found.time)
        other, _ = self.model.clip(flip(found.x), found.reliability[:, :, ORDER], found.time)
        both = errors((plain + flip(other)) / 2, self.judged)
        sure = {"within sigma": within(plain, log_sigma, self.judged)}
        return errors(plain, self.judged) | {f"{part} flipped": error for part, error in both.items()} | sure


def flip(points: Tensor) -> Tensor:
    """Return (..., 17, 2 or 3) as in a mirror."""
    sign = torch.ones(points.shape[-1], device=points.device)
    sign[0] = -1
    return points[..., ORDER.to(points.device), :] * sign


def cut(clips: Clips, share: float, answered: int, g: Generator) -> Clips:
    """Return some clips begin at a random frame up to the answered one; what was before is a copy of it."""
    count, frames = clips.x.shape[:2]
    begin = (torch.rand(count, generator=g, device=g.device) * (answered + 1)).long()
    begin = torch.where(torch.rand(count, generator=g, device=g.device) < share, begin, 0)
    at = torch.arange(frames, device=g.device).maximum(begin[:, None])
    rows = torch.arange(count, device=g.device)[:, None]
    x, reliability = clips.x[rows, at], clips.reliability[rows, at]
    return Clips(x, reliability, clips.world, clips.time, clips.pose, clips.hidden, clips.valid)
