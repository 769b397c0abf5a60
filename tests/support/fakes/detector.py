"""A detector that finds a person who walks, in no time, without a model; told by FAKES how to misbehave.

FAKES is JSON in the environment, because stages live in processes of their own:
    detect_s, detect_busy_s   time of each picture, asleep or burning CPU
    detector_load_s           time to open
    wedge                     "detect": at picture 30 the first process hangs in C and holds the interpreter's lock
    crash                     name of a stage whose main raises at once
"""

from __future__ import annotations

import ctypes
import json
import os
import time
from typing import Any

import numpy as np

from engines.skeleton import BLAZEPOSE_33
from realtime.detect import stage as detect_stage
from realtime.detect.mediapipe_detector import Detection

# (J, 2) a standing person in units of his height, origin between the hips
STANDING = np.array(
    [(0, -0.75), (0.02, -0.78), (0.03, -0.78), (0.04, -0.78), (-0.02, -0.78), (-0.03, -0.78), (-0.04, -0.78),
     (0.06, -0.77), (-0.06, -0.77), (0.02, -0.72), (-0.02, -0.72), (0.12, -0.55), (-0.12, -0.55), (0.17, -0.33),
     (-0.17, -0.33), (0.19, -0.12), (-0.19, -0.12), (0.2, -0.07), (-0.2, -0.07), (0.19, -0.06), (-0.19, -0.06),
     (0.18, -0.08), (-0.18, -0.08), (0.07, 0), (-0.07, 0), (0.08, 0.25), (-0.08, 0.25), (0.08, 0.5), (-0.08, 0.5),
     (0.07, 0.53), (-0.07, 0.53), (0.11, 0.54), (-0.11, 0.54)],
    np.float32,
)  # fmt: skip


def fakes() -> dict[str, Any]:
    return json.loads(os.environ.get("FAKES", "{}"))


class FakeDetector:
    joints = BLAZEPOSE_33
    name = "fake"

    def __init__(self) -> None:
        self.told, self.count = fakes(), 0
        time.sleep(self.told.get("detector_load_s", 0))

    def detect(self, image: np.ndarray, t_ms: int) -> list[Detection]:
        self.count += 1
        time.sleep(self.told.get("detect_s", 0))
        burn(self.told.get("detect_busy_s", 0))
        height, width = image.shape[:2]
        sway = 0.05 * np.sin(t_ms / 300)
        xy = (STANDING * 0.6 + (0.5 + sway, 0.55)) * (height, height) + ((width - height) / 2, 0)
        world = np.concatenate([STANDING * 1.7, np.zeros((len(STANDING), 1))], 1)
        sure = np.full(len(STANDING), 0.99, np.float32)
        return [Detection(xy.astype(np.float32), sure, sure, world.astype(np.float32))]

    def reset(self) -> None: ...

    def close(self) -> None: ...


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def hang_in_c() -> None:
    """For ever, holding the interpreter's lock: no thread of this process runs again."""
    ctypes.PyDLL(None).pause()


def main(ctx) -> None:
    if fakes().get("crash") == "detect":
        raise RuntimeError("the fake detector was told to crash")
    detector = FakeDetector()
    if fakes().get("wedge") == "detect" and ctx.starts == 0:
        answer = detector.detect
        detector.detect = lambda *a: hang_in_c() if detector.count >= 30 else answer(*a)  # type: ignore[assignment]
    detect_stage.run(ctx, detector)
