"""A viewer's server in a thread, and a headless browser that looks at it."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest

from realtime.viewer.hub import ViewerOptions
from realtime.viewer.server import Viewer
from realtime.web.access import Listen
from realtime.wire.messages import ABSENT, HELD, INFERRED
from tests.support.people import walker as fake

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OBSERVED_BLUE, INFERRED_ORANGE, HELD_PURPLE, PERSON_1, PERSON_2 = "#0072b2", "#e69f00", "#b8478c", "#7a5cd0", "#5c7a1d"
PERSON_1_LEFT, PERSON_1_RIGHT = "#b6a5e5", "#4c3981"
SECOND = 15_000  # ms; a page has this long to show what it is expected to show
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")


@contextmanager
def serving(connect: str, host: str = "127.0.0.1", port: int = 0, **options) -> Iterator[Viewer]:
    viewer, loop = Viewer(ViewerOptions(connect, Listen(host, port), **options)), asyncio.new_event_loop()
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
def chromium() -> Iterator[Browser]:
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
    image = cv2.imdecode(png, cv2.IMREAD_COLOR)
    assert image is not None
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def count(image: np.ndarray, colour: str, tolerance: int = 6) -> int:
    """Pixels of one CSS colour."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(image.astype(int) - wanted).max(-1) <= tolerance).sum())


def middle(image: np.ndarray, colour: str, tolerance: int = 6) -> np.ndarray:
    """Where the pixels of one colour lie: mean x, y."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    rows, columns = np.nonzero(np.abs(image.astype(int) - wanted).max(-1) <= tolerance)
    return np.array([columns.mean(), rows.mean()]) if len(rows) else np.array([np.nan, np.nan])


def state(page, wanted, timeout=SECOND):
    page.wait_for_selector(f"body[data-state={wanted}]", timeout=timeout)


def until(page, expression):
    """The page's policy forbids the eval that `wait_for_function` needs."""
    end = time.monotonic() + SECOND / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"{expression} did not come true"
        page.wait_for_timeout(30)


def wait(page, frames=3):
    """Until so many further frames are drawn."""
    at = int(page.evaluate("document.body.dataset.frame"))
    until(page, f"Number(document.body.dataset.frame) >= {at + frames}")


def hidden_arm(t):
    hidden = {"right_elbow": INFERRED, "right_wrist": INFERRED, "right_knee": HELD, "right_ankle": HELD, "head": ABSENT}
    return [fake.person(1, fake.in_camera(fake.walker(t)), hidden)]


def two(t):
    return [fake.person(k, fake.in_camera(fake.walker(t, k), x)) for k, x in ((1, -0.6), (2, 0.7))]


def still(x):
    return lambda t: [fake.person(1, fake.in_camera(fake.walker(0.3), x))]
