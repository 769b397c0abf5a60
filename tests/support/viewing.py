"""A viewer's server in a thread, and a headless browser that looks at it.

Knows: the viewer's options, Chromium by playwright.  Does not know: what the page should show.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from realtime.viewer.access import Listen
from realtime.viewer.hub import Options
from realtime.viewer.server import Viewer

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")


@contextmanager
def serving(connect: str, host: str = "127.0.0.1", port: int = 0, **options) -> Iterator[Viewer]:
    viewer, loop = Viewer(Options(connect, Listen(host, port), **options)), asyncio.new_event_loop()
    up, stop = threading.Event(), asyncio.Event()

    async def run() -> None:
        await viewer.start()
        up.set()
        await stop.wait()
        await viewer.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert up.wait(10)
    try:
        yield viewer
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
        assert not thread.is_alive()


@contextmanager
def chromium() -> Iterator[object]:
    """A browser, or a skip where this machine has none."""
    api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def pixels(page, selector: str = "#scene") -> np.ndarray:
    """(H, W, 3) RGB of one element as it stands on the screen."""
    import cv2

    png = np.frombuffer(page.locator(selector).screenshot(), np.uint8)
    return cv2.cvtColor(cv2.imdecode(png, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def count(image: np.ndarray, colour: str, tolerance: int = 6) -> int:
    """Pixels of one CSS colour."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(image.astype(int) - wanted).max(-1) <= tolerance).sum())


def middle(image: np.ndarray, colour: str, tolerance: int = 6) -> np.ndarray:
    """Where the pixels of one colour lie: mean x, y."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    rows, columns = np.nonzero(np.abs(image.astype(int) - wanted).max(-1) <= tolerance)
    return np.array([columns.mean(), rows.mean()]) if len(rows) else np.array([np.nan, np.nan])
