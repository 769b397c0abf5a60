"""Feed people's keypoints over time to an engine: slots, resets, ticks, windows, look-ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engines.contract import TICK_S
from engines.engine import Engine
from realtime.engine_io.batch_slots import BatchSlots
from realtime.engine_io.time_grid import TICK_NS, TimeGrid
from realtime.wire.arrays import F32

HALF_NS = TICK_NS // 2
AT_END = 0.02  # of the way: a tick so close to a frame is that frame


@dataclass(frozen=True)
class LifterInput:
    """One person in one frame, as the engine's joints."""

    x: F32  # (J, 2) rays
    reliability: F32  # (J,)
    world: F32  # (J, 3) m, zeros where the detector has none


@dataclass(frozen=True)
class LifterOutput:
    xyz: F32  # (J, 3) m
    log_sigma: F32 | None  # (J,)


People = Mapping[int, LifterInput]
Answer = tuple[int, dict[int, LifterOutput]]  # time of the answered frame, people by id


def interpolate(left: LifterInput, right: LifterInput, part: float) -> LifterInput:
    """Return linear in time; no more reliable than the worse end."""

    def mix(a: F32, b: F32) -> F32:
        return np.asarray(a + np.float32(part) * (b - a), np.float32)

    if not AT_END < part < 1 - AT_END:
        return left if part < 0.5 else right
    worse = np.minimum(left.reliability, right.reliability)
    return LifterInput(mix(left.x, right.x), worse, mix(left.world, right.world))


class StreamingFeed:
    """Engines of kind step: state inside, kept when a tick has passed.  Kind single: a step without state."""

    def __init__(self, engine: Engine, max_gap_ns: int) -> None:
        self.engine, self.ahead_ns = engine, engine.contract.look_ahead * TICK_NS
        self._slots, self._grid = BatchSlots(engine.batch), TimeGrid(max_gap_ns)
        self._before: tuple[int, People] = (0, {})
        self._pending: deque[int] = deque()
        shapes = engine.contract.inputs(engine.batch)
        self._tensors = {k: np.zeros(s, np.float32) for k, s in shapes.items() if not k.startswith("state_")}
        self._no_reset = np.zeros(engine.batch, np.float32)

    def reset(self) -> None:
        self._grid.restart()
        self._slots.forget()
        self._pending.clear()
        self.engine.zero_state()

    def feed(self, t_ns: int, people: People) -> list[Answer]:
        """Answer that this frame makes possible; without look-ahead, exactly its own."""
        if not self._grid.goes_on(t_ns):
            self.reset()
        self._slots.settle(people)
        self._pending.append(t_ns)
        found: dict[int, LifterOutput] = {}
        for step in self._grid.steps(t_ns):
            found = self._call(self._at(step.t_ns, t_ns, people), step.dt_s, step.commit)
        self._before = (t_ns, people)
        answers = []
        while self._pending and self._pending[0] + self.ahead_ns <= t_ns + (HALF_NS if self.ahead_ns else 0):
            answers.append((self._pending.popleft(), found))
        return answers

    def flush(self) -> list[Answer]:
        """Return the frames still waiting for their future, which is taken to stand still."""
        answers, (t_ns, people) = [], self._before
        while self._pending:
            t_ns += TICK_NS
            waiting = self._pending.copy()
            answers += [a for a in self.feed(t_ns, people) if a[0] in waiting]
            self._pending = deque(t for t in self._pending if t in waiting)
        return answers

    def _at(self, t_ns: int, now_ns: int, people: People) -> People:
        """Return people at a skipped tick, between the frame before and this one."""
        then_ns, before = self._before
        if t_ns >= now_ns or not then_ns < t_ns:
            return people
        part = (t_ns - then_ns) / (now_ns - then_ns)
        return {i: interpolate(before[i], p, part) if i in before else p for i, p in people.items()}

    def _call(self, people: People, dt_s: float, commit: bool) -> dict[int, LifterOutput]:
        tensors, slots = self._tensors, self._slots
        tensors["reliability"][:] = 0.0
        tensors["dt"][:] = dt_s
        reset = tensors.get("reset", self._no_reset)
        reset[:] = 1.0
        for i, row in slots.rows.items():
            put(tensors, row, people[i])
            reset[row] = float(i in slots.fresh)
        out = self.engine.run(tensors, commit=commit)
        if commit:
            slots.fresh.clear()
        return {i: taken(out, row) for i, row in slots.rows.items()}


class WindowFeed:
    """Engines of kind window: the last ticks of everybody, interpolated from the frames around them."""

    def __init__(self, engine: Engine, max_gap_ns: int) -> None:
        self.engine, self.max_gap_ns = engine, max_gap_ns
        self.ahead_ns = engine.contract.look_ahead * TICK_NS
        self._span_ns = engine.contract.window * TICK_NS
        self._history: dict[int, deque[tuple[int, LifterInput]]] = {}
        self._frames: deque[tuple[int, tuple[int, ...]]] = deque()
        self._last_ns = -1
        self._tensors = {k: np.zeros(s, np.float32) for k, s in engine.contract.inputs(engine.batch).items()}
        self._tensors["dt"][:] = TICK_S

    def reset(self) -> None:
        self._history.clear()
        self._frames.clear()
        self._last_ns = -1

    def feed(self, t_ns: int, people: People) -> list[Answer]:
        if self._last_ns >= 0 and not 0 <= t_ns - self._last_ns <= self.max_gap_ns:
            self.reset()
        self._last_ns = t_ns
        chosen = dict(list(people.items())[: self.engine.batch])
        for i, given in chosen.items():
            past = self._history.setdefault(i, deque())
            past.append((t_ns, given))
            while len(past) > 2 and past[1][0] < t_ns - self._span_ns - self.ahead_ns:
                past.popleft()
        self._frames.append((t_ns, tuple(chosen)))
        answers = self._answer(t_ns + (TICK_NS // 4 if self.ahead_ns else 0))
        alive = {i for _, ids in self._frames for i in ids} | set(chosen)
        self._history = {i: h for i, h in self._history.items() if i in alive}
        return answers

    def flush(self) -> list[Answer]:
        return self._answer(self._last_ns + self.ahead_ns + TICK_NS)

    def _answer(self, until_ns: int) -> list[Answer]:
        answers = []
        while self._frames and self._frames[0][0] + self.ahead_ns <= until_ns:
            t_ns, ids = self._frames.popleft()
            answers.append((t_ns, self._lift(t_ns, ids)))
        return answers

    def _lift(self, t_ns: int, ids: tuple[int, ...]) -> dict[int, LifterOutput]:
        if not ids:
            return {}
        window, ahead = self.engine.contract.window, self.engine.contract.look_ahead
        ticks = [t_ns + (k - (window - 1 - ahead)) * TICK_NS for k in range(window)]
        for row, i in enumerate(ids):
            for k, given in enumerate(resampled(self._history[i], ticks)):
                put(self._tensors, (row, k), given)
        out = self.engine.run(self._tensors)
        return {i: taken(out, row) for row, i in enumerate(ids)}


def resampled(past: deque[tuple[int, LifterInput]], ticks: list[int]) -> list[LifterInput]:
    """Return the person at the ticks; before the first frame and after the last one he stands still."""
    found, place, frames = [], 0, list(past)
    for tick in ticks:
        while place + 1 < len(frames) and frames[place + 1][0] <= tick:
            place += 1
        t, given = frames[place]
        if tick > t and place + 1 < len(frames):
            later, other = frames[place + 1]
            given = interpolate(given, other, (tick - t) / (later - t))
        found.append(given)
    return found


def put(tensors: dict[str, F32], at: int | tuple[int, int], given: LifterInput) -> None:
    tensors["x"][at], tensors["reliability"][at] = given.x, given.reliability
    if "world" in tensors:
        tensors["world"][at] = given.world


def taken(out: dict[str, F32], row: int) -> LifterOutput:
    sigma = out.get("log_sigma")
    return LifterOutput(out["xyz"][row].copy(), None if sigma is None else sigma[row].copy())


def feed_for(engine: Engine, max_gap_ns: int) -> StreamingFeed | WindowFeed:
    if engine.contract.task != "lift":
        raise ValueError(f"{engine.name}: task {engine.contract.task}, expected lift")
    return WindowFeed(engine, max_gap_ns) if engine.contract.kind == "window" else StreamingFeed(engine, max_gap_ns)
