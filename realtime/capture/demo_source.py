"""Play the rendered people of the demo as a source, live or every frame."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace

from realtime import clock
from realtime.capture.source import Picture, Stamper
from realtime.config.schema import DemoConfig, SourceConfig
from realtime.config.source_spec import demo_turn

DEMO_FOV_DEG = 60.0
TOGETHER_S = 600  # what turned cameras show begins anew, for all at once, this often


class DemoSource:
    """The rendered man: live at the asked rate, or every frame as fast as it is asked for."""

    def __init__(self, config: SourceConfig, demo: DemoConfig, people: int, stamper: Stamper) -> None:
        from realtime.demo.world import CylinderWorld, turned_camera

        self.live, self.fps = not config.every_frame, config.fps
        self.size = (config.width, config.height)
        self._stamper = stamper
        self._world = CylinderWorld(
            demo.seed, self.size, self.fps, motion=demo.motion, people=people, fov_deg=DEMO_FOV_DEG,
            boards=demo.boards, look_pool=demo.looks,
        )  # fmt: skip
        self._turned = config.spec != "demo"
        if self._turned:  # one of several cameras before the same people
            self._world.camera = turned_camera(self.size, DEMO_FOV_DEG, demo_turn(config.spec))
        self._frames = round(TOGETHER_S * self.fps) if self._turned else sys.maxsize
        self._index = -1
        self._start_ns, self._start_unix_ns = clock.now_ns(), clock.unix_ns()
        if self._turned and self.live:  # cameras in processes of their own show the same moment
            self._start_ns, self._start_unix_ns = 0, self._start_unix_ns - self._start_ns
        self._wait: Callable[[int], None] = wait_until if self.live else lambda _: None

    def read(self) -> Picture:
        self._index = max(self._index + 1, self._due() if self.live else 0)
        after_ns = round(self._index * 1e9 / self.fps)
        self._wait(self._start_ns + after_ns)
        image, truth = self._world.frame(self._index % self._frames)
        together = not self.live or self._turned  # cameras of a room: the moment that is shown, however long it takes
        grabbed_ns = after_ns if together else clock.now_ns() - self._start_ns
        stamp = self._stamper.stamp(image.shape, self._start_ns + grabbed_ns, self._start_unix_ns + grabbed_ns)
        return Picture(image, stamp, replace(truth, stamp=stamp))

    def _due(self) -> int:
        """Compute the number of the frame that is due now; like a camera, it does not wait for a slow machine."""
        return math.ceil((clock.now_ns() - self._start_ns) * 1e-9 * self.fps)

    def close(self) -> None: ...


def wait_until(moment_ns: int) -> None:
    import time

    left = (moment_ns - clock.now_ns()) * 1e-9
    if left > 0:
        time.sleep(left)
