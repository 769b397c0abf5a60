"""Tell what a bridge does: whom it waits for, that poses came, how many it sends a second."""

from __future__ import annotations

from collections.abc import Callable

from realtime.clock import Pace
from realtime.wire.messages import Pose3D

PERIOD_S = 10.0  # between two lines about the rate


class BridgeProgress:
    """Says something when it changes, and the rate now and then."""

    def __init__(self, address: str, tell: Callable[[str], None]) -> None:
        self._address, self._tell = address, tell
        self._waiting, self._poses, self._people = True, 0, 0
        self._pace = Pace(PERIOD_S)
        tell(f"waiting for poses on {address}")

    def saw(self, pose: Pose3D, people: int) -> None:
        """One pose, and how many people of it were sent on."""
        if pose.status == "STALE":
            self._wait(pose)
            return
        if self._waiting:
            self._waiting, self._poses, self._people = False, 0, 0
            self._pace = Pace(PERIOD_S)
            self._pace.due()
            self._tell(f"poses of {pose.stamp.source} come")
        self._poses, self._people = self._poses + 1, self._people + people
        if self._pace.due():
            self._tell(f"{self._poses / PERIOD_S:.1f} poses a second, {self._people / self._poses:.1f} people in each")
            self._poses = self._people = 0

    def _wait(self, pose: Pose3D) -> None:
        if not self._waiting:
            self._waiting = True
            self._tell(f"no current poses: waiting for {self._address}")
