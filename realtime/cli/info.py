"""`realtime info`: summarise what a recording holds, on one screen."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from realtime.recording.reader import Summary, summarize
from realtime.wire.messages import Hello


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="a recording")
    parser.add_argument("--json", action="store_true", help="one JSON object, numbers in the units of their names")


def main(args: argparse.Namespace) -> int:
    summary = summarize(args.file)
    if args.json:
        print(json.dumps(as_json(summary)))
        return 0
    for name, value in lines(summary):
        print(f"{name:<11}{value}")
    return 0


def as_json(summary: Summary) -> dict[str, Any]:
    """Build the summary as JSON; `people` counts the poses of each id."""
    return {
        "seconds": summary.seconds, "bytes": summary.bytes, "poses": summary.counts["Pose3D"],
        "keypoints2d": summary.counts["Keypoints2D"], "streams": len(summary.streams),
        "people": {str(i): n for i, n in sorted(summary.people.items())}, "statuses": dict(summary.statuses),
        "joint_states": dict(summary.states), "dropped": summary.never_answered,
        "lost": summary.losses.at_writing, "malformed": summary.losses.malformed,
        "damaged_bytes": summary.damage.bytes_skipped, "hello": asdict(summary.hello) if summary.hello else None,
    }  # fmt: skip


def lines(summary: Summary) -> list[tuple[str, str]]:
    poses = summary.counts["Pose3D"]
    rate = (poses - 1) / summary.seconds if summary.seconds else 0.0
    rows = [
        ("length", f"{summary.seconds:.1f} s, {poses} poses ({rate:.1f} Hz), {summary.bytes / 1e6:.1f} MB"),
        ("2D", f"{summary.counts['Keypoints2D']} frames of keypoints"),
        ("streams", str(len(summary.streams))),
        ("people", ", ".join(f"{i} ({n} poses)" for i, n in sorted(summary.people.items())) or "nobody"),
        ("frames", ", ".join(f"{name} {count}" for name, count in summary.statuses.most_common()) or "none"),
        ("joints", shares(summary)),
        ("dropped", f"{summary.never_answered} captured frames without a pose"),
        ("lost", f"{summary.losses.at_writing} while recording, {summary.losses.malformed} malformed"),
        ("damage", damage(summary)),
    ]
    return rows + (hello_lines(summary.hello) if summary.hello else [("hello", "none: joints have no names")])


def shares(summary: Summary) -> str:
    total = sum(summary.states.values())
    return ", ".join(f"{name} {100 * n / total:.1f} %" for name, n in summary.states.most_common()) if total else "none"


def damage(summary: Summary) -> str:
    found = summary.damage
    if not found.places:
        return "none"
    ended = ", ends within a record (the writer was killed)" if found.torn_tail else ""
    return f"{found.bytes_skipped} bytes in {found.places} places{ended}"


def hello_lines(hello: Hello) -> list[tuple[str, str]]:
    return [
        ("source", f"{hello.source}, boot {hello.boot}"),
        ("engine", f"{hello.engine} ({hello.engine_sha256[:12]})"),
        ("detector", hello.detector),
        ("axes", f"{hello.axes}, {hello.unit}; {len(hello.joints)} joints in 3D, {len(hello.joints2d)} in 2D"),
        ("threshold", f"{hello.threshold:g} ({hello.reliability_source}); look-ahead {hello.look_ahead_ms:g} ms"),
        ("config", hello.config_hash),
    ]
