"""`trainers streaming`: what a tick costs, streamed and by recomputing the window, in ONNX Runtime and in torch.

Networks of the default's kind with drawn weights: a tick costs the same whatever they are.  One thread throughout.
The last line is the table as JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainers.deploy.export import TorchEngine, export
from trainers.deploy.run_engine import opened
from trainers.errors import UserError
from trainers.models.causal.causal_lifter import LiveLifter
from trainers.training.cost import processor_name

CHANNELS, BLOCKS, JOINTS = 256, 3, 17
PEOPLE, FIELDS = "1,4,16,64,256,1024", "2,3,4,5"  # blocks: 27, 81, 243, 729 ticks
ENGINE_BATCHES = (1, 4, 16)  # what an engine is opened with; more people take several calls
FEWEST, WARM_UP = 5, 3
Tick = Callable[[], object]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", default=PEOPLE, metavar="N,N", help=f"default {PEOPLE}")
    parser.add_argument(
        "--blocks", default=FIELDS, metavar="N,N", help=f"receptive fields, in blocks; default {FIELDS}"
    )
    parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="of each figure (default 1)")


def main(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    people, blocks = numbers("--people", args.people), numbers("--blocks", args.blocks)
    by_people = {n: costs(BLOCKS, n, args.seconds) for n in people}
    by_field = {field_of(b): costs(b, 1, args.seconds) for b in blocks}
    found = {
        "device": processor_name("cpu"), "people": by_people, "receptive field": by_field,
        "exponents": {"people": exponents(by_people), "receptive field": exponents(by_field)},
    }  # fmt: skip
    print("\n".join([*lines("people", found), "", *lines("receptive field", found)]))
    print(json.dumps(found))
    return 0


def numbers(flag: str, text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UserError(f"{flag} takes whole numbers above 0, such as 1,4,16; found {text!r}")
    return [int(part) for part in parts]


def field_of(blocks: int) -> int:
    return LiveLifter(8, blocks).receptive_field()


def costs(blocks: int, people: int, seconds: float) -> dict[str, float]:
    """Return median ms of one tick for so many people, each way; the ways in turns would share their caches."""
    torch.manual_seed(0)
    model = LiveLifter(CHANNELS, blocks).eval()
    ways = {
        "streamed, ONNX Runtime": streamed_by_engine(model, people),
        "streamed, torch": streamed_by_torch(model, people),
        "window, torch": window(model, people),
    }
    return {name: round(median_ms(tick, seconds), 4) for name, tick in ways.items()}


def median_ms(tick: Tick, seconds: float) -> float:
    for _ in range(WARM_UP):
        tick()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < FEWEST or time.perf_counter() < end:
        began = time.perf_counter()
        tick()
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)


def streamed_by_engine(model: LiveLifter, people: int) -> Tick:
    """As it ships: exported, opened by the engine store, its state inside; several calls for many people."""
    batch = max(b for b in ENGINE_BATCHES if b <= people)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "lifter"
        export(model, folder, {}, {})
        engine = opened(str(folder), batch)
    drawn = inputs_of(engine.contract, batch)
    calls = -(-people // batch)
    return lambda: [engine.run(drawn) for _ in range(calls)]


def streamed_by_torch(model: LiveLifter, people: int) -> Tick:
    engine = TorchEngine(model)
    engine.batch, engine.state = people, [torch.zeros(people, *shape) for _, shape in engine.contract.state]
    drawn = inputs_of(engine.contract, people)
    return lambda: engine.run(drawn)


def inputs_of(contract: Any, people: int) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    shapes = {n: s for n, s in contract.inputs(people).items() if not n.startswith("state_")}
    return {n: draw.random(s).astype(np.float32) * (n != "reset") for n, s in shapes.items()}


def window(model: LiveLifter, people: int) -> Tick:
    """Return the newest answer from the whole receptive field, as live demos of clip networks do."""
    ticks = model.receptive_field()
    g = torch.Generator().manual_seed(0)
    x, world = torch.randn(people, ticks, JOINTS, 2, generator=g), torch.randn(people, ticks, JOINTS, 3, generator=g)
    seen, at = torch.ones(people, ticks, JOINTS), (torch.arange(ticks) / 30.0).expand(people, ticks)

    def tick() -> Tensor:
        with torch.no_grad():
            return model.clip(x, seen, at, world)[0][:, -1]

    return tick


def exponents(rows: dict[int, dict[str, float]]) -> dict[str, float]:
    """Return how cost grows: the slope of log ms over log of what grows."""
    if len(rows) < 2:
        return {}
    grows = np.log(list(rows))
    ways = next(iter(rows.values()))
    return {way: round(float(np.polyfit(grows, np.log([r[way] for r in rows.values()]), 1)[0]), 2) for way in ways}


def lines(what: str, figures: dict[str, Any]) -> Sequence[str]:
    rows: dict[int, dict[str, float]] = figures[what]
    ways = list(next(iter(rows.values())))
    text = [f"{what + ' (ms a tick)':<30}" + "".join(f"{way:>26}" for way in ways)]
    text += [f"{n:<30}" + "".join(f"{rows[n][way]:>26.3f}" for way in ways) for n in rows]
    slopes = figures["exponents"][what]
    return [*text, f"{'grows with exponent':<30}" + "".join(f"{slopes.get(way, float('nan')):>26.2f}" for way in ways)]
