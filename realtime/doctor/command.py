"""`realtime doctor`: report what this machine has, what is wrong, and the command that fixes it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from realtime.doctor import machine, packages, wire_check
from realtime.doctor.machine import Finding

if TYPE_CHECKING:
    from realtime.config.schema import RunConfig

MARKS = {"good": "[green]ok[/]", "note": "[yellow]note[/]", "bad": "[bold red]bad[/]"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a finding, one a line")
    parser.add_argument(
        "--measure",
        action="store_true",
        help="time the lifter and every detector model in the cache, and recommend one",
    )
    parser.add_argument("--config", metavar="FILE", help="check this machine for these settings")


def findings(config_file: str | None) -> Iterator[Finding]:
    from realtime.config.detector_models import NAMES
    from realtime.config.loader import load
    from realtime.detect.model_download import fault, model_path
    from realtime.transport.runtime_dir import base_directory

    config = load(config_file)
    yield machine.machine()
    yield from machine.cameras()
    yield from (packages.model(name, model_path(name), fault(model_path(name))) for name in NAMES)
    yield from engines()
    yield from packages.backends()
    yield packages.libraries()
    yield from packages.packages()
    yield from packages.namesakes()
    yield wire_check.messages()
    yield wire_check.calls_home(os.environ)
    yield machine.gpu()
    yield machine.shared_memory(shared_bytes(config))
    yield machine.runtime_directory(base_directory())
    yield machine.port(config.publish.bind, "poses", "--bind tcp://127.0.0.1:5565")
    yield machine.port(config.view.http, "viewer", "--http 127.0.0.1:8018")


def speed(config_file: str | None) -> list[Finding]:
    """Take seconds, so only where it is asked for."""
    from realtime.config.loader import load
    from realtime.doctor.measure import measured

    return measured(load(config_file))


def shared_bytes(config: RunConfig) -> int:
    """Return what the rings of pictures and of poses take at this size."""
    from realtime.transport.frame_ring_layout import slots_for, stride_of
    from realtime.transport.pose_ring import SIZE

    width, height = config.source.width, config.source.height
    return slots_for(width, height, config.pipeline.frame_slots) * stride_of(width, height) + SIZE


def engines() -> Iterator[Finding]:
    """Yield every engine in the store, held against its digests."""
    from engines import store
    from engines.errors import EngineError

    if not store.names():
        yield Finding("bad", "engine", f"none in {store.PRETRAINED}", "pip install --force-reinstall steadypose", 6)
    for name in store.names():
        try:
            store.load(store.locate(name))
            yield Finding("good", "engine", name)
        except EngineError as error:
            yield Finding("bad", "engine", str(error), f"engines verify {name}", 6)


def main(args: argparse.Namespace) -> int:
    found = [*findings(args.config), *(speed(args.config) if args.measure else [])]
    if args.json:
        for finding in found:
            print(json.dumps(asdict(finding)))
    else:
        show(found)
    return next((finding.exit_code for finding in found if finding.level == "bad"), 0)


def show(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for wrap in ("ellipsis", "ellipsis", "fold"):
        table.add_column(overflow=wrap)
    for finding in findings:
        fix = f"\n[dim]{escape(finding.fix)}[/]" if finding.fix and finding.level != "good" else ""
        table.add_row(MARKS[finding.level], finding.what, escape(finding.found) + fix)
    console = Console(file=sys.stdout, soft_wrap=False)
    console.print(table)
    wrong = [finding for finding in findings if finding.level == "bad"]
    console.print(f"{len(wrong)} to fix" if wrong else "ready: realtime run --demo")
