"""Limit how fast bones turn, deg/s: a jump of an estimate becomes a turn that an avatar can be seen to make."""

from __future__ import annotations

import numpy as np

from realtime.bridges.avatar.humanoid import Rotations
from realtime.rotations import Real, cross_matrix, unit

MOST_DEG_S = 720.0  # against its parent: twice what legs do at walking; a wave of the hand stays below
FORGET_S = 0.5  # after a longer pause bones start where they are


class TurnLimit:
    """Rotations as they may be shown; `forget` before a step that is meant to be one."""

    def __init__(self, most_deg_s: float = MOST_DEG_S) -> None:
        self._most = np.radians(most_deg_s)
        self._shown: Rotations = {}
        self._t_s = -np.inf

    def forget(self) -> None:
        self._shown = {}

    def limit(self, wanted: Rotations, t_s: float) -> Rotations:
        """Return each bone, on the shortest way from what was shown last."""
        if not 0 <= t_s - self._t_s <= FORGET_S or set(self._shown) != set(wanted):
            self._shown = wanted
        else:
            last, now = (np.stack([table[bone] for bone in wanted]) for table in (self._shown, wanted))
            self._shown = dict(zip(wanted, towards(last, now, float(self._most * (t_s - self._t_s)))))
        self._t_s = t_s
        return self._shown


def towards(start: Real, end: Real, most: float) -> Real:
    """Return (N, 3, 3): `end`, or what lies `most` rad from `start` on the way there."""
    step = np.swapaxes(start, -1, -2) @ end
    angle = np.arccos(np.clip((np.trace(step, axis1=-2, axis2=-1) - 1) / 2, -1, 1))
    part = turn(axis_of(step), np.minimum(angle, most))
    return np.where((angle > most)[:, None, None], start @ part, end)


def axis_of(r: Real) -> Real:
    """Map (N, 3, 3) -> (N, 3) unit axis; of a half turn, where the antisymmetric part says nothing, the largest
    column."""
    skew = np.stack([r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0], r[:, 1, 0] - r[:, 0, 1]], -1)
    both = r + np.eye(3)
    largest = np.argmax(np.diagonal(both, axis1=-2, axis2=-1), -1)
    column = both[np.arange(len(r)), :, largest]
    half = np.linalg.norm(skew, axis=-1, keepdims=True) < 1e-3
    return unit(np.where(half, column, skew))


def turn(axis: Real, angle: Real) -> Real:
    """Rodrigues: (N, 3), (N,) rad -> (N, 3, 3)"""
    k = cross_matrix(axis)
    return np.asarray(np.eye(3) + np.sin(angle)[:, None, None] * k + (1 - np.cos(angle))[:, None, None] * (k @ k))
