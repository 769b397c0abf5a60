"""Train Zhang 2021 (section III-C): every block answers, all frames count, Adam with falling rate.

The depth head learns depths alone, so training needs nobody's distance; validation reports true and estimated ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor
from torch.optim import Adam, Optimizer

from trainers.data.clips import Clips
from trainers.losses import squared
from trainers.models.blocks.inputs import checked, facing
from trainers.models.blocks.joint_graphs import STYLES, WEIGHTINGS, Style
from trainers.models.papers.zhang2021 import DGNet, Zhang2021
from trainers.recipes.pavllo import cut
from trainers.recipes.people_seen import PeopleSettings
from trainers.recipes.virtual import (
    errors,
    fit_by_age,
    joints_in,
    open_people,
    within,
)

NET_KEYS = ("blocks", "channels", "spatial", "temporal", "style", "near", "alike", "edge", "weighting", "nonlocal_unit")
MODEL_KEYS = ("frames", "balanced", "zero_hidden", "references", "answered")


@dataclass(frozen=True)
class Zhang2021Settings(PeopleSettings):
    blocks: int = field(default=5, metadata={"low": 1, "high": 20, "unit": "blocks"})
    channels: int = field(default=128, metadata={"low": 4, "high": 4096, "unit": "channels"})
    frames: int = field(default=4, metadata={"low": 1, "high": 64, "unit": "ticks"})  # of a window
    answered: int = -1  # frame of the window whose pose is given, from 0; -1: the last, now.  The paper gives all four
    spatial: tuple[str, ...] = ("fixed", "dynamic")  # units of a block: FSG, DSG
    temporal: tuple[str, ...] = ("fixed", "dynamic", "fixed")  # FTG, DTG, FTG
    style: Style = STYLES[0]  # who is a neighbour in dynamic units
    near: int = field(
        default=3, metadata={"low": 1, "high": 17, "unit": "joints"}
    )  # K of DSG, the joint itself among them
    alike: int = field(default=4, metadata={"low": 1, "high": 17, "unit": "joints"})  # K of DTG
    edge: float = field(
        default=0.3, metadata={"low": 0.001, "high": 1.0, "unit": "share"}
    )  # over which neighbours fade
    weighting: str = WEIGHTINGS[0]  # connected | gaussian | none
    nonlocal_unit: bool = True  # every joint hears every joint after each dynamic unit
    balanced: bool = True  # the pose is the mean of both coordinate heads
    zero_hidden: bool = False  # (0, 0) for keypoints that are not believed
    references: tuple[str, ...] = ("trunk",)  # bones of known length that give the distance
    block_weight: float = 0.1  # lambda of Eq. 17
    batch: int = field(default=64, metadata={"low": 1, "high": 100_000, "unit": "windows"})
    rate: float = 1e-3  # of Adam
    last_rate: float = 0.02  # share of it that is left at the end, reached exponentially
    cut: float = 0.05  # share of windows that begin inside, as after a reset
    validation_clips: int = 16


def network(settings: Mapping[str, Any]) -> Zhang2021:
    model = {k: settings[k] for k in MODEL_KEYS}
    net = DGNet(**{k: settings[k] for k in NET_KEYS})
    return Zhang2021(net, **{**model, "references": tuple(model["references"])}, joints_in=joints_in(settings))


def recipe(settings: Zhang2021Settings, data: list[str], device: str, steps: int) -> ZhangRecipe:
    return ZhangRecipe(settings, data, device, steps)


def build_for_export(settings: Mapping[str, Any], trained: Mapping[str, Tensor]) -> Zhang2021:
    model = network(settings)
    model.load_state_dict(trained)
    return model


class ZhangRecipe:
    def __init__(self, settings: Zhang2021Settings, data: list[str], device: str, steps: int) -> None:
        torch.manual_seed(7)
        self.settings, self.steps = settings, steps
        self.model = self.export = network(vars(settings)).to(device)
        found = open_people(data, settings, device)
        self.people, self.fitted, self.judged = found.source(found.train, device), found.fitted, found.judged
        self.model.root.measure(self.people.xyz)

    def optimizers(self) -> list[Optimizer]:
        return [Adam(self.model.parameters(), lr=self.settings.rate)]

    def learning_rate(self, step: int) -> float:
        return float(self.settings.last_rate ** (step / max(self.steps, 1)))

    def batch(self, step: int, generator: Generator) -> Clips:
        return self.draw(generator)

    def draw(self, generator: Generator) -> Clips:
        s = self.settings
        times = self.people.ticks(s.batch, s.frames, generator)
        clips = self.people.people_seen(times, s, generator).clips
        return cut(clips, s.cut, s.frames - 1, generator) if s.cut > 0 else clips

    def losses(self, batch: Clips, which: int) -> dict[str, Tensor]:
        x, reliability = checked(batch.x, batch.reliability)
        rays, rotation = facing(x)
        truth = batch.pose @ rotation
        whole, blocks = self.model.net.every_level(self.model.keypoints(rays, reliability >= self.model.threshold))
        terms = {"network": self.level(whole, truth)}
        if self.settings.block_weight > 0:
            each = torch.stack([self.level(out, truth) for out in blocks])
            terms["blocks"] = self.settings.block_weight * each.sum()
        return terms

    def level(self, out: Tensor, truth: Tensor) -> Tensor:
        """Eq. 15 and 16 of one answer (B, T, 17, 4): its position head and, where both count, its depth head."""
        position = squared(out[..., :3], truth)
        return position + squared(out[..., 3:], truth[..., 2:]) if self.settings.balanced else position

    def calibrate(self) -> None:
        """Nothing beyond what every validation fits."""

    def validate(self) -> dict[str, float]:
        """Return mm on limbs with the estimated and with the true distance; sigma is fitted first."""
        fit_by_age(self.model, self.fitted)
        clips = self.judged.clips
        found: dict[str, float] = {}
        for name, root in (("", None), (", true root", self.judged.root)):
            pose, log_sigma = self.model.clip(clips.x, clips.reliability, clips.time, root)
            found |= {f"{part}{name}": error for part, error in errors(pose, self.judged).items()}
            if not name:
                found["within sigma"] = within(pose, log_sigma, self.judged)
        return found
