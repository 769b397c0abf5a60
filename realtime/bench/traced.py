"""Run stages that stamp when they took a frame and when they answered it, and tell what lies between."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np

from realtime import clock
from realtime.bench.collect import Poses
from realtime.detect import stage as detect_stage
from realtime.detect.tracker import Tracker
from realtime.lift import stage as lift_stage
from realtime.occlude import stage as occlude_stage
from realtime.supervise.stage_runner import Context
from realtime.wire.messages import Keypoints2D

SLOWEST = 0.02  # of the frames, whose steps are told apart
STEPS: dict[str, Callable[[dict[str, float]], float]] = {
    "captured, taken, into the ring, hop to the detector's process": lambda at: at["detect from"],
    "out of the ring": lambda at: at["detect"] - at["detector"] - at["ids"],
    "*the detector*": lambda at: at["detector"],
    "people's ids": lambda at: at["ids"],
    "hand over to occlude": lambda at: at["occlude from"] - at["detect to"],
    "occlude": lambda at: at["occlude to"] - at["occlude from"],
    "hand over to lift": lambda at: at["lift from"] - at["occlude to"],
    "lift": lambda at: at["lift to"] - at["lift from"],
    "encoded, hop to the publisher's process, stamped": lambda at: at["publish"] - at["lift to"],
    "**added to the detector**": lambda at: at["publish"] - at["detector"],
}  # µs of one frame, all since it was captured


def detect(ctx: Context) -> None:
    update = Tracker.update

    def timed(self: Tracker, *given: Any) -> Keypoints2D:
        began = clock.now_ns()
        found = update(self, *given)
        return replace(found, stage_us={"ids": (clock.now_ns() - began) // 1000})

    def answer(*given: Any) -> Any:
        """Detect with the tracker's stage times merged into the stage's, which otherwise replace them."""
        with patch.object(detect_stage, "replace", replace_merged):
            return original(*given)

    original = stamped(detect_stage.answer, "detect")
    with patch.object(Tracker, "update", timed), patch.object(detect_stage, "answer", answer):
        detect_stage.main(ctx)


def replace_merged(message: Any, **changes: Any) -> Any:
    if "stage_us" in changes:
        changes["stage_us"] = message.stage_us | changes["stage_us"]
    return replace(message, **changes)


def occlude(ctx: Context) -> None:
    answer = stamped(occlude_stage.Filtering.answer, "occlude")
    with patch.object(occlude_stage.Filtering, "answer", lambda self, found: answer(self, found)):
        occlude_stage.main(ctx)


def lift(ctx: Context) -> None:
    with patch.object(lift_stage, "answers", stamped(lift_stage.answers, "lift")):
        lift_stage.main(ctx)


def stamped(answer: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return the same answers, which also say when the frame was taken and answered: µs since its capture."""

    def stamp(message: Any, from_ns: int, to_ns: int) -> Any:
        captured = message.stamp.t_capture_ns
        times = {f"{name} from": (from_ns - captured) // 1000, f"{name} to": (to_ns - captured) // 1000}
        return replace(message, stage_us=message.stage_us | times)

    def wrapped(*given: Any) -> Any:
        began = clock.now_ns()
        found, ended = answer(*given), clock.now_ns()
        if isinstance(found, list):
            return [stamp(one, began, ended) for one in found]
        return None if found is None else stamp(found, began, ended)

    return wrapped


def lines(rounds: Iterable[Poses]) -> list[str]:
    """Return medians of each step, and their means in the slowest frames: there the p99 comes from."""
    frames = [{**times, "publish": total} for poses in rounds for times, total in zip(poses.stage_us, poses.total_us)]
    each = {name: np.array([step(at) for at in frames]) / 1e3 for name, step in STEPS.items()}
    added = each["**added to the detector**"]
    slow = added >= np.quantile(added, 1 - SLOWEST)
    head = f"| step of a frame, ms, {len(frames)} frames | p50 | p99 | mean in the slowest {100 * SLOWEST:g} % |"
    return [head, "|---|---|---|---|"] + [
        f"| {name} | {np.median(ms):.2f} | {np.quantile(ms, 0.99):.2f} | {ms[slow].mean():.2f} |"
        for name, ms in each.items()
    ]
