"""Train the reliability model: features of rendered people and of occluded real footage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import AdamW, Optimizer

from engines.skeleton import BLAZEPOSE_33
from realtime.occlude.features import FEATURES
from trainers.data.shards.clip_shards import read_clips
from trainers.data.shards.detections import SHORTEST, Cues, DetectionTrack, collect, tracks
from trainers.data.shards.detector_model import one_detector
from trainers.errors import UserError
from trainers.metrics import area_under_roc
from trainers.models.causal.reliability import ReliabilityNet

LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
BODY = [i for i, name in enumerate(BLAZEPOSE_33.joints) if name.split("_")[-1] in LIMBS]
AFTER = 5  # frames of a window that only fill the history


@dataclass(frozen=True)
class ReliabilitySettings:
    width: int = field(default=64, metadata={"low": 1, "high": 4096, "unit": "channels"})  # of a joint
    memory: int = field(default=48, metadata={"low": 1, "high": 4096, "unit": "channels"})  # of a joint, tick to tick
    dropout: float = 0.25
    batch: int = field(default=16, metadata={"low": 1, "high": 10_000_000})  # windows
    ticks: int = field(default=48, metadata={"low": 8, "high": 10_000})
    real: float = 0.4  # share of windows from boards on real footage, where there are any
    rate: float = 2e-3
    decay: float = 1e-2  # of weights
    noise: float = 0.1  # standard deviation added to every cue
    caution: float = 1.5  # weight of keypoints that are wrong or covered; right ones: 1
    blind: float = 0.1  # share of cues that a window goes without
    grid: bool = True  # frames lie on the runtime's ticks; false: each is a tick, whatever the film's rate
    without: tuple[str, ...] = ()  # cues that nobody is told: what is each worth?
    held_out_video: str = ""  # boards on videos whose name holds this are for validation only


def recipe(settings: ReliabilitySettings, data: list[str], device: str, steps: int) -> ReliabilityRecipe:
    return ReliabilityRecipe(settings, data, device, steps)


def tracks_in(data: list[str]) -> list[DetectionTrack]:
    """Return every track of folders of shards, all of one detector model."""
    one_detector(data)
    return [track for folder in data for clip in read_clips(Path(folder)) for track in tracks(clip)]


def build_for_export(settings: Mapping[str, Any], trained: Mapping[str, Tensor]) -> ReliabilityNet:
    model = ReliabilityNet(settings["width"], settings["memory"], settings["dropout"])
    model.load_state_dict(trained)
    return model


class ReliabilityRecipe:
    def __init__(
        self,
        settings: ReliabilitySettings,
        data: list[str],
        device: str,
        steps: int,
        tracks: list[DetectionTrack] | None = None,
    ) -> None:
        """`tracks`: those to learn from instead of those in the folders of `data`."""
        torch.manual_seed(7)
        self.settings, self.device, self.steps = settings, device, steps
        self.model = ReliabilityNet(settings.width, settings.memory, settings.dropout).to(device)
        self.export = self.model
        tracks = tracks_in(data) if tracks is None else tracks
        if not settings.grid:
            tracks = [t for t in tracks if t.last - t.first >= SHORTEST]
        held = [self._held_out(t) for t in tracks]
        learn = [t for t, h in zip(tracks, held) if not h]
        if not learn:
            raise UserError("no shards to learn from: give --data DIR made by `trainers synthesize rendered|boards`")
        self.train = self._collected(learn)
        self.checks = {
            kind: self._collected(chosen)
            for kind in ("rendered", "boards")
            if (chosen := [t for t, h in zip(tracks, held) if h and t.clip.kind == kind])
        }

    def _collected(self, tracks: list[DetectionTrack]) -> Cues:
        unknown = set(self.settings.without) - set(FEATURES)
        if unknown:
            raise UserError(f"without: no cue {', '.join(sorted(unknown))}; there are {', '.join(FEATURES)}")
        cues = collect(tracks, self.settings.grid)
        for name in self.settings.without:
            cues.features[..., FEATURES.index(name)] = 0
        return cues

    def _held_out(self, track: DetectionTrack) -> bool:
        video = self.settings.held_out_video
        return (
            track.clip.pool == "heldout" if track.clip.kind == "rendered" else bool(video) and video in track.clip.name
        )

    def optimizers(self) -> list[Optimizer]:
        return [AdamW(self.model.parameters(), lr=self.settings.rate, weight_decay=self.settings.decay)]

    def learning_rate(self, step: int) -> float:
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / max(self.steps, 1)))

    def batch(self, step: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        s, data = self.settings, self.train
        weight = data.length.float()
        both = bool(data.real.any()) and not bool(data.real.all())
        if both:
            real, total = data.real.float(), weight.clone()
            weight = weight * (
                real * s.real / (total * real).sum() + (1 - real) * (1 - s.real) / (total * (1 - real)).sum()
            )
        at = torch.multinomial(weight, s.batch, replacement=True, generator=generator)
        frames = data.windows(at, s.ticks, generator)
        features, right, counts = data.features[frames].float(), data.right[frames], data.counts[frames]
        kept = torch.rand(s.batch, 1, 1, features.shape[-1], generator=generator) >= s.blind
        features = (features + s.noise * torch.randn(features.shape, generator=generator)) * kept
        return tuple(v.to(self.device) for v in (features, right.float(), counts.float()))  # type: ignore[return-value]

    def losses(self, batch: tuple[Tensor, Tensor, Tensor], which: int) -> dict[str, Tensor]:
        features, right, counts = batch
        each = binary_cross_entropy_with_logits(self.model.clip(features), right, reduction="none")
        counts = (counts * torch.where(right > 0.5, 1.0, self.settings.caution))[:, AFTER:]
        return {"cross entropy": (each[:, AFTER:] * counts).sum() / counts.sum().clamp_min(1)}

    def calibrate(self) -> None:
        """Answer with the chance that a keypoint is right: caution, a weight of the losses, is taken back."""
        self.model.odds.fill_(math.log(self.settings.caution))

    def validate(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, cues in (self.checks or {"training": self.train}).items():
            reliability = judged(self.model, cues)
            body = cues.counts[:, BODY]
            covered, told = cues.covered[:, BODY][body], reliability[:, BODY][body]
            found |= {f"{name} {k}": v for k, v in telling(told, covered, ~cues.right[:, BODY][body]).items()}
        return found


def judged(model: ReliabilityNet, cues: Cues) -> Tensor:
    """Return reliability (N, J) of every frame of every track."""
    parts = []
    for first, length in zip(cues.start.tolist(), cues.length.tolist()):
        clip = cues.features[first : first + length].float()[None].to(next(model.parameters()).device)
        parts.append(model.reliability(clip)[0].cpu())
    return torch.cat(parts)


def telling(reliability: Tensor, covered: Tensor, wrong: Tensor) -> dict[str, float]:
    """Return how well low reliability tells covered joints (and wrong ones): area under ROC, precision and recall at
    0.5."""
    flagged = reliability < 0.5
    return {
        "AUC covered": area_under_roc(-reliability, covered),
        "AUC wrong": area_under_roc(-reliability, wrong),
        "precision": float((flagged & covered).sum() / flagged.sum().clamp_min(1)),
        "precision, covered or wrong": float((flagged & (covered | wrong)).sum() / flagged.sum().clamp_min(1)),
        "recall": float((flagged & covered).sum() / covered.sum().clamp_min(1)),
    }
