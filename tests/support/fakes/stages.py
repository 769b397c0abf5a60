"""Mains for processes of tests: each does one thing a stage may do, well or badly."""

from __future__ import annotations

import os
import sys
import time

from realtime.supervise.status_board import StatusBoard, write_info


def child_writes(table: StatusBoard, stage: str) -> None:
    table.row(stage)["beat"] = 7
    write_info(table.row(stage), {"detector": "written by a child"})


def works(ctx) -> None:
    ctx.set_info(pid=os.getpid())
    ctx.ready()
    while not ctx.stop.wait(0.02):
        ctx.beat()


def ends(ctx) -> None:
    ctx.ready()


def raises(ctx) -> None:
    raise RuntimeError("a fault of ours")


def raises_when_ready(ctx) -> None:
    ctx.ready()
    raise RuntimeError("a fault of ours")


class NoModel(Exception):
    exit_code = 6


def refuses(ctx) -> None:
    raise NoModel("no model; run: realtime fetch-model")


def is_silent(ctx) -> None:
    ctx.ready()
    time.sleep(60)


def dies(ctx) -> None:
    os._exit(9)


class Lost(Exception):
    exit_code, source_lost = 2, True


def loses_its_source(ctx) -> None:
    ctx.ready()
    time.sleep(0.2)  # long enough to be seen ready
    raise Lost("the camera has gone")


def prints_at_exit(ctx) -> None:
    """Its last lines must not be lost."""
    ctx.ready()
    ctx.stop.wait(10)
    sys.stderr.write("the last line\n")


def starts_slowly(ctx) -> None:
    """No beat while it starts, nor in the first moments after it is ready."""
    time.sleep(2.0)
    ctx.ready()
    time.sleep(0.3)
    works(ctx)
