"""Frames of cameras that run by themselves are matched in time: interpolated, as they are, or not at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realtime.fusion.moments import Moments, at
from realtime.wire.messages import OBSERVED
from tests.support.people.room import cameras, man, person, pose

LEFT, RIGHT = cameras("left", "right")
MS = 1_000_000


def seen(number: int, t_ms: float, seq: int = 0, x: float = 0.0):
    rng = np.random.default_rng(0)
    camera = (LEFT, RIGHT)[number]
    return pose(f"cam{number}", camera, t_ms / 1000, (person(camera, man(0, (x, 0, 0)), rng, px=0),), seq)


def moments(wait_ms: float | None = 40) -> Moments:
    return Moments(2, 20 * MS, None if wait_ms is None else round(wait_ms * MS))


def test_a_frame_between_two_of_the_other_is_interpolated():
    one, other = seen(1, 100, 0, 0.0), seen(1, 133, 1, 0.1)
    found = at([one, other], 111 * MS, 20 * MS)
    share = 11 / 33
    np.testing.assert_allclose(
        found.people[0].xy, (1 - share) * one.people[0].xy + share * other.people[0].xy, atol=1e-3
    )
    assert (found.people[0].state == OBSERVED).all()


@pytest.mark.parametrize(("t_ms", "near"), [(95, True), (119, True), (125, False), (60, False)])
def test_the_nearest_frame_serves_within_the_tolerance(t_ms, near):
    assert (at([seen(1, 100)], t_ms * MS, 20 * MS) is not None) == near


def test_a_frame_waits_for_the_other_camera_and_no_longer_than_told():
    found = moments()
    found.add(0, seen(0, 0), 0)
    found.add(1, seen(1, 0), 0)
    assert len(found.ready(1 * MS)) == 1
    found.add(0, seen(0, 60, 1), 60 * MS)
    assert found.ready(61 * MS) == []
    found.add(1, seen(1, 66, 1), 70 * MS)
    ((lead, moment),) = found.ready(71 * MS)
    assert lead.stamp.source == "cam0" and set(moment) == {0, 1}
    found.add(0, seen(0, 160, 2), 160 * MS)
    assert found.ready(190 * MS) == [] and set(found.ready(201 * MS)[0][1]) == {0}


def test_a_camera_that_is_silent_is_not_waited_for_and_does_not_lead():
    found = moments()
    found.add(0, seen(0, 0), 0)
    assert len(found.ready(1 * MS)) == 1, "the other camera never spoke"
    found.add(1, seen(1, 700), 700 * MS)
    ((lead, moment),) = found.ready(701 * MS)
    assert lead.stamp.source == "cam1" and set(moment) == {1}
    found.add(0, seen(0, 720, 1), 720 * MS)
    found.add(1, seen(1, 733, 1), 733 * MS)
    assert [lead.stamp.source for lead, _ in found.ready(734 * MS)] == ["cam0"], "the first camera leads again"


def test_a_new_stream_forgets_the_old_one():
    found = moments()
    found.add(0, seen(0, 0), 0)
    found.add(1, seen(1, 500), 0)
    late = replace(seen(1, 100), stamp=replace(seen(1, 100).stamp, stream=8))
    found.add(1, late, 0)
    found.add(0, seen(0, 100, 1), 0)
    assert found.ready(1)[-1][1][1] is late


def test_films_wait_for_each_other_for_ever_and_end_apart():
    found = moments(None)
    for k in range(3):
        found.add(0, seen(0, 33 * k, k), 0)
    assert found.ready(10**15) == []
    found.add(1, seen(1, 0), 0)
    assert [lead.stamp.seq for lead, _ in found.ready(0)] == [0]
    found.end(1)
    assert [set(moment) for _, moment in found.ready(0)] == [{0}, {0}]
