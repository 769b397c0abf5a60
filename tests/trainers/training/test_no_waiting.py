"""A training step asks its device nothing: no number is read back, no rows are counted, so that a GPU never waits."""

from __future__ import annotations

import traceback
from collections import Counter
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode

from trainers.augmentation import motion
from trainers.recipe import recipe_module
from trainers.training.bench import CONFIGS, config_of, people
from trainers.training.step import one_step, rates_of

WAITING = {"aten._local_scalar_dense.default", "aten.nonzero.default", "aten.masked_select.default",
           "aten.equal.default", "aten._unique2.default"}  # fmt: skip
BY_MASK = {"aten.index.Tensor", "aten.index_put.default", "aten.index_put_.default"}  # wait where they index by bool
OWN_SEED = "recipes/cheng2020.py"  # draws a seed from the CPU's generator and reads it: the device is not asked
OPTIMIZER = "training/step.py"  # counts its steps on the CPU


class Watched(TorchDispatchMode):
    """Counts what would wait for a device, by the file of ours that asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[tuple[str, str]] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(function)
        by_mask = name in BY_MASK and any(getattr(i, "dtype", None) == torch.bool for i in args[1])
        if name in WAITING or by_mask:
            ours = [
                f.filename
                for f in traceback.extract_stack()
                if "/trainers/" in f.filename and "tests" not in f.filename
            ]
            self.asked[name, ours[-1].split("/trainers/")[-1] if ours else "?"] += 1
        return function(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def data():
    with people([]) as folders:
        yield folders


@pytest.mark.parametrize("name", CONFIGS)
def test_a_step_reads_nothing_back(name, data, monkeypatch):
    monkeypatch.setattr(motion, "COUNTED_ON", ())  # as on a GPU
    config = config_of(name, 4)
    recipe = recipe_module(config.recipe).recipe(config.settings, data, "cpu", config.loop.steps)
    optimizers, step = recipe.optimizers(), getattr(recipe, "warm_up_steps", 0)
    one_step(recipe, optimizers, rates_of(optimizers), step + 1, config.loop, "cpu")  # what is made once is made
    with Watched() as watched:
        one_step(recipe, optimizers, rates_of(optimizers), step + 2, config.loop, "cpu")
    assert {k: n for k, n in watched.asked.items() if k[1] not in (OWN_SEED, OPTIMIZER)} == {}


def test_what_waits_is_seen():
    with Watched() as watched:
        torch.ones(3)[torch.ones(3) > 0].sum().item()
    assert {name for name, _ in watched.asked} == {"aten.index.Tensor", "aten._local_scalar_dense.default"}
