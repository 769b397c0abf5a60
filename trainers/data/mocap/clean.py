"""Clean a raw take into segments at 60 frames a second: resampled, on the floor, without glitches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import H36M_17, Array
from trainers.errors import UserError

FPS = 60.0
IMPOSSIBLE = 400.0  # m/s2 of any joint: jumps and kicks stay below
AROUND = 3  # frames left out on both sides of an impossible one
SHORTEST = 36  # frames
ANKLE_M = 0.08  # height of a standing ankle over the floor
ANKLES = [H36M_17.index("right_ankle"), H36M_17.index("left_ankle")]
BONE_M = (0.02, 0.75)  # nobody's bone is shorter or longer


def clean(xyz: Array, fps: float, name: str, out_fps: float = FPS) -> list[tuple[int, Array]]:
    """Map (T, 17, 3) m -> [(first frame at the source's rate, segment at 60 fps that starts over x = z = 0)]."""
    check(xyz, name)
    even = resample(xyz, fps, out_fps)
    even = even - np.array([0, floor(even), 0], np.float32)
    parts = [(a, even[a:b]) for a, b in runs(plausible(even, out_fps), SHORTEST)]
    return [(round(a * fps / out_fps), p - p[0, 0] * np.array([1, 0, 1], np.float32)) for a, p in parts]


def check(xyz: Array, name: str) -> None:
    broken = ~np.isfinite(xyz).all((1, 2))
    if broken.any():
        raise UserError(
            f"{name}: NaN or inf in frame {int(broken.argmax())} ({broken.sum()} frames); repair or remove it"
        )
    bones = np.linalg.norm(xyz - xyz[:, list(H36M_17.parents)], axis=-1)[:, 1:]
    typical = np.median(bones, 0)
    if typical.min() < BONE_M[0] or typical.max() > BONE_M[1]:
        worst = H36M_17.joints[1 + int(np.abs(typical - 0.3).argmax())]
        raise UserError(f"{name}: bones from {typical.min():.3f} to {typical.max():.3f} m ({worst}); wrong unit or rig")


def resample(xyz: Array, fps: float, out_fps: float) -> Array:
    """Return every n-th frame where the rates allow it, else linear between frames."""
    ratio = fps / out_fps
    if abs(ratio - round(ratio)) < 1e-3 and ratio >= 1:
        return xyz[:: round(ratio)]
    at = np.arange(0, len(xyz) - 1 + 1e-9, ratio)
    left = np.minimum(at.astype(int), len(xyz) - 2)
    part = (at - left)[:, None, None].astype(np.float32)
    return np.asarray(xyz[left] * (1 - part) + xyz[left + 1] * part, np.float32)


def floor(xyz: Array) -> float:
    """Return height of the floor: a standing ankle's height below the lowest ankle of the take."""
    return float(np.percentile(xyz[:, ANKLES, 1].min(1), 2) - ANKLE_M)


def plausible(xyz: Array, fps: float) -> NDArray[np.bool_]:
    """Return (T,) False around accelerations that no body reaches."""
    good = np.ones(len(xyz), bool)
    acceleration = np.linalg.norm(np.diff(xyz, n=2, axis=0), axis=-1).max(1) * fps * fps
    for frame in np.flatnonzero(acceleration > IMPOSSIBLE) + 1:
        good[max(frame - AROUND, 0) : frame + AROUND + 1] = False
    return good


def runs(good: NDArray[np.bool_], shortest: int) -> list[tuple[int, int]]:
    """[(first, past the last)] of the unbroken stretches."""
    edges = np.diff(np.concatenate([[0], good.astype(np.int8), [0]]))
    pairs = zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist())
    return [(a, b) for a, b in pairs if b - a >= shortest]
