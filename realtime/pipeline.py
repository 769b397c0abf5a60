"""Define the pipeline as a table: stage -> main, process, topics in and out, limits of silence.

Stages with the same `process` share one and hand over in memory.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Stage:
    main: str  # module:function, called with ctx
    process: str
    consumes: tuple[str, ...]
    produces: tuple[str, ...]
    max_silence_s: float  # no beat for so long once ready: killed and started again
    start_grace_s: float  # no beat for so long before ready


Table = dict[str, Stage]

PUBLIC = ("pose3d", "keypoints2d", "truth", "health", "hello")

LIVE: Table = {
    "capture": Stage("realtime.capture.stage:main", "capture", (), ("frame", "truth"), 1.0, 30.0),
    "detect": Stage("realtime.detect.stage:main", "estimate", ("frame",), ("taken", "keypoints_raw"), 2.0, 120.0),
    "occlude": Stage("realtime.occlude.stage:main", "estimate", ("taken", "keypoints_raw"), ("keypoints",), 1.0, 120.0),
    "lift": Stage("realtime.lift.stage:main", "estimate", ("keypoints",), ("pose", "keypoints_lifted"), 1.0, 120.0),
    "publish": Stage(
        "realtime.publish.stage:main", "publish", ("pose", "keypoints_lifted", "truth"), PUBLIC, 1.0, 30.0
    ),
}

# The detector in a process of its own: one hop more, for machines with cores to spare.
APART: Table = LIVE | {"detect": replace(LIVE["detect"], process="detect")}
LAYOUTS = {"joined": LIVE, "apart": APART}
MANY_CORES = 8  # from here on `auto` is apart

FILE: Table = {
    "file": Stage("realtime.offline.stage:main", "file", (), PUBLIC, 5.0, 120.0),
}

# Only the camera is here: its pictures go to another machine.
SEND: Table = {
    "capture": LIVE["capture"],
    "send": Stage("realtime.capture.remote.send_stage:main", "send", ("frame",), (), 1.0, 30.0),
}

# Several cameras of one room: films in one process; live ones each have a run of their own, whose topics are passed on.
ROOM_FILES: Table = {"file": replace(FILE["file"], main="realtime.offline.room_stage:main")}
ROOM: Table = {
    "fuse": Stage("realtime.fusion.stage:main", "fuse", (), PUBLIC, 1.0, 30.0),
}

# Beside any of them, when asked for.  It reads the PoseRing: no stage waits for it, and a run ends without asking it.
RECORD: Table = {
    "record": Stage("realtime.recording.stage:main", "record", (), (), 5.0, 30.0),
}


def live(layout: str) -> Table:
    """Choose the table of a live run: joined, apart, or auto by the cores this process may use."""
    if layout != "auto":
        return LAYOUTS[layout]
    return APART if cores() >= MANY_CORES else LIVE


def cores() -> int:
    """Count the cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes(table: Table) -> dict[str, dict[str, Stage]]:
    """Process -> its stages, in the order of the table."""
    grouped: dict[str, dict[str, Stage]] = {}
    for name, stage in table.items():
        grouped.setdefault(stage.process, {})[name] = stage
    return grouped


def handed_over(table: Table, process: str) -> frozenset[str]:
    """Topics that one stage of this process produces and another one consumes; no stage outside may consume them."""
    inside = [(name, stage) for name, stage in table.items() if stage.process == process]
    pairs = [(a, b) for name, a in inside for other, b in inside if name != other]
    return frozenset(topic for a, b in pairs for topic in a.produces if topic in b.consumes)
