"""Find for every frame of a recording which feet stand on the ground; what a film draws of it."""

from __future__ import annotations

from realtime.export.smoothing.contact import contact
from realtime.export.tracks import clips
from realtime.render.standing_feet import FeetOnGround
from realtime.wire.messages import Hello, Pose3D


def feet_on_ground(hello: Hello, poses: list[Pose3D]) -> FeetOnGround:
    """Map frame and person to foot contact, left and right; an unknown foot does not stand."""
    frames = sorted(poses, key=lambda pose: pose.stamp.t_capture_ns)
    return {
        (frames[clip.first + t].stamp.seq, clip.person): (bool(left == 1), bool(right == 1))
        for clip in clips(hello, frames)
        for t, (left, right) in enumerate(contact(clip))
        if left == 1 or right == 1
    }
