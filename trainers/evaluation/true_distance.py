"""Lift clips with what a paper gives its network: the person's true distance, LNet alone.

Exported engines estimate the distance and have no such input; Roy 2024's tables (LNet, true root) and Zhang 2021's
second coordinate head are tried here, over whole clips, without the runtime's grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch

from engines.contract import TICK_HZ
from engines.skeleton import H36M_17
from trainers.deploy.load_trained import load_trained
from trainers.deploy.run_engine import Answer, mean
from trainers.errors import UserError
from trainers.models.papers.roy2024 import Roy2024
from trainers.models.papers.zhang2021 import Zhang2021
from trainers.test_clips.from_motion import TestClip, flipped

ORDER = H36M_17.mirror()
Model = Roy2024 | Zhang2021


def with_distance(name: str, lifted_only: bool) -> Model:
    """Return the trained model of a run, if it is one that lifts with a known distance."""
    model, _, _ = load_trained(name)
    if lifted_only and not isinstance(model, Roy2024):
        raise UserError(f"--lifted-only: {name} has no lifting network of its own; of runs of recipe roy2024 alone")
    if not isinstance(model, Roy2024 | Zhang2021):
        raise UserError(f"--true-root: {name} needs no distance; of runs of recipes roy2024 and zhang2021 alone")
    return model.eval()


def lifted(
    model: Model, trials: Iterable[TestClip], true_root: bool, lifted_only: bool, flip: bool
) -> Iterator[tuple[TestClip, Answer]]:
    """Yield every clip with its answers."""
    for trial in trials:
        answer = clip(model, trial, true_root, lifted_only)
        if flip:
            xyz, sigma = clip(model, flipped(trial, ORDER), true_root, lifted_only)
            back = xyz[:, ORDER] * np.array([-1, 1, 1], np.float32)
            answer = mean(answer, (back, None if sigma is None else sigma[:, ORDER]))
        yield trial, answer


def clip(model: Model, trial: TestClip, true_root: bool, lifted_only: bool) -> Answer:
    """Return (T, 17, 3) m and sigma of one clip of Human3.6M's joints, one frame a tick."""
    if trial.joints != H36M_17.name or trial.fps != TICK_HZ:
        raise UserError(
            f"{trial.clip}: {trial.joints} at {trial.fps:g} Hz, expected {H36M_17.name} at {TICK_HZ:g} Hz; frames of "
            "another rate are taken for ticks with --native, by networks trained at that rate (`hz`)"
        )
    x, sure = (torch.from_numpy(v)[None] for v in (trial.x, trial.reliability))
    time = torch.arange(len(trial.x), dtype=torch.float32)[None] / TICK_HZ
    root = torch.from_numpy(trial.root)[None] if true_root else None
    how = {"refined": not lifted_only} if isinstance(model, Roy2024) else {}
    with torch.no_grad():
        xyz, log_sigma = model.clip(x, sure, time, root, **how)
    return xyz[0].numpy(), log_sigma[0].exp().numpy()
