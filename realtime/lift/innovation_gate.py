"""Gate claims of the detector by the innovation: what the last pose predicts; reliability is only lowered.

A claim is doubted where it leaps further than a body can move since the joint was last believed, or where its bone
would be longer than it is.  A leap that is claimed again and again is believed in the end: the reach grows with time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import JointSet
from realtime.lift.joint_state import parents_of
from realtime.wire.arrays import F32
from realtime.wire.keypoints import distance

TALL_M = 1.75  # metres make one height
SLACK = 0.06  # heights: the detector's own noise
SPEED = 5.0  # heights a second: a fast wrist
STRETCH = 1.45  # times the bone's length, and the slack, in the picture
FADE = 0.25  # what is left of a doubted claim's reliability


@dataclass
class InnovationGate:
    """One person's.  `limbs` are the joints it judges: those with one source and a parent."""

    joints: JointSet
    limbs: NDArray[np.int64]
    tolerance: float = 1.0  # 0: off; larger: more is let pass
    _xy: F32 = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    _believed_ns: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def is_outlier(
        self, t_ns: int, xy: F32, reliable: NDArray[np.bool_], height_px: float, bone_px: F32
    ) -> NDArray[np.bool_]:
        """Mark joint observations too far from the last one (J,); height_px: person, bone_px (J,): bones, 0 unknown."""
        doubt = np.zeros(len(self.joints), bool)
        if self.tolerance <= 0 or height_px <= 0:
            return doubt
        if len(self._xy):
            waited = (t_ns - self._believed_ns) * 1e-9
            leap = distance(xy, self._xy) / height_px
            doubt = leap > self.tolerance * (SLACK + SPEED * waited)
        length = distance(xy, xy[parents_of(self.joints)])
        longest = self.tolerance * (STRETCH * bone_px + SLACK * height_px)
        doubt |= (bone_px > 0) & (length > longest)  # of the root, which has no bone, it is 0
        found = np.zeros(len(self.joints), bool)
        found[self.limbs] = (doubt & reliable)[self.limbs]
        return found

    def accept(self, t_ns: int, xy: F32, observed: NDArray[np.bool_]) -> None:
        """Accept the joint observations that were used; the next ones are held against them."""
        if not len(self._xy):
            self._xy, self._believed_ns = xy.copy(), np.full(len(xy), t_ns - 2_000_000_000, np.int64)
        self._xy = np.where(observed[:, None], xy, self._xy)
        self._believed_ns = np.where(observed, t_ns, self._believed_ns)
