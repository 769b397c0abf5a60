"""Stages of a live run whose threads are held on certain cores."""

from __future__ import annotations

import os

from realtime.detect import stage as detect_stage
from realtime.lift import stage as lift_stage
from realtime.occlude import stage as occlude_stage
from realtime.supervise.stage_runner import Context


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def detect(ctx: Context) -> None:
    """On every core but the last: threads that MediaPipe starts stay there too."""
    os.sched_setaffinity(0, cores()[:-1] or cores())
    detect_stage.main(ctx)


def occlude(ctx: Context) -> None:
    os.sched_setaffinity(0, cores()[-1:])
    occlude_stage.main(ctx)


def lift(ctx: Context) -> None:
    os.sched_setaffinity(0, cores()[-1:])
    lift_stage.main(ctx)
