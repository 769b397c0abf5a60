"""Align frames, which come when they come, with the nominal 30 Hz grid of a network's state."""

from __future__ import annotations

from dataclasses import dataclass

from engines.contract import TICK_S

TICK_NS = round(TICK_S * 1e9)


@dataclass(frozen=True)
class GridStep:
    """One call of the network: for which time, since the last kept state, and whether its state is kept."""

    t_ns: int
    dt_s: float
    commit: bool


class TimeGrid:
    """The first frame lies in the middle of its tick, so that a camera near 30 Hz meets each tick once."""

    def __init__(self, max_gap_ns: int) -> None:
        self.max_gap_ns = max_gap_ns
        self._origin_ns: int | None = None
        self._tick = -1
        self._kept_ns = 0

    def restart(self) -> None:
        self._origin_ns = None

    def goes_on(self, t_ns: int) -> bool:
        """Tell whether the stream can be continued at this time; otherwise every state must be forgotten."""
        return self._origin_ns is not None and 0 <= t_ns - self._kept_ns <= self.max_gap_ns

    def steps(self, t_ns: int) -> list[GridStep]:
        """Call that answer a frame: skipped ticks first, the frame itself last."""
        if self._origin_ns is None or not self.goes_on(t_ns):
            self._origin_ns, self._tick, self._kept_ns = t_ns - TICK_NS // 2, 0, t_ns
            return [GridStep(t_ns, 0.0, True)]
        tick = (t_ns - self._origin_ns) // TICK_NS
        skipped = [self._origin_ns + k * TICK_NS + TICK_NS // 2 for k in range(self._tick + 1, tick)]
        plan = [self._keep(t) for t in skipped if self._kept_ns < t < t_ns]
        if tick == self._tick:
            return [*plan, GridStep(t_ns, (t_ns - self._kept_ns) * 1e-9, False)]
        self._tick = tick
        return [*plan, self._keep(t_ns)]

    def _keep(self, t_ns: int) -> GridStep:
        step = GridStep(t_ns, (t_ns - self._kept_ns) * 1e-9, True)
        self._kept_ns = t_ns
        return step
