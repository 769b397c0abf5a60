"""Track people: detections of one frame -> people with ids that stay.

A lost person stays with score 0 for a while, so that the stages behind can let the joints age.  Whoever comes back
elsewhere within that time is known again by place, size, bone lengths and the colours of their clothes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from realtime.detect.matching import (
    GATE_MOST,
    Track,
    distance,
    distinct,
    match,
    sane_detection,
    stands_clear,
    within_reach,
)
from realtime.detect.mediapipe_detector import Detection
from realtime.detect.signature import Signature, difference, signature
from realtime.wire.messages import Keypoints2D, Person2D, Stamp

CONFIRMED_FRAMES = 3  # a track seen in fewer frames is no person: it goes as soon as it is lost
TOLD_FRAMES = 10  # who joins somebody in view is told from then on: a post or a shadow is seldom found so often
LOOK_NS = 200_000_000  # between two looks at the clothes of somebody who is alone
ALIKE = 1.5  # standard deviations within which two looks are one person's
MARGIN = 0.5  # by which the next one must be less alike

Image = NDArray[np.uint8]


class Tracker:
    """One stream's people.  `first_id` defaults to milliseconds since boot, so that no id returns after a restart."""

    def __init__(self, max_people: int, lost_s: float = 2.5, first_id: int | None = None) -> None:
        self._max_people, self._lost_ns = max_people, int(lost_s * 1e9)
        self._next_id = time.monotonic_ns() // 1_000_000 % 2**30 if first_id is None else first_id
        self._tracks: list[Track] = []
        self._glimpses: list[Track] = []  # told, and gone before they were sure to be somebody
        self._displaced: list[Track] = []  # told, lost, and gone because there were too many
        self._stream: int | None = None

    def update(
        self, detections: Sequence[Detection], stamp: Stamp, width: int, height: int, image: Image | None = None
    ) -> Keypoints2D:
        """Track the detections of a frame; `image` (H, W, 3) BGR allows re-identification by clothes."""
        now_ns = stamp.t_capture_ns
        if stamp.stream != self._stream:
            self._tracks, self._glimpses, self._displaced, self._stream = [], [], [], stamp.stream
        found = distinct([sane_detection(d) for d in detections])[: self._max_people]
        self._assign(found, now_ns, image)
        self._recognise(now_ns)
        self._forget(now_ns)
        self._tell(now_ns)
        people = tuple(_person(t, t.seen_ns == now_ns) for t in self._tracks if t.published)
        return Keypoints2D(stamp, width, height, people)

    def _looks(self, detections: Sequence[Detection], image: Image | None, now_ns: int) -> list[Signature | None]:
        """Of each detection: in every frame where there are several, now and then where there is one."""
        alone = len(detections) == 1 and len(self._tracks) == 1 and not self._displaced
        settled = alone and self._tracks[0].frames > TOLD_FRAMES
        if image is None or (settled and now_ns - self._tracks[0].looked_ns < LOOK_NS):
            return [None] * len(detections)
        return [_looked_at(d, image) for d in detections]

    def _assign(self, detections: list[Detection], now_ns: int, image: Image | None) -> None:
        looks = self._looks(detections, image, now_ns)
        pairs = match(self._tracks, detections, now_ns, looks)
        for t, d in pairs:
            self._tracks[t].see(detections[d], now_ns)
        taken = {d: self._tracks[t] for t, d in pairs}
        for i, (detection, look) in enumerate(zip(detections, looks)):
            track = taken.get(i)
            if track is None:
                track, look = self._start(detection, now_ns), look or _looked_at(detection, image)
            if look is not None and stands_clear(detections, detection):
                track.look(look, now_ns)

    def _start(self, detection: Detection, now_ns: int) -> Track:
        """Start a track; one that follows a glimpse that came to nothing takes over its id."""
        glimpse = next((t for t in self._glimpses if now_ns - t.seen_ns <= self._lost_ns), None)
        self._glimpses = [t for t in self._glimpses if t is not glimpse]
        number = self._next_id if glimpse is None else glimpse.id
        self._next_id += glimpse is None
        track = Track(
            number, detection, now_ns, np.zeros(2, np.float32), published=glimpse is not None, first_ns=now_ns
        )
        self._tracks.append(track)
        return track

    def _recognise(self, now_ns: int) -> None:
        """Re-identify newcomers: one who looks like a lost person, and like nobody else, takes over that id."""
        for newcomer in [t for t in self._tracks if not t.published and t.frames >= CONFIRMED_FRAMES]:
            lost = self._alike(newcomer, now_ns)
            if lost is None:
                continue
            newcomer.id, newcomer.published = lost.id, True
            newcomer.looks.add(lost.looks)
            self._tracks = [t for t in self._tracks if t is not lost]
            self._displaced = [t for t in self._displaced if t is not lost]

    def _alike(self, newcomer: Track, now_ns: int) -> Track | None:
        """Find the one lost person that a newcomer looks like."""
        others = [t for t in (*self._tracks, *self._displaced) if t.published and t is not newcomer]
        known = [(off, t) for t in others if (off := difference(t.looks, newcomer.looks)) is not None]
        if not known:
            return None
        ranked = sorted(known, key=lambda one: one[0])
        (off, best), runner_up = ranked[0], [*(off for off, _ in ranked[1:]), np.inf][0]
        fits = off <= ALIKE and runner_up - off >= MARGIN and best.seen_ns < now_ns
        return best if fits and within_reach(best, newcomer) else None

    def _tell(self, now_ns: int) -> None:
        """Whoever comes first is told at once; who joins others, or may be one who was lost, when it is sure."""
        alone = not any(_confirmed(t) for t in self._tracks)
        for track in self._tracks:
            beside = any(t.published and _is_beside(t, track, now_ns) for t in self._tracks if t is not track)
            wanted = track.looks.count.any() and any(t.looks.count.any() for t in self._displaced)
            at_once = alone and not wanted
            track.published |= at_once or track.frames >= (TOLD_FRAMES if beside else CONFIRMED_FRAMES)

    def _forget(self, now_ns: int) -> None:
        """Let go who is lost too long or was hardly there; when there are too many, the longest lost."""
        kept = [t for t in self._tracks if _stays(t, now_ns, self._lost_ns)]
        self._glimpses += [t for t in self._tracks if t.published and not _confirmed(t) and t not in kept]
        newest = sorted(kept, key=lambda t: t.seen_ns, reverse=True)[: self._max_people]
        self._displaced = list(self._still_wanted(kept, newest, now_ns))
        self._tracks = [t for t in kept if t in newest]

    def _still_wanted(self, tracks: list[Track], newest: list[Track], now_ns: int) -> Iterable[Track]:
        for track in (*self._displaced, *(t for t in tracks if t.published and t not in newest)):
            if now_ns - track.seen_ns <= self._lost_ns:
                yield track


def _looked_at(detection: Detection, image: Image | None) -> Signature | None:
    if image is None:
        return None
    return signature(image, detection.xy, detection.score, detection.world)


def _confirmed(track: Track) -> bool:
    return track.frames >= CONFIRMED_FRAMES


def _is_beside(known: Track, newcomer: Track, now_ns: int) -> bool:
    """In view too, or lost where the newcomer is: then the two may be one person, found twice."""
    return known.seen_ns == now_ns or distance(known.predicted(now_ns), known.detection, newcomer.detection) < GATE_MOST


def _stays(track: Track, now_ns: int, lost_ns: int) -> bool:
    lost = now_ns - track.seen_ns
    return lost == 0 or (_confirmed(track) and lost <= lost_ns)


def _person(track: Track, detected: bool) -> Person2D:
    d = track.detection
    if detected:
        return Person2D(track.id, d.xy, d.score, d.presence, d.world)
    nothing = np.zeros_like(d.score)
    return Person2D(track.id, d.xy, nothing, nothing, d.world)
