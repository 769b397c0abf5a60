"""Run detector and optical flow over a clip's pictures for one person, as in production."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.config.schema import DetectorConfig
from realtime.detect.mediapipe_detector import Detection, Detector, open_detector
from realtime.occlude.appearance import sample_patch
from realtime.occlude.optical_flow import Flow, trace
from realtime.transport.frame_ring import grey_copy
from realtime.wire.arrays import F32

Image = NDArray[np.uint8]
Table = dict[str, NDArray[Any]]
JOINTS = 33


def open_observer(model: str = "full") -> Detector:
    """Return one person, video mode, visibility undone: the settings of production, on one core."""
    cv2.setNumThreads(1)
    return open_detector(DetectorConfig(model=model))


def observe(images: Iterable[Image], times: NDArray[Any], detector: Detector) -> Table:
    """Return arrays of `shards.Clip` that the detector answers for, (T, ...); a new track begins with the first
    picture."""
    detector.reset()
    rows: list[dict[str, Any]] = []
    last_grey: Any = None
    last_xy: Any = None
    for image, t in zip(images, times):
        grey, scale = grey_copy(image)
        people = detector.detect(image, round(float(t) * 1000))
        seen = people[0] if people else None
        patch = sample_patch(grey, seen.xy, scale) if seen else None
        traced = seen and last_xy is not None and last_grey is not None
        flow: Flow | None = trace(last_grey, grey, last_xy, scale) if traced else None
        rows.append(_row(seen, flow, patch))
        last_grey, last_xy = grey, seen.xy if seen else None
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _row(detection: Detection | None, flow: Flow | None, patch: F32 | None) -> dict[str, Any]:
    nothing = np.zeros(JOINTS, np.float32)
    flat, solid = np.zeros((JOINTS, 2), np.float32), np.zeros((JOINTS, 3), np.float32)
    return {
        "detected": np.bool_(detection is not None),
        "xy": detection.xy if detection else flat,
        "score": detection.score if detection else nothing,
        "presence": detection.presence if detection else nothing,
        "world": detection.world if detection and detection.world is not None else solid,
        "look": flat if patch is None else patch,
        "moved": flow.moved if flow else flat,
        "back_error": flow.back_error if flow else nothing,
        "patch_error": flow.patch_error if flow else nothing,
        "flow_known": flow.known if flow else np.zeros(JOINTS, bool),
    }
