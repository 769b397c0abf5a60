"""Train Roy 2024 (sections 3.3 and 3.4): LNet warms up alone, then both through one frame of masked graphs.

In training the true distance of the person is given, as in the paper; validation reports true and estimated ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Generator, Tensor
from torch.optim import Adam, Optimizer

from trainers.augmentation.masksembles import structured
from trainers.data.clips import Clips
from trainers.geometry.triangulation import lines, triangulate
from trainers.losses import squared
from trainers.models.blocks.sigma_by_age import age_clip
from trainers.models.papers.roy2024 import Roy2024
from trainers.models.papers.roy2024_nets import FRAMES, NODES
from trainers.recipes.labels import divided
from trainers.recipes.people_seen import PeopleSettings, Watching
from trainers.recipes.virtual import (
    errors,
    fit_by_age,
    joints_in,
    open_people,
    within,
)

MODEL_KEYS = ("target", "strides", "gate", "hold", "dropout", "references")
SPARSE = 4  # in its warm-up LNet sees every fourth frame: neighbours say the same
Masking = Literal["structured", "dropout", "none", "reliability"]


@dataclass(frozen=True)
class Roy2024Settings(PeopleSettings):
    target: int = 15  # t_p: the answered frame of 31; 30 is now
    strides: tuple[int, ...] = (1, 3, 5, 7)  # S; none: spatial edges alone
    mask: Masking = "structured"  # of nodes, in training
    masks_count: int = field(default=32, metadata={"low": 1, "high": 1000, "unit": "masks"})  # N_M
    alpha: float = 1.8  # overlap of structured masks
    rate_dropped: float = 0.3  # share of nodes, mask `dropout`
    gate: bool = True  # live, unreliable keypoints' nodes are 0
    hold: bool = False  # hidden keypoints hang on their parent's last offset before LNet sees them
    dropout: float = 0.1  # of LNet
    references: tuple[str, ...] = ("trunk",)  # bones of known length that give the distance
    labelled: tuple[str, ...] = ()  # subjects with 3D; none: everybody
    labelled_every: int = field(default=1, metadata={"low": 1, "high": 1000, "unit": "frames"})  # of theirs
    unlabelled: float = 0.5  # share of a batch from people without 3D, where there are any
    views: int = field(default=4, metadata={"low": 2, "high": 16, "unit": "cameras"})  # around people without 3D
    batch: int = field(default=64, metadata={"low": 1, "high": 100_000, "unit": "windows"})
    lead: int = field(default=30, metadata={"low": 0, "high": 1000, "unit": "ticks"})  # before the window, for `hold`
    warm_up: int = 1000  # steps of LNet alone
    rates: tuple[float, ...] = (5e-5, 1e-4)  # of LNet after its warm-up (twice that during it), of RNet


@dataclass(frozen=True)
class GraphWindows:
    """N windows of lead + 31 ticks as the network gets them, and what it shall answer."""

    x: Tensor  # (N, T, 17, 2)
    reliability: Tensor  # (N, T, 17)
    pose: Tensor  # (N, 31, 17, 3) m, true or triangulated
    root: Tensor  # (N, 31) m along the line of sight
    mask: Tensor  # (N, 31, 17) mask of nodes
    warm: bool  # LNet alone


def network(settings: Mapping[str, Any]) -> Roy2024:
    keys = {k: settings[k] for k in MODEL_KEYS}
    return Roy2024(**{**keys, "references": tuple(keys["references"])}, joints_in=joints_in(settings))


def recipe(settings: Roy2024Settings, data: list[str], device: str, steps: int) -> RoyRecipe:  # noqa: ARG001
    return RoyRecipe(settings, data, device)


def build_for_export(settings: Mapping[str, Any], trained: Mapping[str, Tensor]) -> Roy2024:
    model = network(settings)
    model.load_state_dict(trained)
    return model


class RoyRecipe:
    def __init__(self, settings: Roy2024Settings, data: list[str], device: str) -> None:
        torch.manual_seed(7)
        self.settings, self.device = settings, device
        self.model = self.export = network(vars(settings)).to(device)
        semi = (bool(settings.labelled) or settings.labelled_every > 1) and settings.unlabelled > 0
        people = open_people(data, settings, device, cameras=settings.views if semi else 1)
        with_3d, without = divided(people.train, settings.labelled)
        self.bank, self.fitted, self.judged = people.source(with_3d, device), people.fitted, people.judged
        if settings.labelled_every > 1:  # the frames between the labelled ones are seen by several cameras too
            without = people.train
        self.other = people.source(without, device) if semi and without.segments else None
        self.model.root.measure(self.bank.xyz)
        self.masks, _ = structured(NODES, settings.masks_count, settings.alpha, Generator().manual_seed(3))

    # --- the schedule ---

    def optimizers(self) -> list[Optimizer]:
        lifting, refining = self.settings.rates
        groups = [
            {"params": self.model.lnet.parameters(), "lr": lifting},
            {"params": self.model.rnet.parameters(), "lr": refining},
        ]
        return [Adam(groups)]

    def learning_rate(self, step: int) -> float:
        """1e-4 for LNet alone, then 5e-5 for LNet and 1e-4 for RNet, constant."""
        return 2.0 if step < self.warm_up_steps else 1.0

    @property
    def warm_up_steps(self) -> int:
        return self.settings.warm_up

    # --- batches ---

    def batch(self, step: int, generator: Generator) -> GraphWindows:
        return self.draw(generator, step < self.warm_up_steps)

    def draw(self, generator: Generator, warm: bool) -> GraphWindows:
        s = self.settings
        people = round(s.batch * s.unlabelled / s.views) if self.other and not warm else 0
        parts = [self._labelled(s.batch - people * s.views, generator)] if s.batch > people * s.views else []
        parts += [self._triangulated(people, generator)] if people else []
        x, reliability, pose, root = (torch.cat(column) for column in zip(*parts))
        kept = self._mask(reliability[:, -FRAMES:], generator)
        return GraphWindows(x, reliability, pose[:, -FRAMES:], root[:, -FRAMES:], kept, warm)

    @property
    def target(self) -> int:
        return self.settings.lead + self.settings.target

    @property
    def every(self) -> int:
        return self.settings.labelled_every

    def _labelled(self, clips: int, g: Generator) -> tuple[Tensor, ...]:
        times = self.bank.ticks(clips, self.settings.lead + FRAMES, g)
        seen = self.bank.people_seen(times, self.settings, g, Watching(target=self.target, every=self.every))
        return seen.clips.x, seen.clips.reliability, seen.clips.pose, seen.distance

    def _triangulated(self, people: int, g: Generator) -> tuple[Tensor, ...]:
        """Return the same people in several calibrated cameras; labels come from the detector's keypoints alone."""
        assert self.other is not None
        s, times = self.settings, self.other.ticks(people, self.settings.lead + FRAMES, g)
        seen, rotation, centre = self.other.calibrated(times, s, g, s.views)
        xyz = pseudo_labels(seen, rotation, centre, s.views)
        return seen.x, seen.reliability, xyz - xyz[:, :, :1], xyz[:, :, 0].norm(dim=-1)

    def _mask(self, reliability: Tensor, g: Generator) -> Tensor:
        """Return (N, 31, 17): which nodes keep their feature."""
        s, shape = self.settings, reliability.shape
        if s.mask == "structured":
            which = torch.randint(len(self.masks), (len(reliability),), generator=g, device=g.device)
            return self.masks.to(g.device)[which].view(shape).float()
        if s.mask == "dropout":
            return (torch.rand(shape, generator=g, device=g.device) >= s.rate_dropped).float()
        return torch.ones(shape, device=g.device) if s.mask == "none" else (reliability >= self.model.threshold).float()

    # --- losses ---

    def losses(self, batch: GraphWindows, which: int) -> dict[str, Tensor]:
        rays, rotation, seen = (v[:, -FRAMES:] for v in self.model.watched(batch.x, batch.reliability))
        if batch.warm:  # Eq. 3
            some = slice(None, None, SPARSE)
            depth = self.model.depths(rays[:, some], seen[:, some])
            pose = self.model.place(rays[:, some], depth, batch.root[:, some], rotation[:, some])
            return {"lifted": squared(pose, batch.pose[:, some])}
        depth = self.model.depths(rays, seen)
        at = self.settings.target
        best = self.model.refine(depth, batch.mask)  # Eq. 2
        pose = self.model.place(rays[:, at], best, batch.root[:, at], rotation[:, at])
        return {"refined": squared(pose, batch.pose[:, at])}

    # --- validation ---

    def calibrate(self) -> None:
        """Nothing beyond what every validation fits."""

    def validate(self) -> dict[str, float]:
        """Return mm on limbs: refined and LNet alone, with the estimated and with the true distance; sigma is fitted
        first."""
        fit_by_age(self.model, self.fitted)
        found: dict[str, float] = {}
        for name, (pose, log_sigma) in self._answers().items():
            found |= {f"{part}{name}": error for part, error in errors(pose, self.judged).items()}
            found.setdefault("within sigma", within(pose, log_sigma, self.judged))
        return found

    def _answers(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the shipped answer first."""
        clips, ahead = self.judged.clips, self.model.look_ahead
        rays, rotation, seen = self.model.watched(clips.x, clips.reliability, clips.time)
        log_sigma = self.model.sigma(age_clip(seen, clips.time))
        found = {}
        for name, refined in (("", True), (", LNet", False)):
            best = self.model.answered(rays, seen, refined)
            for given, root in (("", self.model.distance(rays, seen, best)), (", true root", self.judged.root)):
                found[name + given] = self.model.place(rays, best[:, ahead:], root, rotation), log_sigma
        return found


def pseudo_labels(clips: Clips, rotation: Tensor, centre: Tensor, count: int) -> Tensor:
    """Triangulated poses in every camera's axes, (count * B, T, 17, 3); no camera knows the truth."""
    per_view = (count, len(clips.x) // count)
    origin, direction = (v.unflatten(0, per_view) for v in lines(clips.x, rotation, centre))
    points, _ = triangulate(origin, direction, clips.reliability.unflatten(0, per_view))  # (B, T, 17, 3)
    return points.repeat(count, 1, 1, 1) @ rotation.transpose(1, 2)[:, None] + centre[:, None, None]
