"""Run the benchmarks and write BENCHMARKS.md: each section is what its command printed, with machine, date and load.

`python docs/benchmarks.py [--only a,b] [--views DIR ...] [--data DIR] [--runs DIR ...]`.  Without `--only` every
section whose data is at hand is measured anew (about an hour; endurance is half of it); the others keep what they
printed last.
`python docs/benchmarks.py --page` only assembles the page.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from realtime.cli.bench import machine

DOCS = Path(__file__).parent
KEPT = DOCS / "benchmarks"  # what each command printed last
PAGE = DOCS / "BENCHMARKS.md"
PYTHON = "{python}"
VIEWS, DATA, RUNS = "{views}", "{data}", "{runs}"


@dataclass(frozen=True)
class Section:
    title: str
    command: tuple[str, ...]
    needs: str = ""  # what of the arguments its command takes


SECTIONS = {
    "views": Section(
        "Accuracy: real people before calibrated cameras",
        (PYTHON, "-m", "trainers", "evaluate", "hold", "causal-small", "causal-37", RUNS, "--views", VIEWS),
        "views",
    ),
    "suite": Section(
        "Accuracy: more covered, for shorter and longer",
        (PYTHON, "-m", "trainers", "evaluate", "hold", "causal-small", "causal-37", RUNS, "--suite", "--out",
         "runs/evaluate/suite", "--views", VIEWS),
        "views",
    ),
    "held-out": Section(
        "Accuracy: rendered people never trained on, limbs occluded",
        (PYTHON, "-m", "trainers", "compare", "detector", "last-observed", "hold", "causal-small", "causal-37", RUNS,
         "--data", DATA, "--occlusion", "limbs", "--limit", "40"),
        "data",
    ),
    "latency": Section("Latency and throughput beside the bare detector", (PYTHON, "-m", "realtime", "bench")),
    "steps": Section(
        "Where the time of a frame goes",
        (PYTHON, "-m", "realtime", "bench", "--all", "where", "processor", "engines", "cores", "hops"),
    ),
    "sweep": Section("People, picture sizes, rates, detector models", (PYTHON, "-m", "realtime.bench.sweep")),
    "hand-over": Section("A picture to another process", (PYTHON, "-m", "realtime.bench.hand_over")),
    "streaming": Section("A tick: streamed, or its window anew", (PYTHON, "-m", "trainers", "streaming")),
    "training": Section("Steps and windows a second of every recipe", (PYTHON, "-m", "trainers", "bench")),
    "viewer": Section("The viewer", (PYTHON, "-m", "realtime.bench.viewer")),
    "viewers": Section("Viewers of others", (PYTHON, "-m", "realtime.bench.viewer_peers")),
    "endurance": Section("Endurance: half an hour of kills and stops", (PYTHON, "-m", "realtime", "soak")),
}  # fmt: skip


def main() -> int:
    args = arguments()
    KEPT.mkdir(exist_ok=True)
    chosen = args.only.split(",") if args.only else [name for name, s in SECTIONS.items() if has(args, s.needs)]
    for name in [] if args.page else chosen:
        measure(name, args)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME,NAME", help=", ".join(SECTIONS))
    parser.add_argument("--views", nargs="+", default=[], metavar="DIR", help="calibrated films with reference joints")
    parser.add_argument("--data", default="", metavar="DIR", help="of trainers synthesize rendered --part validation")
    parser.add_argument("--runs", nargs="+", default=[], metavar="DIR", help="trained lifters to judge beside them")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    args = parser.parse_args()
    if args.only and (unknown := set(args.only.split(",")) - set(SECTIONS)):
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(SECTIONS)}")
    return args


def has(args: argparse.Namespace, needs: str) -> bool:
    return not needs or bool(getattr(args, needs))


def measure(name: str, args: argparse.Namespace) -> None:
    """One command; what it prints is kept with where and when, and its last line of JSON apart."""
    section, load = SECTIONS[name], os.getloadavg()[0]
    print(f"{name}: {section.title}", flush=True)
    done = subprocess.run(filled(section.command, args), stdout=subprocess.PIPE, text=True)
    lines = done.stdout.rstrip().splitlines()
    figures = lines.pop() if lines and is_json(lines[-1]) else "{}"
    where = f"{machine()}, {time.strftime('%Y-%m-%d')}, load average before it {load:.1f}"
    kept = {"where": where, "exit_code": done.returncode, "table": lines, "figures": json.loads(figures)}
    (KEPT / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def filled(command: tuple[str, ...], args: argparse.Namespace) -> list[str]:
    words: list[str] = []
    for word in command:
        words += {PYTHON: [sys.executable], VIEWS: args.views, DATA: [args.data], RUNS: args.runs}.get(word, [word])
    return words


def is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def page() -> str:
    """Assemble the page from its head, the kept sections and its tail about peers."""
    parts = [(DOCS / "benchmarks.head.txt").read_text(encoding="utf-8").rstrip()]
    for name, section in SECTIONS.items():
        kept = KEPT / f"{name}.json"
        if kept.exists():
            parts.append(section_text(section, json.loads(kept.read_text(encoding="utf-8")), words(name)))
    return "\n\n".join([*parts, (DOCS / "benchmarks.peers.txt").read_text(encoding="utf-8").rstrip()]) + "\n"


def section_text(section: Section, kept: dict[str, object], about: str) -> str:
    shown = {PYTHON: "python", VIEWS: "VIEWS...", DATA: "DATA", RUNS: "RUNS..."}
    command = " ".join(shown.get(word, word) for word in section.command)
    table = "\n".join(kept["table"]) if isinstance(kept["table"], list) else ""
    ended = "" if kept["exit_code"] == 0 else f" It ended with exit code {kept['exit_code']}."
    return f"## {section.title}\n\n`{command}`\n\n{about}\n\n```\n{table}\n```\n\n{kept['where']}.{ended}"


def words(name: str) -> str:
    """Read a section's introduction: `## NAME` in benchmarks.words.txt, up to the next one."""
    text = (DOCS / "benchmarks.words.txt").read_text(encoding="utf-8")
    for part in text.split("## ")[1:]:
        title, _, body = part.partition("\n")
        if title.strip() == name:
            return body.strip()
    return ""


if __name__ == "__main__":
    sys.exit(main())
