"""A foot that stands has a green bar under its sole, one that swings has none, in the picture and in the 3D view."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.cli.feet_on_ground import feet_on_ground
from realtime.render.layout import FrameLayout
from realtime.render.overlay import draw_people, empty_picture
from realtime.render.room_view import RoomView
from realtime.render.standing_feet import STANDS
from realtime.wire.messages import ABSENT, replace
from tests.support.people import walker, whole_body

SIZE = (walker.WIDTH, walker.HEIGHT)


def green(image):
    """Where the bars are: (N, 2) px."""
    return np.argwhere((np.abs(image.astype(int) - STANDS) < 25).all(-1))[:, ::-1]


def drawn(pose, feet):
    image = empty_picture(*SIZE)
    draw_people(image, whole_body.HELLO, pose, feet)
    return green(image)


@pytest.mark.parametrize(("standing", "side"), [((True, False), "left"), ((False, True), "right")])
def test_the_bar_lies_along_the_sole_of_the_foot_that_stands(standing, side):
    pose = whole_body.walk(1)[0]
    found = drawn(pose, {(pose.stamp.seq, 1): standing})
    names = whole_body.HELLO.joints
    heel, toes = (pose.people[0].xy[names.index(f"{side}_{part}")] for part in ("heel", "foot_index"))
    assert len(found) > 10 and np.linalg.norm(found.mean(0) - (heel + toes) / 2) < 12


def test_nothing_stands_where_nothing_is_known():
    pose = whole_body.walk(1)[0]
    assert len(drawn(pose, {})) == 0 and len(drawn(pose, {(7, 1): (True, True)})) == 0
    state = pose.people[0].state.copy()
    state[whole_body.HELLO.joints.index("left_heel")] = ABSENT
    unknown = replace(pose, people=(replace(pose.people[0], state=state),))
    assert len(drawn(unknown, {(0, 1): (True, False)})) == 0


def test_a_skeleton_without_soles_has_the_bar_below_its_ankle():
    pose, image = walker.walk(1)[0], empty_picture(*SIZE)
    draw_people(image, walker.HELLO, pose, {(0, 1): (True, False)})
    ankle = pose.people[0].xy[walker.HELLO.joints.index("left_ankle")]
    found = green(image)
    assert len(found) > 10 and np.linalg.norm(found.mean(0) - ankle) < 12 and found[:, 1].mean() > ankle[1]


def test_the_3d_view_and_the_legend_show_it_too():
    pose = whole_body.walk(1)[0]
    assert len(green(RoomView(300, 400).draw(whole_body.HELLO, pose, {(0, 1): (True, True)}))) > 10
    plain, with_feet = (
        FrameLayout(whole_body.HELLO, SIZE, feet=feet).draw(None, pose, 0.0) for feet in ({}, {(99, 1): (True, True)})
    )
    assert len(green(plain)) == 0 and len(green(with_feet)) > 20  # its name in the legend


def clip(joints_at, count=90):
    return [
        walker.pose(i, [whole_body.person(walker.in_camera(joints_at(i / 30)))], walker.stamp(i)) for i in range(count)
    ]


def test_who_stands_still_stands_and_a_foot_that_swings_does_not():
    still = whole_body.whole_body(walker.walker(0.0))
    left = [whole_body.JOINTS.index(f"left_{part}") for part in ("ankle", "heel", "foot_index")]

    def swinging(t):
        points = still.copy()
        points[left] += [0, 0.25 + 0.15 * np.sin(9 * t), 0.4 * np.sin(9 * t)]
        return points

    standing = feet_on_ground(whole_body.HELLO, clip(lambda t: still))
    assert standing == {(i, 1): (True, True) for i in range(90)}
    found = feet_on_ground(whole_body.HELLO, clip(swinging))
    assert sum(one for one, _ in found.values()) < 20 and sum(other for _, other in found.values()) == 90


def test_without_places_in_the_room_nothing_is_known():
    poses = [
        replace(pose, people=tuple(replace(one, root_cam=None) for one in pose.people)) for pose in whole_body.walk(60)
    ]
    assert feet_on_ground(whole_body.HELLO, poses) == {}
