"""Say where hips and spine are that the camera does not see, as at a desk: below the shoulders, else a rig would stay
where it was while head and arms go on.

They hang from the thorax as when they were last seen, turned as the shoulders are; never seen, straight down.
"""

from __future__ import annotations

import numpy as np

from realtime.export.rigging.rig import Mask, Real, carried
from realtime.rest_pose import BELOW_THORAX
from realtime.rotations import frame


def with_trunk(names: tuple[str, ...], xyz: Real) -> Real:
    """Return (T, J, 3) with spine, pelvis and hips in every frame that has a thorax."""
    if not {"thorax", "left_shoulder", "right_shoulder", *BELOW_THORAX} <= set(names):
        return xyz
    filled, thorax = np.array(xyz), xyz[:, names.index("thorax")]
    turn = heading(xyz[:, names.index("left_shoulder")] - xyz[:, names.index("right_shoulder")])
    for name, straight in BELOW_THORAX.items():
        at = xyz[:, names.index(name)]
        hanging = (np.swapaxes(turn, -1, -2) @ (at - thorax)[..., None])[..., 0]
        known = finite(hanging)
        place = carried(hanging, known) if known.any() else np.array(straight)
        below = thorax + (turn @ np.broadcast_to(place, thorax.shape)[..., None])[..., 0]
        filled[:, names.index(name)] = np.where(finite(at)[:, None], at, below)
    return filled


def heading(across: Real) -> Real:
    """Return (T, 3, 3) turns about the vertical, by shoulders or as last known."""
    level = across * np.array([1.0, 0.0, 1.0])
    wide = finite(level) & (np.linalg.norm(np.nan_to_num(level), axis=-1) > 1e-6)
    return carried(frame(level, np.broadcast_to([0.0, 1.0, 0.0], level.shape)), wide)


def finite(places: Real) -> Mask:
    return np.asarray(np.isfinite(places).all(-1))
