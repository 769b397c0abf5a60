"""Tell which keypoints of the lead camera fused poses were made from."""

from __future__ import annotations

from dataclasses import replace

from realtime.fusion.people import Member
from realtime.wire.messages import Keypoints2D, Pose3D


def fused_keypoints(pose: Pose3D, lead: Keypoints2D | None, became: dict[Member, int]) -> Keypoints2D:
    """Return the lead's keypoints of the frame, its people by their ids in the room; empty where the lead was not
    there."""
    if lead is None:
        return Keypoints2D(pose.stamp, pose.width, pose.height)
    people = tuple(replace(p, id=became[0, p.id]) for p in lead.people if (0, p.id) in became)
    return replace(lead, stamp=pose.stamp, people=people)
