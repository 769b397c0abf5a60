"""Define topics: message type, expected rate, greatest age.  One row is one topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from realtime.wire import messages


@dataclass(frozen=True)
class Topic:
    message: type[Any]
    rate_hz: float  # expected; 0: whenever there is one
    max_age_ms: float
    public: bool  # published to clients
    newest: bool = True  # a newer message replaces an unread one; false: each is kept, a few at most


TOPICS: dict[str, Topic] = {
    "frame": Topic(messages.Frame, 30, 150, public=False),
    "taken": Topic(messages.Frame, 30, 150, public=False),  # detect -> occlude: the detector works on it from now on
    "keypoints_raw": Topic(messages.Keypoints2D, 30, 150, public=False),  # detect -> occlude
    "keypoints": Topic(messages.Keypoints2D, 30, 150, public=False),  # occlude -> lift
    "keypoints_lifted": Topic(messages.Keypoints2D, 30, 150, public=False),  # lift -> publish, behind their pose
    "pose": Topic(messages.Pose3D, 30, 150, public=False),  # lift -> publish
    "pose3d": Topic(messages.Pose3D, 30, 150, public=True),
    "keypoints2d": Topic(messages.Keypoints2D, 30, 150, public=True),
    "truth": Topic(messages.Truth, 30, 150, public=True),  # demo only
    "health": Topic(messages.Health, 1, 3000, public=True, newest=False),  # one message for each stage
    "hello": Topic(messages.Hello, 1, 3000, public=True),
}
