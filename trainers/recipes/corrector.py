"""The corrector's recipe: single frames of rendered people through the real detector -> what its 3D lacks.

The network that carries through gaps is one that has been trained and exported before; it stays as it is.
The reliability that the runtime gives is drawn: mostly right about what is covered, sometimes wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Generator, Tensor
from torch.optim import AdamW, Optimizer

from engines.contract import TICK_S
from engines.skeleton import BLAZEPOSE_33, BODY_37, mapping
from trainers.checkpoint import FILE, metadata, weights
from trainers.data.shards import burst_shards
from trainers.data.shards.burst_bank import Bursts, open_bursts
from trainers.errors import UserError
from trainers.metrics import LIMB_JOINTS, align_similarity, joint_errors
from trainers.models.causal.causal_lifter import LiveLifter
from trainers.models.causal.corrected_lifter import CorrectedLifter
from trainers.models.causal.corrector import Corrector, PersonView, person_view
from trainers.models.causal.engine_weights import carried_lifter
from trainers.recipes.live import PROMISED

POINTS, JOINTS = torch.from_numpy(BLAZEPOSE_33.mirror()), torch.from_numpy(BODY_37.mirror())
PLACES = torch.from_numpy(burst_shards.PLACES)
TO_JOINTS = torch.from_numpy(mapping("blazepose33", "body37"))
CHUNK = 4096
Choice = TypeVar("Choice")
RESTRAINTS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
TOLERANCE = 1.01  # of the least error on rendered people: what lies within it is as good, and real people decide
LEANS = [(a, b) for a in (-2.0, -1.0, 0.0, 1.0) for b in (0.0, 0.4, 0.8, 1.2)]


@dataclass(frozen=True)
class CorrectorSettings:
    carry: str = "causal-small"  # engine of the recipe `live` that carries through gaps
    width: int = 1024
    depth: int = 2
    dropout: float = 0.3
    members: int = field(default=1, metadata={"low": 1, "high": 100})  # networks whose mean answers
    teacher: str = ""  # a finished run of this recipe: what its members say in the mean is learned besides the truth
    taught: float = 0.7  # share of what the teacher says
    fast: bool = False  # the network's products in bfloat16 while it trains, where the device has them
    batch: int = field(default=1024, metadata={"low": 1, "high": 10_000_000})  # frames
    rate: float = 1e-3
    warm_up: int = 100  # steps
    decay: float = 0.05  # of weights
    cut_off: float = 0.2  # weight of joints outside the picture
    extra: float = 0.3  # weight of the joints of face, hands and feet
    likelihood: float = 0.02  # weight of sigma's likelihood
    roll: float = 25.0  # degrees, the camera's
    guessed: float = 0.5  # share of frames whose focal length is the runtime's guess
    noise: tuple[float, float] = (0.004, 0.015)  # m, standard deviation: of the points at the person, of the 3D
    believed: float = 0.25  # share of covered points that are taken for seen
    doubted: float = 0.06  # share of seen points that are not


def recipe(settings: CorrectorSettings, data: list[str], device: str, steps: int) -> CorrectorRecipe:
    return CorrectorRecipe(settings, data, device, steps)


def network(settings: Mapping[str, Any], carry: LiveLifter) -> CorrectedLifter:
    names = ("width", "depth", "dropout", "members", "fast")
    corrector = Corrector(*(settings[name] for name in names))
    return CorrectedLifter(corrector, carry)


def build_for_export(settings: Mapping[str, Any], trained: Mapping[str, Tensor]) -> CorrectedLifter:
    """Rebuild the trained network for export; the carry's size is read from its weights."""
    blocks = sum(name.startswith("carry.blocks.") and name.endswith(".wide.conv.weight") for name in trained)
    model = network(settings, LiveLifter(len(trained["carry.norm.weight"]), blocks, 0.0))
    model.load_state_dict(trained)
    return model


class CorrectorRecipe:
    def __init__(self, settings: CorrectorSettings, data: list[str], device: str, steps: int) -> None:
        torch.manual_seed(7)
        self.settings, self.device, self.steps = settings, device, steps
        self.model = network(vars(settings), carried_lifter(settings.carry)).to(device)
        self.model.carry.requires_grad_(False)
        self.export = self.model
        self.teacher = taught_by(settings.teacher, device)
        train, check = open_bursts(data)
        self.train, self.check = train.to(device), check.to(device)

    def optimizers(self) -> list[Optimizer]:
        s = self.settings
        return [AdamW(self.model.corrector.parameters(), lr=s.rate, weight_decay=s.decay, fused=True)]

    def learning_rate(self, step: int) -> float:
        """Return linear warm-up, then half a cosine down to a fiftieth."""
        part = step / max(self.steps, 1)
        return min(1.0, (step + 1) / self.settings.warm_up) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * part)))

    def batch(self, step: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        return self.draw(generator)

    def draw(self, generator: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return rays, world, reliability, truth and weight of each joint."""
        s, g = self.settings, generator
        index = torch.randint(len(self.train), (s.batch,), generator=g, device=g.device)
        frames = turned(self.train.at(index), s.roll, g)
        guessed = torch.rand(s.batch, 1, 1, generator=g, device=g.device) < s.guessed
        rays = torch.where(guessed, frames.rays * frames.guess[:, None, None], frames.rays)
        size = (rays.amax(1) - rays.amin(1)).amax(1)[:, None, None] / 1.7  # about rays a metre
        strength = 2 * torch.rand(s.batch, 1, 1, generator=g, device=g.device)
        rays = rays + s.noise[0] * strength * size * torch.randn(rays.shape, generator=g, device=g.device)
        world = frames.world + s.noise[1] * strength * torch.randn(frames.world.shape, generator=g, device=g.device)
        reliability = doubted(frames.covered[:, PLACES], s.believed, s.doubted, g)
        return rays, world, reliability, frames.xyz, self._weights(frames)

    def _weights(self, frames: Bursts) -> Tensor:
        weight = torch.where(frames.outside, self.settings.cut_off, 1.0)
        weight[:, 17:] *= self.settings.extra
        return weight

    def losses(self, batch: tuple[Tensor, Tensor, Tensor, Tensor, Tensor], which: int) -> dict[str, Tensor]:
        rays, world, reliability, truth, weight = batch
        view = person_view(rays, world, reliability)
        corrector, truth = self.model.corrector, truth @ view.rotation
        lessons = [(truth, 1.0)]
        if self.teacher is not None:
            with torch.no_grad():
                lessons = [(truth, 1 - self.settings.taught), (self.teacher.correct(view)[0], self.settings.taught)]
        found = [self._member_losses(*corrector.placed(view, out), lessons, weight) for out in corrector.answers(view)]
        return {name: torch.stack([one[name] for one in found]).mean() for name in found[0]}

    def _member_losses(
        self, xyz: Tensor, log_sigma: Tensor, lessons: list[tuple[Tensor, float]], weight: Tensor
    ) -> dict[str, Tensor]:
        """Return the losses of one member: each learns by itself, for the mean of networks that differ errs less.

        Lessons are poses with their share; the first is the truth, which alone says how far off an answer is.
        """
        square = (xyz.detach() - lessons[0][0]).square().mean(-1)
        likelihood = 0.5 * square * torch.exp(-2 * log_sigma) + log_sigma
        said = [share * weighted(distance(xyz, pose), weight) for pose, share in lessons]
        large = [share * weighted(distance(sized(xyz, pose, weight), pose), weight) for pose, share in lessons]
        return {
            "position": torch.stack(said).sum(),
            "scaled": 0.5 * torch.stack(large).sum(),
            "sigma": self.settings.likelihood * weighted(likelihood, weight),
        }

    def calibrate(self) -> None:
        """Restraint, sigma of the corrector and of the lifter, lean, sigma of their fused pose: from first frames.

        Of the fused pose believed and other joints apart: nobody knows the latter as well as he says.
        """
        frames, model = self.check, self.model
        reliability = self._judged(frames)
        believed = model.corrector.reliability(reliability) >= model.carry.front.threshold
        others = ~believed & ~frames.outside
        model.gains.fill_(1.0)
        model.lean.zero_()
        self._find_restraint(frames, reliability)
        for who, places in (("corrector", {0: believed}), ("carry", {1: believed}), ("", {2: believed, 3: others})):
            xyz, log_sigma = self._answers(frames, reliability, who)
            joints = slice(1, xyz.shape[1])  # the pelvis is where it is
            ratio = (xyz - frames.xyz[:, : xyz.shape[1]]).abs()[:, joints] / log_sigma[:, joints].exp().unsqueeze(-1)
            for place, chosen in places.items():
                model.gains[place] = sigma_factor(ratio[chosen[:, joints]].flatten())
            if who == "carry":
                self._find_lean(frames, reliability)

    def _find_restraint(self, frames: Bursts, reliability: Tensor) -> None:
        """Choose the least share of the residuals that does as well: rendered people teach only part of real ones."""
        errors: dict[float, float] = {}
        for restraint in RESTRAINTS:
            self.model.corrector.restraint.fill_(restraint)
            errors[restraint] = self._error(frames, reliability, "corrector")
        self.model.corrector.restraint.fill_(min(as_good(errors)))

    def _find_lean(self, frames: Bursts, reliability: Tensor) -> None:
        """Choose the steepest lean that does as well: the lifter, trained on whole rendered people, is too sure."""
        errors: dict[tuple[float, float], float] = {}
        for lean in LEANS:
            self.model.lean.copy_(torch.tensor(lean))
            errors[lean] = self._error(frames, reliability, "")
        steepest = max(as_good(errors), key=lambda lean: (lean[1], -errors[lean]))
        self.model.lean.copy_(torch.tensor(steepest))

    def _error(self, frames: Bursts, reliability: Tensor, who: str) -> float:
        """Return mm, aligned: the mean of people seen whole and the mean of others count the same."""
        whole, limbs = ~frames.outside[:, :17].any(1), list(LIMB_JOINTS)
        xyz = self._answers(frames, reliability, who)[0][:, limbs]
        each = joint_errors(align_similarity(xyz, frames.xyz[:, limbs]), frames.xyz[:, limbs]).mean(1)
        return float(sum(each[part].mean() for part in (whole, ~whole) if part.any()))

    def validate(self) -> dict[str, float]:
        """Return mm on limbs, people wholly inside the picture and cut off apart; the detector's own 3D beside it."""
        frames, reliability = self.check, self._judged(self.check)
        whole = ~frames.outside[:, :17].any(1)
        poses = {
            "corrected ": self._answers(frames, reliability, "corrector")[0],
            "fused, first frame, ": self._answers(frames, reliability)[0],
            "detector ": own_3d(person_view(frames.rays, frames.world, reliability)),
        }
        return {
            f"{who}{name}{how}": figure
            for name, chosen in (("inside", whole), ("cut off", ~whole))
            if chosen.any()
            for who, pose in poses.items()
            for how, figure in zip((", aligned", ""), limb_errors(pose[chosen], frames.xyz[chosen]))
        }

    def _judged(self, frames: Bursts) -> Tensor:
        g = Generator(frames.rays.device).manual_seed(3)
        return doubted(frames.covered[:, PLACES.to(g.device)], self.settings.believed, self.settings.doubted, g)

    def _answers(self, frames: Bursts, reliability: Tensor, who: str = "") -> tuple[Tensor, Tensor]:
        """(xyz, log sigma) of every frame by itself: of the corrector, of the lifter or of both in their first tick."""
        parts = [slice(i, i + CHUNK) for i in range(0, len(frames), CHUNK)]
        found = [self._part(frames.rays[p], frames.world[p], reliability[p], who) for p in parts]
        return torch.cat([xyz for xyz, _ in found]), torch.cat([log_sigma for _, log_sigma in found])

    def _part(self, rays: Tensor, world: Tensor, reliability: Tensor, who: str) -> tuple[Tensor, Tensor]:
        if who == "corrector":
            xyz, log_sigma = self.model.corrector(rays, world, reliability)
            return xyz, log_sigma
        model, ones = self.model.carry if who else self.model, torch.ones(len(rays), device=rays.device)
        given = {"x": rays, "world": world, "reliability": reliability, "dt": ones * TICK_S, "reset": ones}
        state = {n: torch.zeros(len(rays), *shape, device=rays.device) for n, shape in model.contract().state}
        (xyz, log_sigma), _ = model.run(given, state)
        return xyz, log_sigma


def taught_by(run: str, device: str) -> Corrector | None:
    """Return the corrector of a finished run, nothing of it held back; None where no run is named."""
    if not run:
        return None
    path = Path(run) / FILE
    if not path.is_file():
        raise UserError(
            f"teacher: {path}: no checkpoint; train it first, such as: trainers train causal-37 --variant teacher"
        )
    about = metadata(path)
    if about.get("recipe") != "corrector":
        raise UserError(f"teacher: {path}: of recipe {about.get('recipe')}, expected corrector")
    corrector = build_for_export(json.loads(about["settings"]), weights(path)).corrector
    corrector.restraint.fill_(1.0)
    return corrector.to(device).eval().requires_grad_(False)


def sized(xyz: Tensor, pose: Tensor, weight: Tensor) -> Tensor:
    """Return the answer at the size at which it lies nearest, each frame by itself."""
    counts = weight.unsqueeze(-1)
    size = (counts * xyz * pose).sum((1, 2)) / ((counts * xyz.square()).sum((1, 2)) + 1e-6)
    return size.detach()[:, None, None] * xyz


def as_good(errors: dict[Choice, float]) -> list[Choice]:
    """Return all whose error the least one does not beat by more than the tolerance."""
    least = min(errors.values())
    return [choice for choice, error in errors.items() if error <= TOLERANCE * least]


def sigma_factor(ratio: Tensor) -> Tensor:
    """Return what makes 68 % of errors over sigma lie within 1 and 95 % within 1.96: the mean of the two factors."""
    ordered = ratio.sort().values
    factors = torch.stack([ordered[int(share * len(ratio))] / times for share, times in PROMISED])
    return factors.log().mean().exp()


def turned(frames: Bursts, roll: float, g: Generator) -> Bursts:
    """Return half of the frames mirrored, all of them seen by a camera that is tilted otherwise."""
    count, device = len(frames), frames.rays.device
    flip = torch.rand(count, 1, 1, generator=g, device=device) < 0.5
    sign = torch.tensor([-1.0, 1.0, 1.0], device=device)
    angle = torch.deg2rad((2 * torch.rand(count, generator=g, device=device) - 1) * roll)
    turn = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], -1).unflatten(-1, (2, 2))

    def moved(points: Tensor, order: Tensor) -> Tensor:
        points = torch.where(flip, points[:, order] * sign[: points.shape[-1]], points)
        return torch.cat([points[..., :2] @ turn, points[..., 2:]], -1)

    def named(flags: Tensor) -> Tensor:
        return torch.where(flip[..., 0], flags[:, JOINTS], flags)

    return Bursts(
        moved(frames.rays, POINTS), moved(frames.world, POINTS), moved(frames.xyz, JOINTS), named(frames.covered),
        named(frames.outside), frames.guess, frames.scene,
    )  # fmt: skip


def doubted(covered: Tensor, believed: float, doubts: float, g: Generator) -> Tensor:
    """Map (B, 33) bool -> reliability in [0, 1] of a judge who errs, more in some frames than in others."""
    skill = 2 * torch.rand(len(covered), 1, generator=g, device=covered.device)
    chance = torch.rand(covered.shape, generator=g, device=covered.device)
    seen = torch.where(covered, chance < believed * skill, chance >= doubts * skill)
    sure = torch.rand(covered.shape, generator=g, device=covered.device).square() * 0.5
    return torch.where(seen, 1 - sure, sure * 0.98)


def own_3d(view: PersonView) -> Tensor:
    """Return the detector's own 3D as 37 joints from the pelvis, camera axes."""
    pose = torch.matmul(TO_JOINTS.to(view.world.device), view.world)
    return (pose - pose[:, :1]) @ view.rotation.transpose(1, 2)


def limb_errors(pose: Tensor, truth: Tensor) -> tuple[float, float]:
    """mm: aligned by similarity, frame by frame; from the pelvis as they are."""
    limbs = list(LIMB_JOINTS)
    pose, truth = pose[:, limbs], truth[:, limbs]
    aligned = joint_errors(align_similarity(pose, truth), truth).mean()
    return float(1000 * aligned), float(1000 * joint_errors(pose, truth).mean())


def distance(pose: Tensor, truth: Tensor) -> Tensor:
    """Return (B, J) m, differentiable at 0."""
    return ((pose - truth).square().sum(-1) + 1e-6).sqrt()


def weighted(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1e-6)
