"""Open what a worker process needs for all its shards: motion segments and detector."""

from __future__ import annotations

from functools import lru_cache

from realtime.detect.mediapipe_detector import Detector
from trainers.data.motion import MotionSegment, long_segments
from trainers.synthesis.run_detector import open_observer


@lru_cache(maxsize=1)
def open_inputs(motion: str, part: str, shortest_s: float, model: str) -> tuple[list[MotionSegment], Detector]:
    """Open the segments of `shortest_s` or more and the detector, once for all shards of the same settings."""
    return long_segments(motion, shortest_s, part), open_observer(model)
