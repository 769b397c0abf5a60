"""Track people: detections of one frame -> people with ids that stay.

A lost person stays with score 0 for a while, so that the stages behind can let the joints age.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from realtime.detect.assignment import assignment
from realtime.detect.mediapipe_detector import Detection
from realtime.wire.arrays import F32
from realtime.wire.keypoints import box_size, sane, sane_presence, sane_world
from realtime.wire.keypoints import distance as joint_distance
from realtime.wire.messages import Keypoints2D, Person2D, Stamp

CONFIRMED_FRAMES = 3  # a track seen in fewer frames is no person: it goes as soon as it is lost
TOLD_FRAMES = 10  # who joins somebody in view is told from then on: a post or a shadow is seldom found so often
GATE = 0.45  # mean joint distance from the prediction, in box heights, that one frame explains
GATE_PER_S = 0.8  # what a second without a detection adds
GATE_MOST = 1.2
COAST_S = 0.5  # a lost person is predicted to walk on for so long
VELOCITY_GAIN = 0.4  # weight of the newest step in the velocity
SAME = 0.08  # two detections closer than this are one person found twice


@dataclass(eq=False)
class Track:
    id: int
    seen: Detection
    seen_ns: int
    velocity: F32  # (2,) px/s
    frames: int = 1
    told: bool = False

    @property
    def confirmed(self) -> bool:
        return self.frames >= CONFIRMED_FRAMES

    def predicted(self, now_ns: int) -> F32:
        """(J, 2) px"""
        coasted = min((now_ns - self.seen_ns) * 1e-9, COAST_S)
        return np.asarray(self.seen.xy + self.velocity * coasted, np.float32)

    def gate(self, now_ns: int) -> float:
        return min(GATE + GATE_PER_S * (now_ns - self.seen_ns) * 1e-9, GATE_MOST)

    def see(self, detection: Detection, now_ns: int) -> None:
        dt = max((now_ns - self.seen_ns) * 1e-9, 1e-3)
        moved = shift(self.seen, detection)
        self.velocity = np.asarray(self.velocity + VELOCITY_GAIN * (moved / dt - self.velocity), np.float32)
        self.seen, self.seen_ns, self.frames = filled(detection, self.seen.xy + moved), now_ns, self.frames + 1


class Tracker:
    """One stream's people.  `first_id` defaults to milliseconds since boot, so that no id returns after a restart."""

    def __init__(self, max_people: int, lost_s: float = 2.5, first_id: int | None = None) -> None:
        self._max_people, self._lost_ns = max_people, int(lost_s * 1e9)
        self._next_id = time.monotonic_ns() // 1_000_000 % 2**30 if first_id is None else first_id
        self._tracks: list[Track] = []
        self._glimpses: list[Track] = []  # told, and gone before they were sure to be somebody
        self._stream: int | None = None

    def update(self, detections: Sequence[Detection], stamp: Stamp, width: int, height: int) -> Keypoints2D:
        if stamp.stream != self._stream:
            self._tracks, self._glimpses, self._stream = [], [], stamp.stream
        found = distinct([sane_detection(d) for d in detections])[: self._max_people]
        self._assign(found, stamp.t_capture_ns)
        self._forget(stamp.t_capture_ns)
        self._tell(stamp.t_capture_ns)
        people = tuple(_person(t, t.seen_ns == stamp.t_capture_ns) for t in self._tracks if t.told)
        return Keypoints2D(stamp, width, height, people)

    def _assign(self, found: list[Detection], now_ns: int) -> None:
        pairs = match(self._tracks, found, now_ns)
        for track, detection in pairs:
            self._tracks[track].see(found[detection], now_ns)
        taken = {detection for _, detection in pairs}
        self._tracks += [self._start(d, now_ns) for i, d in enumerate(found) if i not in taken]

    def _start(self, detection: Detection, now_ns: int) -> Track:
        """Whoever follows a first glimpse that came to nothing is the same person: the id that was told goes on."""
        glimpse = next((t for t in self._glimpses if now_ns - t.seen_ns <= self._lost_ns), None)
        self._glimpses = [t for t in self._glimpses if t is not glimpse]
        still = np.zeros(2, np.float32)
        if glimpse is not None:
            return Track(glimpse.id, detection, now_ns, still, told=True)
        self._next_id += 1
        return Track(self._next_id - 1, detection, now_ns, still)

    def _tell(self, now_ns: int) -> None:
        """Whoever comes first is told at once; who joins others, when it is sure that there is somebody."""
        alone = not any(t.confirmed for t in self._tracks)
        for track in self._tracks:
            beside = any(t.told and _is_beside(t, track, now_ns) for t in self._tracks if t is not track)
            track.told |= alone or track.frames >= (TOLD_FRAMES if beside else CONFIRMED_FRAMES)

    def _forget(self, now_ns: int) -> None:
        """Lets go who is lost too long or was hardly there; when there are too many, the longest lost."""
        kept = [t for t in self._tracks if _stays(t, now_ns, self._lost_ns)]
        self._glimpses += [t for t in self._tracks if t.told and not t.confirmed and t not in kept]
        newest = sorted(kept, key=lambda t: t.seen_ns, reverse=True)[: self._max_people]
        self._tracks = [t for t in kept if t in newest]


def _is_beside(known: Track, newcomer: Track, now_ns: int) -> bool:
    """In view too, or lost where the newcomer is: then the two may be one person, found twice."""
    return known.seen_ns == now_ns or distance(known.predicted(now_ns), known.seen, newcomer.seen) < GATE_MOST


def _stays(track: Track, now_ns: int, lost_ns: int) -> bool:
    lost = now_ns - track.seen_ns
    return lost == 0 or (track.confirmed and lost <= lost_ns)


def match(tracks: Sequence[Track], found: Sequence[Detection], now_ns: int) -> list[tuple[int, int]]:
    """Pairs (track, detection) with the least sum of distances, none beyond its gate."""
    if not tracks or not found:
        return []
    cost = np.array([[distance(t.predicted(now_ns), t.seen, d) / t.gate(now_ns) for d in found] for t in tracks])
    pairs = assignment(np.minimum(cost, 1.0))
    return [(t, d) for t, d in pairs if cost[t, d] < 1.0]


def distance(predicted: F32, before: Detection, now: Detection) -> float:
    """Mean joint distance in box heights, plus how much the size changed; joints that both saw well count most."""
    weight = before.score * now.score + 1e-3
    gap = joint_distance(now.xy, predicted)
    old, new = box_size(before.xy), box_size(now.xy)
    return float((gap * weight).sum() / weight.sum() / max(old, new) + 0.5 * abs(math.log(new / old)))


def shift(before: Detection, now: Detection) -> F32:
    """(2,) px: how far the body as a whole moved."""
    weight = before.score * now.score + 1e-3
    return np.asarray(((now.xy - before.xy) * weight[:, None]).sum(0) / weight.sum(), np.float32)


def filled(detection: Detection, expected: F32) -> Detection:
    """Joints that were not found at all (score 0) move with the body."""
    if detection.score.all():
        return detection
    xy = np.where(detection.score[:, None] > 0, detection.xy, expected)
    return replace(detection, xy=xy.astype(np.float32))


def distinct(found: list[Detection]) -> list[Detection]:
    """The same people without doubles, the surest first."""
    kept: list[Detection] = []
    for candidate in sorted(found, key=lambda d: -float(d.score.mean())):
        if all(distance(other.xy, other, candidate) > SAME for other in kept):
            kept.append(candidate)
    return kept


def sane_detection(detection: Detection) -> Detection:
    """Finite throughout; what was not has score 0."""
    xy, score = sane(detection.xy, detection.score)
    presence = sane_presence(detection.presence)
    if detection.world is None:
        return Detection(xy, score, presence, None)
    world, good = sane_world(detection.world)
    return Detection(xy, score if good.all() else np.where(good, score, 0).astype(np.float32), presence, world)


def _person(track: Track, seen: bool) -> Person2D:
    d = track.seen
    nothing = np.zeros_like(d.score)
    return Person2D(track.id, d.xy, d.score if seen else nothing, d.presence if seen else nothing, d.world)
