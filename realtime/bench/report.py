"""Summarise the measurements of all rounds as table rows and one JSON object."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from realtime.bench.collect import F64, Poses

PERCENTILES = (50, 95, 99)
STAGES = ("detector", "detect", "occlude", "lift")
AIMS = {
    "added_p50_ms": 3.0,
    "added_p99_ms": 8.0,
    "added_to_detector": 0.15,  # times the detector's own time: says the same on slower machines
    "throughput_ratio": 0.95,
    "cpu_beyond_detector": 0.15,  # of a core
    "memory_mb": 400.0,
    "first_pose_s": 1.5,
    "dropped_share": 0.05,
}


@dataclass(frozen=True)
class LiveRound:
    """One start of the pipeline at the camera's rate."""

    poses: Poses
    first_pose_s: float  # from starting the program
    cpu_share: float  # of one core
    memory_mb: float
    hz: float


@dataclass(frozen=True)
class Result:
    live: list[LiveRound]
    flood_hz: list[float]  # poses a second of the pipeline when frames come faster than it can answer
    bare_hz: list[float]  # frames a second of the bare loop
    bare_cpu_s: list[float]  # its processor time for a frame
    bare_people: list[float] = field(default_factory=list)  # people it found in a frame


def percentiles(values: F64) -> dict[str, float]:
    found = np.percentile(values, PERCENTILES) if len(values) else [float("nan")] * len(PERCENTILES)
    return {f"p{p}_ms": round(float(v), 3) for p, v in zip(PERCENTILES, found)}


def latencies(rounds: list[LiveRound]) -> dict[str, dict[str, float]]:
    """Return every row of the table that is a latency, over the frames of all rounds."""
    rows = {stage: np.concatenate([r.poses.stage_ms(stage) for r in rounds]) for stage in STAGES}
    rows["capture to publish"] = np.concatenate([r.poses.end_to_end_ms() for r in rounds])
    rows["added to the detector"] = np.concatenate([r.poses.added_ms() for r in rounds])
    return {name: percentiles(values) for name, values in rows.items()}


def figures(result: Result) -> dict[str, Any]:
    """Return the JSON object that is printed last."""
    table = latencies(result.live)
    added, detector = table["added to the detector"]["p50_ms"], table["detector"]["p50_ms"]
    live_hz, bare_cpu_s = median(r.hz for r in result.live), median(result.bare_cpu_s)
    cpu_share = median(r.cpu_share for r in result.live)
    answered = sum(len(r.poses.seqs) for r in result.live)
    lost = sum(r.poses.lost() for r in result.live)
    return {
        "latency": table,
        "added_p50_ms": added,
        "added_p99_ms": table["added to the detector"]["p99_ms"],
        "added_to_detector": round(added / detector, 3) if detector else float("nan"),
        "answered": answered,
        "dropped": lost,
        "dropped_share": round(lost / max(1, lost + answered), 4),
        "live_hz": round(live_hz, 2),
        "pipeline_hz": round(median(result.flood_hz), 2),
        "bare_hz": round(median(result.bare_hz), 2),
        "throughput_ratio": round(median(a / b for a, b in zip(result.flood_hz, result.bare_hz)), 3),
        "cpu_share": round(cpu_share, 3),
        "cpu_beyond_detector": round(cpu_share - bare_cpu_s * live_hz, 3),
        "memory_mb": round(median(r.memory_mb for r in result.live), 1),
        "first_pose_s": round(median(r.first_pose_s for r in result.live), 2),
        "people_found": round(median(result.bare_people), 2) if result.bare_people else 0.0,
        "rounds": len(result.live),
    }


def reached(name: str, value: float) -> bool:
    return value >= AIMS[name] if name == "throughput_ratio" else value <= AIMS[name]


def lines(figures: dict[str, Any]) -> list[str]:
    """Return the table as plain text."""
    text = [f"{'':<24}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}"]
    for name, row in figures["latency"].items():
        text.append(f"{name:<24}" + "".join(f"{row[f'p{p}_ms']:>10.2f}" for p in PERCENTILES))
    text += ["", f"{'':<24}{'found':>10}{'aim':>10}"]
    for name, aim in AIMS.items():
        sign = ">=" if name == "throughput_ratio" else "<="
        mark = "" if reached(name, figures[name]) else "   missed"
        text.append(f"{name:<24}{figures[name]:>10g}{sign + format(aim, 'g'):>10}{mark}")
    text.append(f"{'cpu_share (of a core)':<24}{figures['cpu_share']:>10g}")
    text.append(f"{'people_found':<24}{figures['people_found']:>10g}")
    text.append(
        f"pipeline {figures['pipeline_hz']:g} Hz, bare loop {figures['bare_hz']:g} Hz, live {figures['live_hz']:g} Hz"
    )
    return text


def compared(figures: dict[str, Any], earlier: dict[str, Any]) -> list[str]:
    """Return each figure over that of an earlier run, as plain text; a machine that is not the same is named."""
    text = ["", f"{'':<24}{'earlier':>10}{'now':>10}{'ratio':>10}"]
    for name in (*AIMS, "live_hz", "pipeline_hz", "bare_hz"):
        before, now = earlier.get(name), figures[name]
        if isinstance(before, (int, float)):
            ratio = f"{now / before:>10.2f}" if before else f"{'':>10}"
            text.append(f"{name:<24}{before:>10g}{now:>10g}{ratio}")
    same = all(earlier.get(key) == figures[key] for key in ("machine", "size", "fps", "people"))
    return (
        text
        if same
        else [*text, f"not the same: {earlier.get('machine')}, {earlier.get('size')}, now {figures['machine']}"]
    )
