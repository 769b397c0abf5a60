"""Hold what was endured against what is promised: a table for people, one JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from realtime.soak.endurance import Endured
from realtime.soak.usage import Growth, growth
from realtime.soak.witness import Counts

SUMS = {"any kill": "kill", "any stop": "stop", "anything": ""}  # row -> with what the names of its harms begin
GAP_MS = 1000.0  # between two answers while nothing was done to the run
ENDED_BY_CTRL_C = (0, 130)


@dataclass(frozen=True)
class ShutdownResult:
    """How the run ended when told to."""

    code: int
    processes: int  # still there
    segments: int  # of shared memory, still there


@dataclass(frozen=True)
class Promise:
    name: str
    value: float
    limit: float

    @property
    def holds(self) -> bool:
        return self.value <= self.limit


def promises(endured: Endured, counts: Counts, end: ShutdownResult) -> list[Promise]:
    """Return what must hold; the first ones are zero whatever is done to the run."""
    return [
        Promise("old poses that passed for current, on the wire", counts.passed_for_current, 0),
        Promise("old poses that a client gave for current", endured.served_old, 0),
        Promise("arrays with numbers that are not finite", counts.not_finite, 0),
        Promise("frames out of order", counts.out_of_order, 0),
        Promise("harms without recovery", len(endured.not_recovered), 0),
        Promise("longest gap while nothing was done, ms", round(counts.longest_gap_ms, 1), GAP_MS),
        Promise("frames lost and not told while nothing was done", counts.lost, 0),
        *(Promise(f"growth of {g.name}", round(g.late - g.early, 1), g.limit) for g in growth(endured.samples)),
        Promise("exit code beside 0 and 130", end.code not in ENDED_BY_CTRL_C, 0),
        Promise("processes left behind", end.processes, 0),
        Promise("segments of shared memory left behind", end.segments, 0),
    ]


def figures(endured: Endured, counts: Counts, end: ShutdownResult) -> dict[str, Any]:
    """Return the JSON object that is printed last."""
    kept = promises(endured, counts, end)
    public = {name: value for name, value in asdict(counts).items() if name not in ("last", "heard_ns")}
    return {
        "seconds": round(endured.seconds, 1),
        "harms": dict(sorted(endured.harms.items())),
        "recovery_s": {name: spread(taken) for name, taken in recoveries(endured).items()},
        "not_recovered": endured.not_recovered,
        "losses": endured.losses,
        **public,
        "usage": {g.name: {"early": round(g.early, 1), "late": round(g.late, 1)} for g in growth(endured.samples)},
        "broken": [p.name for p in kept if not p.holds],
    }


def recoveries(endured: Endured) -> dict[str, list[float]]:
    """Return the seconds of every kind of harm, of all kills, of all stops and of everything."""
    by_harm = dict(sorted(endured.recoveries_s.items()))
    sums = {
        row: [s for name, taken in by_harm.items() if name.startswith(kind) for s in taken]
        for row, kind in SUMS.items()
    }
    return {name: taken for name, taken in (by_harm | sums).items() if taken}


def spread(values: Sequence[float]) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(values, p)), 2) for p in (50, 95, 100)}


def lines(endured: Endured, counts: Counts, end: ShutdownResult) -> list[str]:
    """Return the table as plain text."""
    text = [
        f"{endured.seconds / 60:.1f} min, {counts.poses} answers in {counts.streams} streams, {counts.dropped} frames"
        f" dropped and told,",
        f"{counts.lost_to_harm} lost to what was done, {counts.announced_stale} times said to be stale,"
        f" {counts.late} of them answers that came too late",
        "",
        *recovery_lines(endured),
        "",
        *(usage_line(g) for g in growth(endured.samples)),
        *(f"lost and not told while nothing was done: {loss}" for loss in endured.losses),
        "",
        f"{'':<50}{'found':>10}{'limit':>10}",
    ]
    for promise in promises(endured, counts, end):
        mark = "" if promise.holds else "   broken"
        text.append(f"{promise.name:<50}{promise.value:>10g}{promise.limit:>10g}{mark}")
    return text


def recovery_lines(endured: Endured) -> list[str]:
    """Return what was done to the run and how long a current pose took behind it."""
    if not endured.harms:
        return ["nothing was done to it"]
    text = [f"{'s until a current pose, after':<31}{'times':>9}{'p50':>10}{'p95':>10}{'longest':>10}"]
    for name, taken in recoveries(endured).items():
        row = "".join(f"{value:>10.2f}" for value in spread(taken).values())
        text.append(f"{name:<31}{len(taken):>9}{row}")
    return text


def usage_line(growth: Growth) -> str:
    return f"{growth.name:<12} {growth.early:.0f} early, {growth.late:.0f} late"
