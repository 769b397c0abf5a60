"""Find who is who across cameras: two people are one where their lines of sight meet, joint by joint."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

import numpy as np

from realtime.fusion.gaussians import crossings, gaps
from realtime.fusion.person import FusedPerson
from realtime.fusion.view import CameraView, moved, stacked

NEAR_M = 0.15  # median gap between two cameras' lines of sight to the same joints of one person
UNLIKE_M = 1.0  # gap of people whose bodies differ
NARROW = 0.02  # rad between lines of sight that cross
FEWEST_JOINTS = 5  # seen by both cameras: fewer meet by chance
DOUBT_FRAMES = 15  # in a row with a larger gap: two people after all
GONE_FRAMES = 90  # nobody's camera has seen a person for so long: forgotten

Member = tuple[int, int]  # camera, the person's id there
Seen = dict[Member, CameraView]


@dataclass
class RoomPerson:
    """One person of the room and whom the cameras take for him."""

    fused: FusedPerson
    members: set[Member]
    doubts: int = 0  # frames in a row in which the members' lines of sight did not meet
    unseen: int = 0

    def cameras(self, views: Seen) -> dict[int, Member]:
        """Members in view now, by camera."""
        return {member[0]: member for member in self.members if member in views}


@dataclass
class RoomPeople:
    """Groups over time.  Ids of the room's people are its own and never used again."""

    first_id: int = 1
    groups: list[RoomPerson] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ids = count(self.first_id)

    def update(self, views: Seen) -> list[RoomPerson]:
        """Return everybody in view, after this frame's people were joined and parted."""
        self._forget(views)
        for group in list(self.groups):
            self._doubt(group, views)
        known = {member for group in self.groups for member in group.members}
        for member in views:
            if member not in known:
                self.groups.append(RoomPerson(FusedPerson(next(self._ids)), {member}))
        self._join(views)
        return [group for group in self.groups if group.cameras(views)]

    def _forget(self, views: Seen) -> None:
        for group in self.groups:
            group.unseen = 0 if group.cameras(views) else group.unseen + 1
            here = {member[0] for member in group.cameras(views).values()}
            group.members = {m for m in group.members if m in views or m[0] not in here}  # a camera's later id replaces
        self.groups = [group for group in self.groups if group.unseen <= GONE_FRAMES]

    def _doubt(self, group: RoomPerson, views: Seen) -> None:
        """Whoever does not fit the others for half a second becomes a person of his own."""
        here = list(group.cameras(views).values())
        if len(here) < 2:
            return
        worst = max(here, key=lambda m: min(gap(views[m], views[o]) for o in here if o != m))
        off = min(gap(views[worst], views[o]) for o in here if o != worst)
        group.doubts = group.doubts + 1 if NEAR_M < off < np.inf else 0
        if group.doubts >= DOUBT_FRAMES:
            group.members.discard(worst)
            group.doubts = 0

    def _join(self, views: Seen) -> None:
        """Merge the nearest two groups of different cameras until none are near."""
        while (pair := self._nearest(views)) is not None:
            older, younger = sorted(pair, key=lambda group: group.fused.id)
            older.members |= younger.members
            older.doubts = 0
            self.groups.remove(younger)

    def _nearest(self, views: Seen) -> tuple[RoomPerson, RoomPerson] | None:
        best, found = NEAR_M, None
        here = [(group, group.cameras(views)) for group in self.groups]
        for i, (a, seen_a) in enumerate(here):
            for b, seen_b in here[i + 1 :]:
                if seen_a and seen_b and not set(seen_a) & set(seen_b):
                    off = max(gap(views[m], views[o]) for m in seen_a.values() for o in seen_b.values())
                    if off < best:
                        best, found = off, (a, b)
        return found


def gap(a: CameraView, b: CameraView) -> float:
    """Return median distance of two cameras' lines of sight to the same joints, m; infinite where it is not the same
    body."""
    both = a.observed & b.observed
    if np.count_nonzero(both) < FEWEST_JOINTS:
        return float("inf")
    apart = float(np.median(gaps(a.sight, b.sight)[both]))
    return apart if apart < NEAR_M and same_body(a, b) else max(apart, UNLIKE_M)


def same_body(a: CameraView, b: CameraView) -> bool:
    """Is what both see together shaped as each sees it alone?  Lines to people side by side meet, too."""
    x, known = crossings(stacked([a.sight, b.sight]), NARROW)
    if np.count_nonzero(known) < FEWEST_JOINTS:
        return False
    for view in (a, b):
        fitted = moved(view.shape, x, known.astype(np.float64))
        if fitted is None or np.median(np.linalg.norm(fitted[0] - x, axis=-1)[known]) > NEAR_M:
            return False
    return True
