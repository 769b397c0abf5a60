"""Run an engine over test clips frame by frame, exactly as the live pipeline feeds it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from engines import open_engine
from engines.contract import TICK_HZ
from engines.engine import Engine
from engines.errors import EngineError
from engines.manifest import MANIFEST
from engines.skeleton import H36M_17, JOINT_SETS, Array
from realtime.engine_io.engine_feed import LifterInput, LifterOutput, feed_for
from realtime.engine_io.time_grid import TICK_NS
from trainers.errors import UserError
from trainers.geometry.joint_set_inverse import spread, spread_reliability
from trainers.test_clips.from_motion import TestClip, flipped

BATCH = 16
GAP_NS = 10_000_000_000  # clips have no gaps
Answer = tuple[Array, Array | None]  # xyz (T, 17, 3) m, sigma (T, 17) m or nothing


@contextmanager
def exported(model: str) -> Iterator[str]:
    """Provide an engine's name or folder; of a checkpoint its export, gone afterwards."""
    path = Path(model)
    if not (path.is_file() or (path.is_dir() and not (path / MANIFEST).exists())):
        yield model
        return
    from trainers.deploy.export import export
    from trainers.deploy.load_trained import load_trained

    rebuilt, provenance, figures = load_trained(model)
    with tempfile.TemporaryDirectory() as made:
        export(rebuilt, Path(made) / path.stem, provenance, figures)
        yield str(Path(made) / path.stem)


def labels(models: list[str]) -> list[str]:
    """Return names without their folders; as they were given where two would be alike."""
    short = [Path(model).name or model for model in models]
    return short if len(set(short)) == len(set(models)) else models


def opened(folder: str, batch: int = BATCH) -> Engine:
    """Open a verified engine; a refusal is a UserError."""
    try:
        return open_engine(folder, "auto", batch)
    except EngineError as error:
        raise UserError(str(error)) from None


def predict(engine: Engine, trials: Iterable[TestClip], flip: bool = False) -> Iterator[tuple[TestClip, Answer]]:
    """Yield every trial with its answers, several at a time; `flip`: the mean of the clip and its mirror image."""
    for group in groups(trials, engine.batch):
        answers = lift(engine, group)
        if flip:
            answers = [mean(a, b) for a, b in zip(answers, mirrored(engine, group))]
        yield from zip(group, answers)


def groups(trials: Iterable[TestClip], size: int) -> Iterator[list[TestClip]]:
    """Yield clips that may share a batch: of one frame rate, of about one length."""
    waiting = sorted(trials, key=lambda t: (t.fps, t.joints, len(t.x)))
    while waiting:
        first = waiting[0]
        group = [t for t in waiting[:size] if (t.fps, t.joints) == (first.fps, first.joints)]
        yield group
        waiting = waiting[len(group) :]


def lift(engine: Engine, group: list[TestClip]) -> list[Answer]:
    """(xyz, sigma) of each clip: fed as different people of one stream, as `realtime` feeds them."""
    feed = feed_for(engine, GAP_NS)
    feed.reset()
    people = [given(t, engine.contract.joints_in) for t in group]
    step_ns = TICK_NS * TICK_HZ / group[0].fps  # clips of 30 Hz lie exactly on the grid
    answers: list[dict[int, LifterOutput]] = []
    for k in range(max(len(p) for p in people)):
        now = {i: p[min(k, len(p) - 1)] for i, p in enumerate(people)}
        answers += [found for _, found in feed.feed(round(k * step_ns), now)]
    answers += [found for _, found in feed.flush()]
    return [_stacked([a[i] for a in answers[: len(p)]]) for i, p in enumerate(people)]


def given(trial: TestClip, joints: str) -> list[LifterInput]:
    """Return the clip frame by frame, in the engine's joint set."""
    x, reliability, world = trial.x, trial.reliability, trial.world
    if trial.joints != joints:
        if trial.joints != H36M_17.name:
            raise UserError(f"the network takes {joints}, the clips hold {trial.joints}; no way from one to the other")
        x, world = spread(x, joints), spread(world, joints)
        reliability = spread_reliability(reliability, joints)
    return [LifterInput(*frame) for frame in zip(x, reliability, world)]


def _stacked(outputs: list[LifterOutput]) -> Answer:
    sigmas = [f.log_sigma for f in outputs if f.log_sigma is not None]
    return np.stack([f.xyz for f in outputs]), np.exp(np.stack(sigmas)) if sigmas else None


def mirrored(engine: Engine, group: list[TestClip]) -> list[Answer]:
    """Answer to the mirror images, mirrored back."""
    order = JOINT_SETS[group[0].joints].mirror()
    back, sign = H36M_17.mirror(), np.array([-1, 1, 1], np.float32)
    found = lift(engine, [flipped(t, order) for t in group])
    return [(xyz[:, back] * sign, None if sigma is None else sigma[:, back]) for xyz, sigma in found]


def mean(a: Answer, b: Answer) -> Answer:
    sigma = None if a[1] is None or b[1] is None else np.asarray((a[1] + b[1]) / 2, np.float32)
    return np.asarray((a[0] + b[0]) / 2, np.float32), sigma
