"""The 3D view beside a film: everybody large enough, the floor where they stand, also where no foot is seen."""

import numpy as np
import pytest

from realtime.render.room_view import BACKGROUND, RoomView, in_room, under
from realtime.wire.messages import ABSENT
from tests.support.people import walker

DESK = [name for name in walker.HELLO.joints if name.endswith(("pelvis", "spine", "hip", "knee", "ankle"))]


def poses(hidden=()):
    return walker.walk(3, hidden=lambda i: dict.fromkeys(hidden, ABSENT))


def test_the_floor_is_under_the_feet_or_where_they_would_be():
    whole, half = (in_room(pose.people[0], pose.up) for pose in (poses()[0], poses(DESK)[0]))
    floor = under(walker.HELLO.joints, whole)
    assert floor == pytest.approx(np.nanmin(whole[:, 1]))
    assert under(walker.HELLO.joints, half) == pytest.approx(floor, abs=0.2)
    assert under(walker.HELLO.joints, np.full_like(whole, np.nan)) == np.inf


def test_half_a_body_fills_the_view_as_a_whole_one_does():
    shares = []
    for hidden in ((), DESK):
        view = RoomView(400, 400)
        for pose in poses(hidden):
            image = view.draw(walker.HELLO, pose)
        bright = np.argwhere(image.max(-1) > max(BACKGROUND) + 120)
        shares.append(np.ptp(bright, axis=0).max() / 400)
    assert min(shares) > 0.4
