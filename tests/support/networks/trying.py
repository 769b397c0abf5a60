"""What every lifter of a paper is tried on: a walk with gaps as a clip, bad input, ten windows learned by heart."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from engines.contract import map_reliability
from engines.skeleton import mapping
from tests.support.people.walkers import walkers
from trainers.data import motion
from trainers.data.motion import MotionSegment
from trainers.geometry.joint_set_inverse import spread, spread_reliability
from trainers.test_clips.from_motion import TestClip


def motion_folder(path: Any, subjects: tuple[str, ...] = ("01", "05"), frames: int = 120) -> str:
    """Two people who walk, one of them for validation."""
    for subject, clip in zip(subjects, walkers(len(subjects), frames)):
        motion.save(path, subject, [MotionSegment(clip.numpy(), 30.0, f"{subject}_01", subject)])
    return str(path)


def trial(frames: int = 40, seed: int = 0) -> TestClip:
    """A detector's view of a walk: small errors, a wrist that is gone for a while, a frame without anything."""
    rng = np.random.default_rng(seed)
    place = walkers(1, frames)[0].numpy() * [1, -1, -1] + [0.4, 1.0, 4.5]
    place = place + rng.normal(0, 0.005, place.shape)
    x = (place[..., :2] / place[..., 2:]).astype(np.float32)
    sure = rng.uniform(0.55, 1.0, (frames, 17)).astype(np.float32)
    sure[10:25, 13] = 0.1
    sure[5] = 0.0
    flat, pose = np.zeros((frames, 17), bool), (place - place[:, :1]).astype(np.float32)
    return TestClip("a", "01", "walk", 30.0, "h36m17", x, sure, np.zeros_like(pose), pose, flat, flat, ~flat)


def doubted(frames: int = 40) -> TestClip:
    """A walk whose keypoints are believed at random."""
    pose = walkers(1, frames)[0].numpy()
    x = (pose[..., :2] / 4).astype(np.float32)
    sure = np.random.default_rng(0).random((frames, 17)).astype(np.float32)
    flat = np.zeros((frames, 17), bool)
    return TestClip(
        "a", "01", "walk", 30.0, "h36m17", x, sure, np.zeros_like(pose), pose - pose[:, :1], flat, flat, ~flat
    )


def there_and_back(one: TestClip, joints: str = "blazepose33") -> tuple[torch.Tensor, torch.Tensor]:
    """x and reliability of a trial as a network gets them that is fed another joint set: a batch of one clip."""
    to = mapping(joints, one.joints)
    sure = map_reliability(spread_reliability(one.reliability, joints), to)
    return torch.from_numpy(to @ spread(one.x, joints))[None], torch.from_numpy(sure)[None]


def tensors(one: TestClip) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x, reliability and times of a trial as a batch of one clip."""
    times = torch.arange(len(one.x), dtype=torch.float32)[None] / 30
    return torch.from_numpy(one.x)[None], torch.from_numpy(one.reliability)[None], times


def by_heart(recipe: Any, batch: Any, steps: int, rate: float) -> float:
    """Training on one batch again and again; the first optimizer's loss at the end."""
    optimizer = torch.optim.Adam(recipe.optimizers()[0].param_groups[0]["params"], rate)
    recipe.model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.stack(list(recipe.losses(batch, 0).values())).sum()
        loss.backward()
        optimizer.step()
    return loss.item()


def bad_steps(contract: Any) -> dict[str, dict[str, torch.Tensor]]:
    """Inputs of one step, two people, that no sane detector gives."""
    shapes = contract.inputs(2)
    plain = {n: torch.rand(s) for n, s in shapes.items() if not n.startswith("state_")}
    plain |= {n: torch.zeros(s) for n, s in shapes.items() if n.startswith("state_")} | {"reset": torch.ones(2)}
    nothing, broken, away = dict(plain), dict(plain), dict(plain)
    nothing["x"], nothing["reliability"] = torch.zeros_like(plain["x"]), torch.zeros_like(plain["reliability"])
    broken["x"] = plain["x"].clone().index_fill_(-2, torch.tensor([3, 15, 27]), float("nan"))
    broken["reliability"] = plain["reliability"].clone().index_fill_(-1, torch.tensor([4]), float("nan"))
    away["x"] = plain["x"] * 1e9
    return {"nothing seen": nothing, "nan": broken, "far away": away}
