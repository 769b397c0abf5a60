"""Record and check the golden sequence: inputs with a reset in them and the outputs they must give.

In the file: in_<input> (T, G, ...), out_<output> (T, G, ...), commit (T,), contract (the JSON it was recorded under).
G rows are different people, each computed alone; slot b of a batched engine is given row b % G.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engines import npz
from engines.contract import TICK_S, Contract
from engines.engine import Engine
from engines.errors import EngineError
from engines.skeleton import Array

LIMIT = 64 << 20  # bytes, packed and unpacked
MEMBERS = 256  # tensors of a contract: far fewer
ROWS, FRAMES, RESET_AT = 3, 12, 7


def inputs(contract: Contract, frames: int = FRAMES, rows: int = ROWS, seed: int = 0) -> dict[str, Array]:
    """Draw a sequence of inputs: in_<name> (T, G, ...) and commit; moving, partly hidden, with one reset inside."""
    rng = np.random.default_rng(seed)
    shapes = {k: v for k, v in contract.inputs(rows).items() if not k.startswith("state_")}
    found = {f"in_{name}": _values(name, (frames, *shape), rng) for name, shape in shapes.items()}
    commit = np.ones(frames, np.float32)
    if contract.kind == "step":
        found["in_reset"][:] = 0
        found["in_reset"][0] = 1
        found["in_reset"][min(RESET_AT, frames - 1), ::2] = 1  # every other person starts again
        commit[3:frames:5] = 0  # answered, then forgotten
    return found | {"commit": commit}


def record(engine: Engine, sequence: Mapping[str, Array]) -> dict[str, Array]:
    """Record the engine's own answers to the sequence, row by row; `engine` has batch 1."""
    rows = next(v for k, v in sequence.items() if k.startswith("in_")).shape[1]
    played = [list(_play(engine, sequence, [row])) for row in range(rows)]
    names = played[0][0].keys()
    answers = {f"out_{n}": np.stack([[frame[n][0] for frame in row] for row in played], 1) for n in names}
    return {**sequence, **answers}


def check(engine: Engine, golden: Mapping[str, Array], every_row: bool = False) -> dict[str, float]:
    """Return the largest deviation of every output over the sequence; NaN and inf count as inf."""
    rows = next(v for k, v in golden.items() if k.startswith("in_")).shape[1]
    starts = range(rows) if every_row else range(1)
    worst: dict[str, float] = {}
    for start in starts:
        slots = [(start + b) % rows for b in range(engine.batch)]
        for t, answer in enumerate(_play(engine, golden, slots)):
            for name, value in answer.items():
                worst[name] = max(worst.get(name, 0.0), _distance(value, golden[f"out_{name}"][t][slots]))
    return worst


def save(path: Path, golden: Mapping[str, Array], contract: Contract) -> None:
    arrays: dict[str, Any] = {name: np.asarray(value, np.float32) for name, value in golden.items()}
    np.savez_compressed(path, contract=np.array(json.dumps(contract.to_dict(), sort_keys=True)), **arrays)


def load(data: bytes, contract: Contract, name: str) -> dict[str, Array]:
    """Read the arrays of a golden file, checked against the contract; never objects, never more than LIMIT."""
    try:
        arrays = npz.read(data, LIMIT, MEMBERS)
        recorded = Contract.from_dict(json.loads(str(arrays.pop("contract"))))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EngineError(f"{name}: not a golden sequence ({error}); build or export the model again") from None
    if differing := contract.differences(recorded):
        raise EngineError(
            f"{name}: manifest and golden sequence disagree ({'; '.join(differing)}); build or export it again"
        )
    _check_shapes(arrays, contract, name)
    return arrays


def _check_shapes(arrays: Mapping[str, Any], contract: Contract, name: str) -> None:
    first = arrays.get("in_dt")
    rows = first.shape[1] if first is not None and first.ndim > 1 else 0
    frames = first.shape[0] if first is not None and first.ndim > 1 else 0
    wanted = {f"in_{k}": (frames, *v) for k, v in contract.inputs(rows).items() if not k.startswith("state_")}
    wanted |= {f"out_{k}": (frames, *v) for k, v in contract.outputs(rows).items() if not k.startswith("next_state_")}
    wanted["commit"] = (frames,)
    found = {k: v.shape for k, v in arrays.items()}
    if found != wanted or not rows or any(v.dtype != np.float32 for v in arrays.values()):
        raise EngineError(f"{name}: golden tensors {found}, the contract has {wanted}; build or export it again")
    if contract.kind == "step" and not (arrays["in_reset"][0].all() and arrays["in_reset"][1:].any()):
        raise EngineError(f"{name}: the golden sequence needs a reset at its start and one inside; export it again")


def _play(engine: Engine, golden: Mapping[str, Array], rows: list[int]) -> Iterator[dict[str, Array]]:
    engine.zero_state()
    named = {key.removeprefix("in_"): value for key, value in golden.items() if key.startswith("in_")}
    for t, commit in enumerate(golden["commit"]):
        answer = engine.run({name: value[t][rows] for name, value in named.items()}, commit=bool(commit))
        yield {name: value.copy() for name, value in answer.items()}
    engine.zero_state()


def _distance(answer: Array, expected: Array) -> float:
    gap = np.abs(answer.astype(np.float64) - expected)
    return float(gap.max()) if np.isfinite(gap).all() else float("inf")


def _values(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Plausible numbers for one input, (T, G, ...)."""
    if name == "dt":
        return np.asarray(TICK_S * rng.uniform(0.5, 1.5, shape), np.float32)
    if name in ("reliability", "features"):
        return np.asarray(rng.choice([0, 0.2, 0.6, 0.9, 1], shape), np.float32)
    still = rng.normal(0, 0.2, (1, *shape[1:]))
    return np.asarray(still + rng.normal(0, 0.02, shape).cumsum(0), np.float32)
