"""Repair left/right swaps between cameras: where joints lie as they did only once one camera's sides are exchanged.

Legs and the upper body are judged apart: by how far they would have jumped since a moment ago.  Without a past the
lines of sight tell only that some cameras are exchanged against the others; then the more reliable ones are believed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import JointSet
from realtime.fusion.gaussians import crossings, gaps
from realtime.fusion.view import CameraView, stacked
from realtime.wire.messages import Person3D

F64 = NDArray[np.float64]
Index = NDArray[np.int64]
LOWER = ("hip", "knee", "ankle", "heel", "toe", "foot")
APART_M = 0.05  # mean gap of a part from which on a swap is looked for
JUMP_M = 0.10  # mean jump of a part from which on it is
NARROW = 0.02  # rad between lines of sight that cross
BETTER = 0.5  # of the gap, that exchanging must leave
MOST_M = 0.5  # of one joint's gap
MOST_CAMERAS = 5
FEWEST = 2  # pairs of joints that both cameras see
ARRAYS = ("xyz", "sigma", "state", "age_ms", "reliability", "xy")


@dataclass(frozen=True)
class BodyPart:
    order: Index  # (J,) exchanges left and right of this part
    joints: Index  # those that it moves


@cache
def parts(joints: JointSet) -> tuple[BodyPart, ...]:
    """Return legs and upper body."""
    lower = [any(word in name for word in LOWER) for name in joints.joints]
    mirror = joints.mirror()
    masks = (np.array(lower), ~np.array(lower))
    orders = [np.where(mask, mirror, np.arange(len(joints))) for mask in masks]
    return tuple(BodyPart(order, np.flatnonzero(order != np.arange(len(joints)))) for order in orders)


def aligned(views: dict[int, CameraView], joints: JointSet, last: F64 | None) -> dict[int, CameraView]:
    """Return the same views with sides that agree; `last` (J, 3) m: where the person was a moment ago."""
    if not 1 < len(views) <= MOST_CAMERAS:
        return views
    for part in parts(joints):
        swapped = _swapped(list(views.values()), part, last)
        views = {n: exchanged(v, part) if one else v for one, (n, v) in zip(swapped, views.items())}
    return views


def exchanged(view: CameraView, part: BodyPart) -> CameraView:
    person: Person3D = replace(view.person, **{name: getattr(view.person, name)[part.order] for name in ARRAYS})
    return replace(view, person=person)


def _swapped(views: list[CameraView], part: BodyPart, last: F64 | None) -> tuple[bool, ...]:
    """Return which views to exchange."""
    as_they_are = (False,) * len(views)
    tried = list(product((False, True), repeat=len(views)))
    if last is not None:
        jump = _jump(views, part, as_they_are, last)
        best = min(tried, key=lambda swaps: _jump(views, part, swaps, last)) if jump > JUMP_M else as_they_are
        return best if _jump(views, part, best, last) < BETTER * jump else as_they_are
    plain, crossed = _pairs(views, part, False), _pairs(views, part, True)
    if not plain or np.mean(list(plain.values())) < APART_M:
        return as_they_are
    costs = {s: sum((crossed if s[a] != s[b] else plain)[a, b] for a, b in plain) for s in tried}
    least = min(costs.values())
    if least > BETTER * costs[as_they_are]:
        return as_they_are
    return min((s for s, cost in costs.items() if cost <= least + 1e-9), key=lambda s: _believed(views, part, s))


def _pairs(views: list[CameraView], part: BodyPart, cross: bool) -> dict[tuple[int, int], float]:
    """Return mean gap of the part's joints, m, between each two views, one of them exchanged or none."""
    found = {}
    for a, b in combinations(range(len(views)), 2):
        other = exchanged(views[b], part) if cross else views[b]
        both = part.joints[(views[a].observed & other.observed)[part.joints]]
        if len(both) >= 2 * FEWEST:
            apart = gaps(views[a].sight, other.sight)[both]
            found[a, b] = float(np.minimum(apart, MOST_M).mean())
    return found


def _believed(views: list[CameraView], part: BodyPart, swaps: tuple[bool, ...]) -> float:
    """Return how reliable those are who would be wrong."""
    return sum(float(view.person.reliability[part.joints].mean()) for view, wrong in zip(views, swaps) if wrong)


def _jump(views: list[CameraView], part: BodyPart, swaps: tuple[bool, ...], last: F64) -> float:
    """Return how far the part would have jumped, m; nothing where too little of it is seen."""
    tried = [exchanged(view, part) if wrong else view for view, wrong in zip(views, swaps)]
    x, known = crossings(stacked([view.sight for view in tried]), NARROW)
    at = part.joints[known[part.joints]]
    if len(at) < 2 * FEWEST:
        return MOST_M if any(swaps) else 0.0
    return float(np.minimum(np.linalg.norm(x[at] - last[at], axis=-1), MOST_M).mean())
