"""Measure the viewer: time to first skeleton, server CPU at 30 Hz with video, publish-to-drawn latency.

`python -m realtime.bench.viewer [--seconds S]` prints a table and, last, one JSON line.  The browser draws in software.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from realtime.bench.load import load_of
from realtime.transport.address import free_port

OPENINGS = 5
AIMS = {"first_skeleton_s": 1.0, "server_cpu": 0.05, "publish_to_drawn_ms": 150.0}
WATCH = """() => {
    window.drawn = [];
    new MutationObserver(() => window.drawn.push(Number(document.body.dataset.publishToDrawn)))
        .observe(document.body, { attributes: true, attributeFilter: ['data-publish-to-drawn'] });
}"""


class CannotMeasure(Exception):
    exit_code = 2


@contextmanager
def program(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Provide one of ours, once its first line is out; it ends with the block."""
    command = [sys.executable, "-m", *words]
    process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line:
            raise CannotMeasure(f"{' '.join(words)} did not start; its error stands above")
        yield process, line
    finally:
        process.terminate()
        process.communicate(timeout=10)


@contextmanager
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise CannotMeasure("measuring needs playwright; install it with `pip install 'steadypose[dev]'`") from None
    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if found is None:
        raise CannotMeasure("measuring needs Chromium; install the package `chromium` of your system")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def first_skeletons(window: Any, address: str) -> list[float]:
    """Return seconds from asking for the page to the first skeleton on it."""
    times = []
    for _ in range(OPENINGS):
        page = window.new_page(viewport={"width": 1280, "height": 800})
        began = time.monotonic()
        page.goto(address, wait_until="commit")
        page.wait_for_selector("body[data-frame]", timeout=30_000)
        times.append(time.monotonic() - began)
        page.close()
    return times


def steady(window: Any, address: str, server: int, seconds: float) -> tuple[float, list[float]]:
    """Return share of a core that the server takes, and ms from publish to drawn for every frame drawn."""
    page = window.new_page(viewport={"width": 1280, "height": 800})
    page.goto(address)
    page.wait_for_selector("#video:not([hidden])", timeout=30_000)
    page.wait_for_timeout(2000)
    page.evaluate(WATCH)
    before, began = load_of(server).cpu_s, time.monotonic()
    page.wait_for_timeout(1000 * seconds)
    share = (load_of(server).cpu_s - before) / (time.monotonic() - began)
    drawn = page.evaluate("window.drawn")
    page.close()
    return share, drawn


def measure(seconds: float) -> dict[str, Any]:
    stream = f"tcp://127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        stack.enter_context(program("realtime.bench.viewer_stream", stream))
        flags = ("--connect", stream, "--http", "127.0.0.1:0", "--with-video", "--no-open")
        server, line = stack.enter_context(program("realtime.cli.main", "view", *flags))
        address, window = line.split()[-1], stack.enter_context(browser())
        first = first_skeletons(window, address)
        share, drawn = steady(window, address, server.pid, seconds)
    return figures(first, share, drawn, seconds)


def figures(first: list[float], share: float, drawn: list[float], seconds: float) -> dict[str, Any]:
    if len(drawn) < 10:
        raise CannotMeasure(f"only {len(drawn)} frames were drawn in {seconds:g} s; is the machine busy?")
    return {
        "first_skeleton_s": round(statistics.median(first), 3),
        "server_cpu": round(share, 4),
        "publish_to_drawn_ms": round(statistics.median(drawn), 1),
        "publish_to_drawn_p95_ms": round(statistics.quantiles(drawn, n=20)[18], 1),
        "drawn_hz": round(len(drawn) / seconds, 1),
    }


def lines(figures: dict[str, Any]) -> list[str]:
    rows = [
        ("first skeleton after opening", f"{figures['first_skeleton_s']:.2f} s", "1 s"),
        ("server CPU, 30 Hz with video", f"{100 * figures['server_cpu']:.1f} %", "5 %"),
        ("publish -> drawn, p50", f"{figures['publish_to_drawn_ms']:.0f} ms", "150 ms"),
        ("publish -> drawn, p95", f"{figures['publish_to_drawn_p95_ms']:.0f} ms", ""),
        ("drawn", f"{figures['drawn_hz']:.0f} Hz", ""),
    ]
    return [f"{'viewer':<32}{'measured':>10}{'aim':>9}"] + [f"{a:<32}{b:>10}{c:>9}" for a, b, c in rows]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("realtime.bench.viewer", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="of the steady part (default 10)")
    try:
        found = measure(parser.parse_args(argv).seconds)
    except CannotMeasure as error:
        print(f"viewer bench: {error}", file=sys.stderr)
        return error.exit_code
    print("\n".join(lines(found)))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
