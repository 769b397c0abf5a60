"""Match the cameras' frames in time: every frame of the lead with what the others saw at the same moment.

Another camera's pose is interpolated between the two frames around that moment; where its newest frame lies within the
tolerance before it, that one serves as it is.  Farther off, the camera did not see the moment.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from realtime.wire.arrays import F32
from realtime.wire.messages import Person3D, Pose3D, Stamp

KEPT = 64  # poses of a camera
NEVER_NS = 10**15
EXACT_NS = 1_000_000  # frames this near are of one moment
LEADS_S = 0.5  # a camera that said nothing for so long does not lead


@dataclass
class Moments:
    """Poses by camera; times in ns of one clock."""

    cameras: int
    tolerance_ns: int
    wait_ns: int | None  # how long a frame of the lead waits for the others; None: for ever, as in files
    _poses: list[deque[Pose3D]] = field(default_factory=list)
    _heard_ns: list[int] = field(default_factory=list)
    _pending: deque[tuple[int, Pose3D]] = field(default_factory=deque)  # when it came, the lead's pose
    _ended: set[int] = field(default_factory=set)
    _last_ns: int = -1

    def __post_init__(self) -> None:
        self._poses = [deque(maxlen=KEPT) for _ in range(self.cameras)]
        self._heard_ns = [-NEVER_NS] * self.cameras

    def add(self, number: int, pose: Pose3D, now_ns: int) -> None:
        """One camera's newest pose."""
        kept = self._poses[number]
        if kept and not follows(kept[-1].stamp, pose.stamp):
            kept.clear()
        kept.append(pose)
        self._heard_ns[number] = now_ns
        if number == self.lead(now_ns) and pose.stamp.t_capture_ns > self._last_ns:
            self._pending.append((now_ns, pose))
            self._last_ns = pose.stamp.t_capture_ns

    def end(self, number: int) -> None:
        """Nothing more comes of this camera."""
        self._ended.add(number)

    def lead(self, now_ns: int) -> int:
        """Return the first camera that still speaks."""
        return min((k for k in range(self.cameras) if not self._silent(k, now_ns)), default=0)

    def _silent(self, number: int, now_ns: int) -> bool:
        late = self.wait_ns is not None and now_ns - self._heard_ns[number] > LEADS_S * 1e9
        return late or number in self._ended

    def ready(self, now_ns: int) -> list[tuple[Pose3D, dict[int, Pose3D]]]:
        """Return the lead's frames whose moment is complete, or has waited long enough, in order."""
        found = []
        while self._pending:
            came_ns, pose = self._pending[0]
            waited = self.wait_ns is not None and now_ns - came_ns >= self.wait_ns
            if not waited and not self._complete(pose.stamp.t_capture_ns, now_ns):
                break
            self._pending.popleft()
            found.append((pose, self._at(pose)))
        return found

    def _complete(self, t_ns: int, now_ns: int) -> bool:
        """Return everybody who still speaks has spoken of this time; where waiting costs nothing, of what comes after
        too."""
        from_ns = t_ns if self.wait_ns is None else t_ns - self.tolerance_ns
        return all(
            self._silent(k, now_ns) or (len(kept) > 0 and kept[-1].stamp.t_capture_ns >= from_ns)
            for k, kept in enumerate(self._poses)
        )

    def _at(self, lead: Pose3D) -> dict[int, Pose3D]:
        t_ns = lead.stamp.t_capture_ns
        seen = {k: at(list(kept), t_ns, self.tolerance_ns) for k, kept in enumerate(self._poses)}
        return {k: pose for k, pose in seen.items() if pose is not None}


def follows(last: Stamp, now: Stamp) -> bool:
    """Return a later frame of the same stream."""
    return now.stream == last.stream and now.t_capture_ns > last.t_capture_ns


def at(poses: list[Pose3D], t_ns: int, tolerance_ns: int) -> Pose3D | None:
    """Return one camera's pose at a time; None where it has no frame near."""
    before = [pose for pose in poses if pose.stamp.t_capture_ns <= t_ns]
    after = [pose for pose in poses if pose.stamp.t_capture_ns > t_ns]
    near = [p for p in (*before[-1:], *after[:1]) if abs(p.stamp.t_capture_ns - t_ns) <= 2 * tolerance_ns]
    if len(near) == 2 and near[0].stamp.t_capture_ns < t_ns - EXACT_NS:
        return between(near[0], near[1], t_ns)
    near = [p for p in near if abs(p.stamp.t_capture_ns - t_ns) <= tolerance_ns]
    return min(near, key=lambda p: abs(p.stamp.t_capture_ns - t_ns), default=None)


def between(earlier: Pose3D, later: Pose3D, t_ns: int) -> Pose3D:
    """Return the pose at a time between two frames; people of only one of them are as that one has them."""
    begin, end = earlier.stamp.t_capture_ns, later.stamp.t_capture_ns
    share = (t_ns - begin) / (end - begin)
    nearer = earlier if share < 0.5 else later
    pairs = {p.id: p for p in earlier.people}, {p.id: p for p in later.people}
    people = tuple(
        mixed(pairs[0][p.id], pairs[1][p.id], share) if p.id in pairs[0] and p.id in pairs[1] else p
        for p in nearer.people
    )
    return replace(nearer, people=people)


def mixed(earlier: Person3D, later: Person3D, share: float) -> Person3D:
    """Return linear; as unsure as the less sure of the two."""
    root = later.root_cam
    if earlier.root_cam is not None and root is not None:
        root = _mix(earlier.root_cam, root, share)
    return replace(
        later, xyz=_mix(earlier.xyz, later.xyz, share), xy=_mix(earlier.xy, later.xy, share), root_cam=root,
        sigma=np.maximum(earlier.sigma, later.sigma), state=np.maximum(earlier.state, later.state),
        reliability=np.minimum(earlier.reliability, later.reliability),
    )  # fmt: skip


def _mix(earlier: F32, later: F32, share: float) -> F32:
    return np.asarray(earlier + share * (later - earlier), np.float32)
