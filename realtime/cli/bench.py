"""`realtime bench`: measure the pipeline against a bare loop around the same detector, in turns."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from realtime import clock
from realtime.bench.collect import Collector
from realtime.bench.film import render
from realtime.bench.load import Load, load_of
from realtime.bench.report import LiveRound, Result, compared, figures, lines
from realtime.config.picture_size import size

LOOK_S, LOAD_EVERY_S = 0.05, 1.0
WARM_UP = 30  # frames
START_LIMIT_S = 60.0
SURPLUS = 1.3  # how much faster than the bare loop frames come when throughput is measured


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="length of each measurement (default 10)"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="rounds of pipeline and bare loop, in turns (default 3)"
    )
    parser.add_argument("--size", type=size, default=(640, 480), metavar="WxH", help="default 640x480")
    parser.add_argument(
        "--fps", type=float, default=30.0, metavar="HZ", help="rate of the live measurement (default 30)"
    )
    parser.add_argument("--frames", type=int, default=150, metavar="N", help="frames rendered beforehand (default 150)")
    parser.add_argument(
        "--people", type=int, default=1, metavar="N", help="people in the picture and looked for (default 1)"
    )
    parser.add_argument("--processes", default="joined", choices=("joined", "apart", "auto"), help="default joined")
    parser.add_argument(
        "--compare", type=earlier, metavar="FILE", help="output of an earlier bench: show the ratio to it"
    )
    parser.add_argument(
        "--all",
        nargs="*",
        metavar="PART",
        help="every figure of docs/experiments/latency.md (8 minutes), or some parts",
    )
    parser.add_argument("--engine", default="auto", metavar="NAME_OR_DIR", help="lifting network (default %(default)s)")
    parser.add_argument("--model", default="full", help="detector: lite, full (default), heavy or a .task bundle")
    parser.add_argument(
        "--bind", default="tcp://127.0.0.1:5577", metavar="ADDRESS", help="of the stream (default %(default)s)"
    )


def main(args: argparse.Namespace) -> int:
    from realtime.detect.find_bundle import bundle_of

    bundle_of(args.model)
    if args.all is not None:
        from realtime.cli.bench_all import page

        return page(args.all)
    with tempfile.TemporaryDirectory(prefix="steadypose-bench-") as folder:
        film = Path(folder) / "film.npy"
        say(f"rendering {args.frames} frames of {args.size[0]}x{args.size[1]} into memory")
        render(film, args.frames, args.size, args.fps, seed=0, people=args.people)
        result = Result([], [], [], [])
        for number in range(args.rounds):
            turn(args, film, result, number)
    setting = {
        "size": list(args.size),
        "fps": args.fps,
        "people": args.people,
        "model": args.model,
        "processes": args.processes,
    }
    found = {"machine": machine(), **setting, **figures(result)}
    print("\n".join(lines(found) + (compared(found, args.compare) if args.compare else [])))
    print(json.dumps(found))
    return 0


def turn(args: argparse.Namespace, film: Path, result: Result, number: int) -> None:
    """Live, then the pipeline flooded, then the bare loop."""
    say(f"round {number + 1} of {args.rounds}")
    bare_hz = result.bare_hz[-1] if result.bare_hz else bare(film, args.seconds / 2, args)["hz"]
    result.live.append(live(args, film))
    result.flood_hz.append(flood(args, film, SURPLUS * bare_hz))
    alone = bare(film, args.seconds, args)
    result.bare_hz.append(alone["hz"])
    result.bare_cpu_s.append(alone["cpu_s"])
    result.bare_people.append(alone["found"])


def bare(film: Path, seconds: float, args: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, "-m", "realtime.bench.bare", str(film), str(seconds), str(args.people), args.model]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=quiet())
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def earlier(path: str) -> dict[str, Any]:
    """Read the last figures of an earlier bench."""
    try:
        found = json.loads(Path(path).read_text().splitlines()[-1])
    except (OSError, ValueError, IndexError) as error:
        text = f"{path} holds no figures ({error}); keep what a bench prints: realtime bench | tee {path}"
        raise argparse.ArgumentTypeError(text) from None
    if not isinstance(found, dict) or "added_p50_ms" not in found:
        raise argparse.ArgumentTypeError(f"{path}: its last line is no figures of a bench; realtime bench | tee {path}")
    return found


def live(args: argparse.Namespace, film: Path, variant: str = "plain") -> LiveRound:
    """At the camera's rate: latency, drops, processor, memory, start-up; `variant` of realtime.bench.live."""
    began_ns = clock.now_ns()
    loads: list[tuple[float, Load]] = []
    collector = Collector(args.bind)

    def look(pid: int, now_s: float) -> None:
        collector.look()
        if collector.poses.seqs and (not loads or now_s - loads[-1][0] >= LOAD_EVERY_S):
            loads.append((now_s, load_of(pid, str(film))))

    watch([*program(args, film, args.fps), variant], look)
    collector.close()
    return LiveRound(
        poses=collector.poses.after(WARM_UP),
        first_pose_s=(collector.poses.first_ns - began_ns) / clock.NS_PER_S,
        cpu_share=cpu_share(loads),
        memory_mb=max(load.memory_mb for _, load in loads),
        hz=len(collector.poses.seqs) / args.seconds,
    )


def cpu_share(loads: list[tuple[float, Load]]) -> float:
    """Of one core, between the first and the last look that saw all processes."""
    everybody = max(load.processes for _, load in loads)
    whole = [(at, load.cpu_s) for at, load in loads if load.processes == everybody]
    (first_s, first), (last_s, last) = whole[0], whole[-1]
    return (last - first) / (last_s - first_s) if last_s > first_s else float("nan")


def flood(args: argparse.Namespace, film: Path, hz: float) -> float:
    """Frames come faster than they can be answered: poses a second."""
    said = watch(program(args, film, hz), lambda _pid, _now: None)
    end = json.loads(said[-1])
    return float(end["answered"] / end["seconds"])


def program(args: argparse.Namespace, film: Path, hz: float) -> list[str]:
    given: dict[str, Any] = {
        "source.spec": str(film), "source.fps": hz, "source.width": args.size[0], "source.height": args.size[1],
        "camera.fov_deg": 60.0, "lift.engine": args.engine, "publish.bind": args.bind,
        "terminal.seconds": args.seconds, "detector.people": args.people, "detector.model": args.model,
        "pipeline.processes": args.processes,
    }  # fmt: skip
    return [sys.executable, "-m", "realtime.bench.live", json.dumps(given)]


def watch(command: list[str], look: Callable[[int, float], None]) -> list[str]:
    """Run a program to its end and looks at it all the while; its lines."""
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(command, stdout=said, env=quiet()) as process:
        while process.poll() is None:
            look(process.pid, clock.now_ns() / clock.NS_PER_S)
            time.sleep(LOOK_S)
        if process.returncode != 0:
            raise subprocess.CalledProcessError(process.returncode, command)
        said.seek(0)
        return said.read().splitlines()


def quiet() -> dict[str, str]:
    return os.environ | {"GLOG_minloglevel": "2"}


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
