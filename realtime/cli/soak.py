"""`realtime soak`: hours of a run under kills and stops, counted by an outside subscriber."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psutil

from realtime.cli.bench import machine
from realtime.client.pose_client import MAX_AGE_MS, PoseClient
from realtime.soak.endurance import Endurance
from realtime.soak.program import Program
from realtime.soak.report import ShutdownResult, figures, lines
from realtime.soak.usage import segments
from realtime.soak.witness import Witness

GRACE_S = 3.0  # for what was told to end


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=30.0, metavar="M", help="duration (default 30)")
    parser.add_argument(
        "--every",
        type=seconds,
        default=(2.0, 6.0),
        metavar="S,S",
        help="random time between two faults, shortest and longest (default 2,6)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed of the faults (default 0)")
    parser.add_argument(
        "--bind", default="tcp://127.0.0.1:5579", metavar="ADDRESS", help="of the run (default %(default)s)"
    )
    parser.add_argument(
        "run", nargs=argparse.REMAINDER, metavar="-- ...", help="flags of realtime run (default: --demo)"
    )


def seconds(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 < low <= high:
        raise argparse.ArgumentTypeError(f"expected two rising numbers of seconds, such as 2,6, found {text!r}")
    return low, high


def main(args: argparse.Namespace) -> int:
    from realtime.detect.model_download import ensure_model

    ensure_model()
    words = [word for word in args.run if word != "--"] or ["--demo"]
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        program = Program(Path(folder), [*words, "--bind", args.bind])
        family: list[psutil.Process] = []
        try:
            with closing(Witness(args.bind, MAX_AGE_MS)) as witness, closing(PoseClient(args.bind)) as client:
                soak = Endurance(program, witness, client, random.Random(args.seed))
                soak.start()
                endured = soak.run(args.minutes * 60, args.every, say)
                family = psutil.Process(program.process.pid).children(recursive=True) if program.running else []
        finally:
            code = program.end()
    end = ShutdownResult(code, len(psutil.wait_procs(family, GRACE_S)[1]), len(left_behind(args.bind)))
    found = {"machine": machine(), "run": words, **figures(endured, witness.counts, end)}
    print("\n".join(lines(endured, witness.counts, end)))
    print(json.dumps(found))
    return 1 if found["broken"] else 0


def left_behind(bind: str) -> list[str]:
    end = time.monotonic() + GRACE_S
    while (left := segments(bind)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def say(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)
