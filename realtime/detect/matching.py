"""Match the detections of one frame to the people known so far, by place, size and looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from realtime.detect.assignment import assignment
from realtime.detect.mediapipe_detector import Detection
from realtime.detect.signature import Signature, difference, nothing_known
from realtime.wire.arrays import F32
from realtime.wire.keypoints import box_size, sane, sane_presence, sane_world
from realtime.wire.keypoints import distance as joint_distance

GATE = 0.45  # mean joint distance from the prediction, in box heights, that one frame explains
GATE_PER_S = 0.8  # what a second without a detection adds
GATE_MOST = 1.2
COAST_S = 0.5  # a lost person is predicted to walk on for so long
VELOCITY_GAIN = 0.4  # weight of the newest step in the velocity
SAME = 0.08  # two detections closer than this are one person found twice
UNLIKE = 4.0  # standard deviations: from here on looks speak as loudly as the whole gate
CLEAR = 0.6  # box heights to the next person, from which on clothes are one's own
REACH, REACH_PER_S = 1.5, 3.0  # box heights within which somebody lost may come back
GROWTH, GROWTH_PER_S = 0.3, 0.5  # of the logarithm of the size meanwhile


@dataclass(eq=False)
class Track:
    id: int
    detection: Detection
    seen_ns: int
    velocity: F32  # (2,) px/s
    frames: int = 1
    published: bool = False
    first_ns: int = 0
    looks: Signature = field(default_factory=nothing_known)
    looked_ns: int = 0

    def predicted(self, now_ns: int) -> F32:
        """Predict the joints at a time (J, 2), px."""
        coasted = min((now_ns - self.seen_ns) * 1e-9, COAST_S)
        return np.asarray(self.detection.xy + self.velocity * coasted, np.float32)

    def gate(self, now_ns: int) -> float:
        return min(GATE + GATE_PER_S * (now_ns - self.seen_ns) * 1e-9, GATE_MOST)

    def look(self, look: Signature, now_ns: int) -> None:
        """Remember what one frame shows, unless it is somebody else who stands in front."""
        self.looked_ns = now_ns
        if (difference(self.looks, look) or 0.0) < UNLIKE:
            self.looks.add(look)

    def see(self, detection: Detection, now_ns: int) -> None:
        dt = max((now_ns - self.seen_ns) * 1e-9, 1e-3)
        moved = shift(self.detection, detection)
        self.velocity = np.asarray(self.velocity + VELOCITY_GAIN * (moved / dt - self.velocity), np.float32)
        self.detection, self.seen_ns, self.frames = (
            filled(detection, self.detection.xy + moved),
            now_ns,
            self.frames + 1,
        )


Looks = Sequence[Signature | None]  # of each detection, where they were looked at


def match(
    tracks: Sequence[Track], detections: Sequence[Detection], now_ns: int, looks: Looks = ()
) -> list[tuple[int, int]]:
    """Pairs (track, detection) of least cost in all, none beyond its gate; looks choose among those within it."""
    if not tracks or not detections:
        return []
    if len(tracks) == len(detections) == 1:  # nobody to choose among: the gate alone decides
        (track,), (detection,) = tracks, detections
        near = distance(track.predicted(now_ns), track.detection, detection) / track.gate(now_ns) < 1.0
        return [(0, 0)] if near else []
    place = np.array(
        [[distance(t.predicted(now_ns), t.detection, d) / t.gate(now_ns) for d in detections] for t in tracks]
    )
    cost = np.where(place < 1.0, place + _unlike(tracks, looks, len(detections)), 2.0)
    return [(t, d) for t, d in assignment(cost) if place[t, d] < 1.0]


def _unlike(tracks: Sequence[Track], looks: Looks, count: int) -> F32:
    """Return the appearance distance of each track to each detection, (T, D) in [0, 1]; 0 where unknown."""
    unlike = np.zeros((len(tracks), count), np.float32)
    for d, seen in enumerate(looks):
        for t, track in enumerate(tracks):
            off = difference(track.looks, seen) if seen is not None else None
            unlike[t, d] = min((off or 0.0) / UNLIKE, 1.0)
    return unlike


def distance(predicted: F32, before: Detection, now: Detection) -> float:
    """Return the score-weighted mean joint distance plus the change of size, in box heights."""
    weight = before.score * now.score + 1e-3
    gap = joint_distance(now.xy, predicted)
    old, new = box_size(before.xy), box_size(now.xy)
    return float((gap * weight).sum() / weight.sum() / max(old, new) + 0.5 * abs(math.log(new / old)))


def shift(before: Detection, now: Detection) -> F32:
    """Return the score-weighted mean displacement of a body (2,), px."""
    weight = before.score * now.score + 1e-3
    return np.asarray(((now.xy - before.xy) * weight[:, None]).sum(0) / weight.sum(), np.float32)


def within_reach(lost: Track, newcomer: Track) -> bool:
    """Could somebody who was lost be whoever came since: far enough a walk, and about the same size?"""
    gap_s = (newcomer.first_ns - lost.seen_ns) * 1e-9
    if gap_s <= 0:
        return False  # they were seen at once
    old, new = box_size(lost.detection.xy), box_size(newcomer.detection.xy)
    walked = float(np.linalg.norm(shift(lost.detection, newcomer.detection))) / max(old, new)
    return walked <= REACH + REACH_PER_S * gap_s and abs(math.log(new / old)) <= GROWTH + GROWTH_PER_S * gap_s


def stands_clear(detections: Sequence[Detection], detection: Detection) -> bool:
    """Nobody else is so near that their clothes could be taken for this person's."""
    size = box_size(detection.xy)
    return all(float(np.linalg.norm(shift(detection, d))) > CLEAR * size for d in detections if d is not detection)


def filled(detection: Detection, expected: F32) -> Detection:
    """Fill in joints that were not found (score 0) at their expected places."""
    if detection.score.all():
        return detection
    xy = np.where(detection.score[:, None] > 0, detection.xy, expected)
    return replace(detection, xy=xy.astype(np.float32))


def distinct(detections: list[Detection]) -> list[Detection]:
    """Remove doubles from the detections, keeping the surest."""
    if len(detections) < 2:
        return detections
    kept: list[Detection] = []
    for candidate in sorted(detections, key=lambda d: -float(d.score.mean())):
        if all(distance(other.xy, other, candidate) > SAME for other in kept):
            kept.append(candidate)
    return kept


def sane_detection(detection: Detection) -> Detection:
    """Make a detection finite; what was not has score 0."""
    xy, score = sane(detection.xy, detection.score)
    presence = sane_presence(detection.presence)
    if detection.world is None:
        return Detection(xy, score, presence, None)
    world, good = sane_world(detection.world)
    return Detection(xy, score if good.all() else np.where(good, score, 0).astype(np.float32), presence, world)
