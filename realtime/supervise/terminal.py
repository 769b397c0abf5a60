"""Show a run on the terminal: a live block, plain lines, JSON lines or nothing; and a summary at its end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from realtime.clock import NS_PER_MS
from realtime.config.schema import LEAST_AGE_MS, VIEWER_TOKEN
from realtime.supervise.slow_machine import remedy, slow
from realtime.wire.messages import JOINT_STATES, Person3D, Pose3D

if TYPE_CHECKING:
    from rich.console import RenderableType

    from realtime.config.schema import RunConfig
    from realtime.supervise.supervisor import Snapshot

Report = Callable[["Snapshot"], None]
Newest = Callable[[], Pose3D | None]  # the newest pose, or None when it is not current

SHOWN = ("head", "left_wrist", "right_wrist")  # of each person, where the engine has such joints
MEAN_FROM_S = 0.5  # a mean rate over less says nothing
COLOURS = {"STARTING": "cyan", "READY": "green", "DEGRADED": "yellow", "DOWN": "bold red"}


@contextmanager
def terminal(config: RunConfig, newest: Newest) -> Iterator[Report]:
    """Provide the report for `supervisor.run`; whatever was shown stays readable after the end."""
    if config.terminal.quiet:
        yield lambda _snapshot: None
    elif config.terminal.json:
        yield json_lines(newest)
    elif sys.stdout.isatty():
        with live_block(config, newest) as report:
            yield report
    else:
        print(f"{where(config)}{viewer(config)}", flush=True)
        yield plain_lines(newest)


def where(config: RunConfig) -> str:
    return f"pictures to {config.remote.to}" if config.remote.to else f"poses on {config.publish.bind}"


def json_lines(newest: Newest) -> Report:
    """Return one line a second from the first answer on: before it there is nothing to read."""

    def report(snapshot: Snapshot) -> None:
        if snapshot.answered:
            print(json.dumps(as_json(snapshot, newest())), flush=True)

    return report


def plain_lines(newest: Newest) -> Report:
    """Return one line a second, but never the same one twice in a row."""
    last, choice = [""], [""]

    def report(snapshot: Snapshot) -> None:
        if (words := snapshot.info.get("model_choice", "")) != choice[0]:
            choice[0] = words
            print(words, flush=True)
        line = as_line(snapshot, newest())
        if line != last[0]:
            print(line, flush=True)
        last[0] = line

    return report


def viewer(config: RunConfig) -> str:
    token = os.environ.get(VIEWER_TOKEN, "")
    return f", viewer on http://{config.view.http}/?token={token}" if config.view.open else ""


def as_json(snapshot: Snapshot, pose: Pose3D | None) -> dict[str, Any]:
    """Return one second of a run; numbers in the units of their names."""
    plain = asdict(snapshot)
    stages = {stage.pop("stage"): stage for stage in plain.pop("stages")}
    info = {k: v for k, v in plain.pop("info").items() if isinstance(v, (str, int, float))}
    newest = {"status": pose.status, "age_ms": round(age_ms(pose), 1)} if pose else {"status": "STALE"}
    return plain | {"stages": stages} | newest | info | progress(snapshot)


def as_line(snapshot: Snapshot, pose: Pose3D | None) -> str:
    if not snapshot.answered:
        waiting = ", ".join(s.stage for s in snapshot.stages if s.state not in ("READY", "DEGRADED"))
        return f"starting: {snapshot.info.get('source_note') or waiting or 'first pose'}"
    worst = [f"{s.stage} {s.state.lower()} {s.reason}" for s in snapshot.stages if s.state != "READY" and not slow(s)]
    worst += filter(None, (remedy(snapshot.stages, snapshot.info), snapshot.info.get("source_note", "")))
    pace = progress_words(snapshot) or f"{rate(snapshot):5.1f} Hz"
    counts = f"{snapshot.seconds:6.1f} s  {pace}  {snapshot.dropped} dropped"
    ended = not any(snapshot.pids.values())
    people = [] if ended or "send" in snapshot.pids else people_lines(pose, snapshot.info.get("joints", ()))
    return "  ".join((counts, *late(pose), *people, *worst))


def people_lines(pose: Pose3D | None, joints: Sequence[str]) -> list[str]:
    if pose is None:
        return ["no current pose"]
    return [person_line(person, joints) for person in pose.people] or ["nobody in view"]


def late(pose: Pose3D | None) -> list[str]:
    """Return how old a pose was when it was published, where that is more than a fast machine would let pass."""
    return [f"{age_ms(pose):.0f} ms old"] if pose and pose.live and age_ms(pose) > LEAST_AGE_MS else []


def age_ms(pose: Pose3D) -> float:
    return (pose.t_publish_ns - pose.stamp.t_capture_ns) / NS_PER_MS


def rate(snapshot: Snapshot) -> float:
    """Of the stage that answers with poses."""
    rates = {stage.stage: stage.rate_hz for stage in snapshot.stages}
    return rates.get("lift", rates.get("file", next(reversed(rates.values()), 0.0)))


def progress(snapshot: Snapshot) -> dict[str, int | float]:
    """Of a film of which every frame is answered: frames done, of how many, mean rate in Hz, time left in s.

    No rate before half a second; no time left where the film does not know its length, or is longer than it says.
    """
    if "frames_total" not in snapshot.info:
        return {}
    done, total = snapshot.answered + snapshot.dropped, int(snapshot.info["frames_total"])
    known: dict[str, int | float] = {"frames_done": done, "frames_total": max(0, total)}
    if done and snapshot.seconds >= MEAN_FROM_S:
        known["rate_hz"] = round(done / snapshot.seconds, 2)
        known |= {"left_s": round((total - done) * snapshot.seconds / done, 1)} if done <= total else {}
    return known


def progress_words(snapshot: Snapshot) -> str:
    """Empty where nothing counts frames: cameras, and films at their own pace."""
    found = progress(snapshot)
    if not found:
        return ""
    of = f" of {found['frames_total']}" if found["frames_done"] <= found["frames_total"] else ""
    pace = f"  {found['rate_hz']:.1f} Hz" if "rate_hz" in found else ""
    left = f"  {duration(found['left_s'])} left" if "left_s" in found and any(snapshot.pids.values()) else ""
    return f"{found['frames_done']}{of} frames{pace}{left}"


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def person_line(person: Person3D, joints: Sequence[str]) -> str:
    """Return id, how many joints are in which state, and where a few of them are."""
    counts = np.bincount(person.state, minlength=len(JOINT_STATES))
    states = " ".join(f"{n} {name.lower()}" for n, name in zip(counts, JOINT_STATES) if n)
    known = [(name, list(joints).index(name)) for name in SHOWN if name in joints]
    places = "  ".join(
        f"{name} {metres(person.xyz[i])}" for name, i in known if person.state[i] < len(JOINT_STATES) - 1
    )
    root = f"  at {metres(person.root_cam)}" if person.root_cam is not None else ""
    return f"person {person.id}: {states}{root}  {places}".rstrip()


def metres(point: Any) -> str:
    return "(" + ", ".join(f"{value:+.2f}" for value in point) + ") m"


@contextmanager
def live_block(config: RunConfig, newest: Newest) -> Iterator[Report]:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(), auto_refresh=False, transient=False) as live:
        yield lambda snapshot: live.update(block(config, snapshot, newest()), refresh=True)


def block(config: RunConfig, snapshot: Snapshot, pose: Pose3D | None) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from realtime.config.redact import without_secret

    info = snapshot.info
    head = Text(f"steadypose  {without_secret(config.source.spec)}  {where(config)}{viewer(config)}", "bold")
    parts = [
        info.get("detector", ""),
        info.get("model_choice", ""),
        info.get("engine", ""),
        info.get("why") or info.get("provider", ""),
    ]
    used = Text("  ".join(part for part in parts if part), "dim")
    total = max(1, snapshot.answered + snapshot.dropped)
    counts = Text(
        f"{snapshot.seconds:.0f} s  {snapshot.answered} poses  {snapshot.dropped} dropped "
        f"({100 * snapshot.dropped / total:.1f} %)  {snapshot.people} in view"
    )
    film = [Text(words)] if (words := progress_words(snapshot)) else []
    lines = () if config.remote.to else (*late(pose), *people_lines(pose, info.get("joints", ())))
    people = [Text(line) for line in (*lines, info.get("source_note", "")) if line]
    return Group(head, used, stages_table(snapshot), *film, counts, *people, Text("Ctrl-C ends", "dim"))


def stages_table(snapshot: Snapshot) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("stage", no_wrap=True)
    table.add_column("state", overflow="fold")
    for title in ("Hz", "p50 ms", "p99 ms", "drops", "restarts"):
        table.add_column(title, justify="right", no_wrap=True)
    for stage in snapshot.stages:
        state = f"[{COLOURS[stage.state]}]{stage.state.lower()}[/] {stage.reason}".rstrip()
        numbers = (stage.rate_hz, stage.p50_ms, stage.p99_ms)
        counts = (stage.dropped, stage.restarts_1h + stage.reconnects_1h)
        table.add_row(stage.stage, state, *(f"{n:.1f}" for n in numbers), *map(str, counts))
    return table


def summary(snapshot: Snapshot) -> str:
    """Summarise a run in one line: poses, rate, drops, restarts."""
    total = max(1, snapshot.answered + snapshot.dropped)
    mean = snapshot.answered / snapshot.seconds if snapshot.seconds else 0.0
    restarts = sum(stage.restarts_1h for stage in snapshot.stages)
    return (
        f"{snapshot.answered} poses in {snapshot.seconds:.1f} s ({mean:.1f} Hz), {snapshot.dropped} dropped "
        f"({100 * snapshot.dropped / total:.1f} %), {restarts} restarts"
    )
