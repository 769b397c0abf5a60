"""Train the shipped lifter: virtual cameras with a detector's errors, mixed with the real detector's answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Generator, Tensor
from torch.optim import AdamW, Optimizer

from engines.skeleton import H36M_17
from trainers.augmentation import occlusion_masks
from trainers.augmentation.detector_noise import NoiseRange, degrade_reliability
from trainers.augmentation.motion import Augmentation, augment
from trainers.augmentation.repose_clips import Change, repose
from trainers.augmentation.virtual_detections import MaskShares, halves, seen_by_detector
from trainers.checkpoint import weights
from trainers.data import bank as banks
from trainers.data.clips import Clips, varied
from trainers.data.corpus import Corpus, open_corpus
from trainers.geometry.virtual_cameras import CameraRange, mirrored, sample_views, tick_times
from trainers.metrics import LIMB_JOINTS, joint_errors
from trainers.models.blocks.hold_hidden import unseen_for
from trainers.models.blocks.sigma_by_age import ONE_SIGMA
from trainers.models.causal.causal_lifter import LiveLifter

FEWEST_FOR_SIGMA = 500  # coordinates; fewer calibrate nothing
PROMISED = ((ONE_SIGMA, 1.0), (0.95, 1.96))  # share of coordinates, within how many sigma


@dataclass(frozen=True)
class CausalLifterSettings:
    channels: int = 384
    blocks: int = 3
    dropout: float = 0.0
    fast: bool = True  # the network's products in bfloat16 while it trains, where the device has them
    init: str = ""  # a finished run to start from
    world: bool = True  # takes the detector's own 3D
    lengths: bool = True  # is told how long each bone has looked lately
    hold: bool = True  # hidden keypoints hang on their parent's last offset
    batch: int = field(default=256, metadata={"low": 1, "high": 10_000_000})  # clips
    ticks: int = field(default=120, metadata={"low": 8, "high": 10_000})  # of 1/30 s
    rendered: float = 0.5  # share of a batch that comes from synthesized detections, where there are any
    add_occlusion: float = 0.5  # share of synthesized clips in which more is hidden and the judge errs more often
    reposed: Change = field(default_factory=Change)  # other bodies and poses in those clips, the detector's errors kept
    reliability: str = "reliability"  # engine that judges synthesized keypoints, as in the runtime
    rate: float = 1e-3
    warm_up: int = 200  # steps
    decay: float = 1e-4  # of weights
    hidden_weight: float = 1.5  # of hidden joints in the loss, open ones: 1
    lost_weight: float = 0.2  # of joints unseen for more than 2 s
    velocity: float = 1.5  # weight of the error of steps from tick to tick
    bones: float = 0.2  # weight of the error of bone lengths
    likelihood: float = 0.02  # weight of sigma's likelihood
    cameras: CameraRange = field(default_factory=CameraRange)
    noise: NoiseRange = field(default_factory=NoiseRange)
    masks: MaskShares = field(default_factory=MaskShares)
    augment: Augmentation = field(default_factory=Augmentation)
    validation_clips: int = 128


def recipe(settings: CausalLifterSettings, data: list[str], device: str, steps: int) -> LiveRecipe:
    return LiveRecipe(settings, open_corpus(data, settings.reliability), device, steps)


def network(settings: Mapping[str, Any]) -> LiveLifter:
    return LiveLifter(
        settings["channels"], settings["blocks"], settings["dropout"], use_world=settings["world"],
        hold=settings["hold"], lengths=settings["lengths"], fast=settings["fast"],
    )  # fmt: skip


def build_for_export(settings: Mapping[str, Any], trained: Mapping[str, Tensor]) -> LiveLifter:
    """Rebuild the trained network for export."""
    model = network(settings)
    model.load_state_dict(trained)
    return model


class LiveRecipe:
    def __init__(self, settings: CausalLifterSettings, corpus: Corpus, device: str, steps: int) -> None:
        torch.manual_seed(7)
        self.settings, self.device, self.steps = settings, device, steps
        self.model = network(vars(settings))
        if settings.init:
            self.model.load_state_dict(weights(settings.init))
        self.model.to(device)
        self.export = self.model
        self.train_bank = banks.bank(corpus.train, device)
        self.rendered = corpus.rendered_train.to(device) if corpus.rendered_train else None
        g = Generator(device).manual_seed(20)
        fitting, judging = halves(corpus.validation or corpus.train)
        self.checks = {"virtual": self._virtual(banks.bank(judging, device), settings.validation_clips, g, plain=True)}
        self.calibration = self._virtual(banks.bank(fitting, device), settings.validation_clips, g, plain=True)
        if corpus.rendered_validation:
            found = corpus.rendered_validation.to(device)
            fitting_footage, judging_footage = found.halves()
            self.checks["rendered"] = judging_footage.sample(settings.validation_clips, settings.ticks, g)
            from_detector = fitting_footage.sample(settings.validation_clips, settings.ticks, g)
            self.calibration = Clips.join([self.calibration, from_detector])

    def optimizers(self) -> list[Optimizer]:
        return [AdamW(self.model.parameters(), lr=self.settings.rate, weight_decay=self.settings.decay)]

    def learning_rate(self, step: int) -> float:
        """Return linear warm-up, then half a cosine down to a hundredth."""
        part = step / max(self.steps, 1)
        return min(1.0, (step + 1) / self.settings.warm_up) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * part)))

    def batch(self, step: int, generator: Generator) -> Clips:
        return self.draw(generator)

    def draw(self, generator: Generator) -> Clips:
        from_detector = int(self.settings.batch * self.settings.rendered) if self.rendered else 0
        parts = [self._virtual(self.train_bank, self.settings.batch - from_detector, generator)]
        if self.rendered and from_detector:
            s = self.settings
            change = partial(repose, s.reposed) if s.reposed.share > 0 else None
            found = varied(self.rendered.sample(from_detector, s.ticks, generator, change), generator)
            parts.append(add_occlusion(found, self.settings, generator))
        return parts[0] if len(parts) == 1 else Clips.join(parts)

    def _virtual(self, source: banks.Bank, clips: int, g: Generator, plain: bool = False) -> Clips:
        times = tick_times(clips, self.settings.ticks, g)
        motion = banks.sample(source, times, g)
        if not plain:
            motion = augment(motion, self.settings.augment, g)
        view = sample_views(motion, self.settings.cameras, g)
        flip = torch.rand(clips, generator=g, device=g.device) < 0.5
        return seen_by_detector(mirrored(view, flip), times, self.settings.noise, vars(self.settings.masks), g)

    def losses(self, batch: Clips, which: int) -> dict[str, Tensor]:
        s = self.settings
        xyz, log_sigma = self.model.clip(batch.x, batch.reliability, batch.time, batch.world)
        weight = self._weights(batch)
        error = joint_errors(xyz, batch.pose)
        moved = joint_errors(xyz.diff(dim=1), batch.pose.diff(dim=1))
        square = (xyz.detach() - batch.pose).square().mean(-1)
        likelihood = 0.5 * square * torch.exp(-2 * log_sigma) + log_sigma
        return {
            "position": weighted(error, weight),
            "velocity": s.velocity * weighted(moved, weight[:, 1:]),
            "bones": s.bones * weighted((bone_lengths(xyz) - bone_lengths(batch.pose)).abs(), weight[..., 1:]),
            "sigma": s.likelihood * weighted(likelihood, (weight > 0).float()),
        }

    def _weights(self, batch: Clips) -> Tensor:
        """Return (B, T, 17): what counts how much."""
        s = self.settings
        seen = batch.reliability >= 0.5
        index, since = unseen_for(seen, batch.time)
        lost = (index < 0) | (since > 2.0)
        weight = torch.where(seen & ~batch.hidden, 1.0, s.hidden_weight)
        return torch.where(lost, s.lost_weight, weight) * batch.valid[..., None]

    def calibrate(self) -> None:
        """Sigma is scaled, open and hidden apart, so that 68 % of coordinates lie within it and 95 % within 1.96 of it.

        One factor cannot hit both where errors have longer tails than a Gaussian's: it is the mean of the two.
        """
        self.model.sigma_gain.fill_(1.0)
        clips = self.calibration
        xyz, log_sigma = self.model.clip(clips.x, clips.reliability, clips.time, clips.world)
        ratio = ((xyz - clips.pose).abs() / log_sigma.exp()[..., None])[:, :, 1:]
        seen = (clips.reliability >= self.model.front.threshold)[:, :, 1:]
        for place, chosen in enumerate((seen, self._recent(clips)[:, :, 1:] & ~seen)):
            found = ratio[chosen & clips.valid[..., None]].flatten()
            if len(found) >= FEWEST_FOR_SIGMA:
                ordered = found.sort().values
                factors = torch.stack([ordered[int(share * len(found))] / times for share, times in PROMISED])
                self.model.sigma_gain[place] = factors.log().mean().exp()

    def _recent(self, clips: Clips) -> Tensor:
        return self._weights(clips) > self.settings.lost_weight

    def validate(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, clips in self.checks.items():
            xyz, log_sigma = self.model.clip(clips.x, clips.reliability, clips.time, clips.world)
            found |= {f"{name} {k}": v for k, v in figures(xyz, log_sigma, clips).items()}
        return found


def figures(xyz: Tensor, log_sigma: Tensor, clips: Clips, after: int = 15) -> dict[str, float]:
    """Return mm on limbs, open and hidden (at most 1 s), after half a second; the detector's own 3D beside it."""
    limbs = list(LIMB_JOINTS)
    valid = clips.valid[:, after:, None].expand(-1, -1, len(limbs))
    seen, age = unseen_for(~clips.hidden, clips.time)
    recent = ((seen >= 0) & (age <= 1.0))[:, after:, limbs] & valid
    hidden = clips.hidden[:, after:, limbs]
    masks_ = {"open": ~hidden & valid, "hidden": hidden & recent}
    error = joint_errors(xyz, clips.pose)[:, after:, limbs] * 1000
    ratio = ((xyz - clips.pose).abs() / log_sigma.exp()[..., None])[:, after:, limbs]
    found = {k: float(error[m].mean()) for k, m in masks_.items()}
    step = joint_errors(xyz.diff(dim=1), clips.pose.diff(dim=1))[:, after - 1 :, limbs] * 1000
    found["velocity"] = float(step[valid].mean())
    for factor in (1.0, 1.96):
        within = (ratio <= factor).float().mean(-1)
        found |= {f"within {factor:g} sigma, {k}": float(within[m].mean()) for k, m in masks_.items()}
    return found


def bone_lengths(xyz: Tensor) -> Tensor:
    """(…, 17, 3) -> (…, 16) m."""
    return cast(Tensor, (xyz[..., 1:, :] - xyz[..., list(H36M_17.parents[1:]), :]).norm(dim=-1))


def weighted(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1e-6)


def add_occlusion(clips: Clips, settings: CausalLifterSettings, g: Generator) -> Clips:
    """More of synthesized clips hidden: what is not believed needs no picture."""
    chosen = torch.rand((len(clips.x), 1, 1), generator=g, device=g.device) < settings.add_occlusion
    more = occlusion_masks.mixed(clips.x, g, vars(settings.masks)) & chosen
    worse = degrade_reliability(clips.reliability, clips.hidden, more, settings.noise, g)
    return replace(clips, reliability=torch.where(chosen, worse, clips.reliability), hidden=clips.hidden | more)
