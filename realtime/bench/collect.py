"""Collect all poses of a running side from shared memory, without slowing down what is measured."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from realtime.transport.pose_ring import PoseRingReader
from realtime.wire.messages import Pose3D, decode, split

F64 = NDArray[np.float64]


@dataclass
class Poses:
    """Times of answered frames in µs; one row a frame."""

    first_ns: int = 0  # when the first pose was published
    seqs: list[int] = field(default_factory=list)
    total_us: list[float] = field(default_factory=list)  # capture -> publish
    stage_us: list[dict[str, int]] = field(default_factory=list)

    def add(self, pose: Pose3D) -> None:
        self.first_ns = self.first_ns or pose.t_publish_ns
        if pose.status == "STALE":
            return
        self.seqs.append(pose.stamp.seq)
        self.total_us.append((pose.t_publish_ns - pose.stamp.t_capture_ns) / 1000)
        self.stage_us.append(pose.stage_us)

    def stage_ms(self, stage: str) -> F64:
        return np.array([times[stage] for times in self.stage_us if stage in times]) / 1000

    def end_to_end_ms(self) -> F64:
        return np.array(self.total_us) / 1000

    def added_ms(self) -> F64:
        """Return what everything but the detector itself took: publish - capture - the detector's own time."""
        rows = [(total, times["detector"]) for total, times in zip(self.total_us, self.stage_us) if "detector" in times]
        return np.array([total - own for total, own in rows]) / 1000

    def lost(self) -> int:
        """Return frames never answered between the first and the last that were."""
        return self.seqs[-1] - self.seqs[0] + 1 - len(self.seqs) if self.seqs else 0

    def after(self, warm_up: int) -> Poses:
        """Without the frames that were answered while the pipeline warmed up."""
        return Poses(self.first_ns, self.seqs[warm_up:], self.total_us[warm_up:], self.stage_us[warm_up:])


class Collector:
    def __init__(self, bind: str) -> None:
        self.poses = Poses()
        self._reader = PoseRingReader(bind)

    def look(self) -> None:
        for data in self._reader.drain():
            if split(data)[0] == "pose3d":
                self.poses.add(decode(Pose3D, data))

    def close(self) -> None:
        self._reader.close()
