"""Define the pipeline as a table: stage -> main, process, topics in and out, limits of silence.

Stages with the same `process` share one and hand over in memory.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    "detect": Stage("realtime.detect.stage:main", "detect", ("frame",), ("keypoints_raw",), 2.0, 120.0),
    "occlude": Stage("realtime.occlude.stage:main", "estimate", ("keypoints_raw",), ("keypoints",), 1.0, 120.0),
    "lift": Stage("realtime.lift.stage:main", "estimate", ("keypoints",), ("pose",), 1.0, 120.0),
    "publish": Stage("realtime.publish.stage:main", "publish", ("keypoints", "pose", "truth"), PUBLIC, 1.0, 30.0),
}

FILE: Table = {
    "file": Stage("realtime.offline.stage:main", "file", (), PUBLIC, 5.0, 120.0),
}

# Beside either, when asked for.  It reads the PoseRing: no stage waits for it, and a run ends without asking it.
RECORD: Table = {
    "record": Stage("realtime.recording.stage:main", "record", (), (), 5.0, 30.0),
}


def processes(table: Table) -> dict[str, dict[str, Stage]]:
    """Process -> its stages, in the order of the table."""
    grouped: dict[str, dict[str, Stage]] = {}
    for name, stage in table.items():
        grouped.setdefault(stage.process, {})[name] = stage
    return grouped


def handed_over(table: Table, process: str) -> frozenset[str]:
    """Topics that one stage of this process produces and another one consumes."""
    inside = [(name, stage) for name, stage in table.items() if stage.process == process]
    pairs = [(a, b) for name, a in inside for other, b in inside if name != other]
    return frozenset(topic for a, b in pairs for topic in a.produces if topic in b.consumes)
