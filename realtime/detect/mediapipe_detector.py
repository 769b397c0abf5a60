"""Detect people's keypoints with MediaPipe's pose landmarker.

An ONNX detector can stand beside it: whatever has `Detector`'s members will do.
"""

from __future__ import annotations

import atexit
import weakref
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.skeleton import BLAZEPOSE_33, JointSet
from realtime.config.schema import DetectorConfig
from realtime.detect.census import Census, strangers
from realtime.detect.deferred_import import deferred
from realtime.detect.find_bundle import bundle_of
from realtime.detect.model_download import COMMAND, ModelError
from realtime.detect.native_library import quiet_for_good, remarks_kept, send_nothing
from realtime.wire.arrays import F32

_landmarkers: weakref.WeakSet[Any] = weakref.WeakSet()  # open ones
SEARCHER = 0
LOW_PASS = 0.1  # weight of the new value in MediaPipe's filter of the visibility (one person, video mode)


@dataclass(frozen=True)
class Detection:
    xy: F32  # (J, 2) px
    score: F32  # (J,) visibility in [0, 1], of this frame alone unless smoothing is kept
    presence: F32  # (J,) in [0, 1]: whether the joint lies in the picture at all
    world: F32 | None  # (J, 3) m from the middle of the hips, camera axes: x right, y down, z forward


class Detector(Protocol):
    joints: JointSet
    name: str

    def detect(self, image: NDArray[np.uint8], t_ms: int) -> list[Detection]:
        """Detect the people of a BGR picture (H, W, 3); `t_ms` should grow from call to call."""
        ...

    def reset(self) -> None:
        """Forget the people of earlier pictures: the next picture belongs to another stream."""
        ...

    def close(self) -> None: ...


def open_detector(config: DetectorConfig) -> Detector:
    """Ready to answer at once (its networks have run); raises ModelError with the next command."""
    model = bundle_of(config.model)
    send_nothing()
    return MediaPipeDetector(model, config)


class MediaPipeDetector:
    joints = BLAZEPOSE_33

    def __init__(self, model: Path, config: DetectorConfig) -> None:
        self.name = f"mediapipe {model.stem}"
        self._model, self._config = model, config
        self._open()

    def _open(self) -> None:
        self._spoken: weakref.WeakSet[Any] = weakref.WeakSet()  # landmarkers that have found somebody
        self._stamp = 0
        self._last_ms: int | None = None
        self._census = Census(self._config.people, round(self._config.look_s * 1000))
        self._landmarkers: dict[int, Any] = {}  # by how many people each is asked for; 0: searches single pictures
        self._asked = 0
        self._ask_for(self._census.wanted)

    def detect(self, image: NDArray[np.uint8], t_ms: int) -> list[Detection]:
        picture, size = _picture(image), (image.shape[1], image.shape[0])
        landmarker, stamp = self._ask_for(self._census.wanted), self._next_stamp(t_ms)
        with self._first_words(landmarker):
            answer = landmarker.detect_for_video(picture, stamp)
        people = _detections(answer, size)[: self._config.people]
        if people:
            self._spoken.add(landmarker)
        self._census.tracked(len(people), t_ms)
        if self._census.is_look_due(len(people), t_ms):
            searcher = self._searcher()
            with self._first_words(searcher):
                found = _detections(searcher.detect(picture), size)
            if found:
                self._spoken.add(searcher)
            new = strangers([one.xy for one in found], [one.xy for one in people])
            self._census.looked(len(people) + new, t_ms)
        return self._unfilter(people) if self._unfilter else people

    def _ask_for(self, count: int) -> Any:
        """Return the landmarker for that many people; a changed number restarts it and its filter."""
        if count != self._asked:
            if self._asked in self._landmarkers:
                _close(self._landmarkers.pop(self._asked))
            self._asked = count
            self._landmarkers[count] = _landmarker(self._model, self._config, count)
            self._unfilter = Unfilter() if count == 1 and self._config.smoothing == "undo" else None
        return self._landmarkers[count]

    def _searcher(self) -> Any:
        if SEARCHER not in self._landmarkers:
            self._landmarkers[SEARCHER] = _landmarker(self._model, self._config, self._config.people, "IMAGE")
        return self._landmarkers[SEARCHER]

    def _first_words(self, landmarker: Any) -> AbstractContextManager[object]:
        """Keep back what a landmarker logs about the first person it finds."""
        return nullcontext() if landmarker in self._spoken else remarks_kept()

    def _next_stamp(self, t_ms: int) -> int:
        """MediaPipe stops for good at a stamp that does not grow; a clock that stands or jumps back gives +1 ms."""
        last, self._last_ms = self._last_ms, t_ms
        self._stamp += 1 if last is None else max(1, t_ms - last)
        return self._stamp

    def reset(self) -> None:
        self.close()
        self._open()

    def close(self) -> None:
        for landmarker in self._landmarkers.values():
            _close(landmarker)


class Unfilter:
    """Takes MediaPipe's low-pass out of one person's visibility: v_t = a raw_t + (1 - a) v_(t-1), solved for raw_t.

    MediaPipe starts its filter anew after a frame without a person, and so does this.
    """

    def __init__(self) -> None:
        self._last: F32 | None = None

    def __call__(self, people: list[Detection]) -> list[Detection]:
        last, self._last = self._last, people[0].score if people else None
        if last is None or not people:
            return people
        raw = (people[0].score - (1 - LOW_PASS) * last) / LOW_PASS
        score = np.clip(raw, 0, 1).astype(np.float32)
        return [Detection(people[0].xy, score, people[0].presence, people[0].world)]


def mediapipe_tasks() -> Any:
    """Import MediaPipe without its drawing and recording modules."""
    with deferred("matplotlib", "matplotlib.pyplot", "sounddevice"):
        import mediapipe
    return mediapipe


def _picture(image: NDArray[np.uint8]) -> Any:
    """Hand a BGR picture (H, W, 3) over as RGB; where its memory is RGB, as it is."""
    import mediapipe

    rgb = image[..., ::-1]
    if not rgb.flags.c_contiguous:
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)


def _detections(result: Any, size: tuple[int, int]) -> list[Detection]:
    px = np.array(size, np.float32)
    return [_detection(*pair, px) for pair in zip(result.pose_landmarks, result.pose_world_landmarks)]


def _detection(landmarks: list[Any], world: list[Any], size: F32) -> Detection:
    flat = np.array([(p.x, p.y, p.visibility, p.presence) for p in landmarks], np.float32)  # (J, 4)
    metres = np.array([(p.x, p.y, p.z) for p in world], np.float32)  # (J, 3)
    return Detection(flat[:, :2] * size, flat[:, 2], flat[:, 3], metres)


def _landmarker(model: Path, config: DetectorConfig, count: int, mode: str = "VIDEO") -> Any:
    """Open a pose landmarker and show it an empty picture; its native remarks come with an error."""
    empty = np.full((128, 128, 3), 127, np.uint8)
    with remarks_kept() as said:
        try:
            landmarker = _create(model, config, count, mode)
            picture = _picture(empty)
            landmarker.detect_for_video(picture, 0) if mode == "VIDEO" else landmarker.detect(picture)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"MediaPipe refuses {model}: {error}. {said()} The default model: {COMMAND}") from error
    _landmarkers.add(landmarker)
    return landmarker


def _create(model: Path, config: DetectorConfig, count: int, mode: str) -> Any:
    """MediaPipe smooths only when it is asked for one person."""
    tasks = mediapipe_tasks().tasks
    options = tasks.vision.PoseLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_path=str(model)),
        running_mode=tasks.vision.RunningMode[mode],
        num_poses=max(2, count) if config.smoothing == "avoid" else count,
        min_pose_detection_confidence=config.min_detection,
        min_pose_presence_confidence=config.min_presence,
        min_tracking_confidence=config.min_tracking,
    )
    return tasks.vision.PoseLandmarker.create_from_options(options)


def _close(landmarker: Any) -> None:
    with remarks_kept():
        landmarker.close()


@atexit.register
def _let_go() -> None:
    """At exit MediaPipe's threads end before its destructors run, which would then fail loudly."""
    for landmarker in _landmarkers:
        landmarker._handle = None  # noqa: SLF001
    if _landmarkers:
        quiet_for_good()
