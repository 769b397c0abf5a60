"""Generate the demo's motion from a seed: walking, turning, waving, squatting, sitting, gestures.

A minute of angles is drawn once and repeats without a seam, so any frame can be asked for in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.demo.skeleton import CHANNELS, Bones, C, pose

F64 = NDArray[np.float64]
PERIOD_S, RATE = 60.0, 60
ACTIVITIES = ("walk", "stand", "wave", "squat", "sit", "gestures", "reach")
MOTIONS = ("mix", *ACTIVITIES, "turn")
_BLEND_S = 0.7
_N = int(PERIOD_S * RATE)
_TIME = np.arange(_N) / RATE
_TALKING = ("arm_flex", "arm_abduct", "arm_turn", "elbow")


@dataclass(frozen=True)
class Motion:
    angles: F64  # (N, C)
    place: F64  # (N, 2)
    heading: F64  # (N,) unwrapped; the last meets the first modulo a full turn

    def at(self, seconds: float, bones: Bones) -> F64:
        """(17, 3) world joints; bones keep their lengths because angles are interpolated, not points."""
        u = (seconds % PERIOD_S) * RATE
        i, f = int(u) % _N, u - int(u)
        k = (i + 1) % _N
        step = (self.heading[k] - self.heading[i] + np.pi) % (2 * np.pi) - np.pi
        angles = self.angles[i] * (1 - f) + self.angles[k] * f
        place = self.place[i] * (1 - f) + self.place[k] * f
        return np.asarray(pose(angles[None], place[None], np.array([self.heading[i] + f * step]), bones)[0])


def draw_motion(seed: int, kind: str = "mix", facing: float = 0.0, bones: Bones | None = None) -> Motion:
    """`facing`: heading in which standing activities look, give or take 45 degrees."""
    if kind not in MOTIONS:
        raise ValueError(f"motion {kind!r} is unknown; known: {', '.join(MOTIONS)}")
    rng = np.random.default_rng([seed, 5])
    plan = _plan(rng, kind)
    weights = np.stack([_soft(plan == k) for k in range(len(ACTIVITIES))])  # (A, N)
    legs = (bones or Bones()).legs
    place, tangent, phase = _walk_path(weights[0], rng, legs)
    heading = _headings(plan, tangent, facing, rng, kind)
    moves = [_walk(phase), _stand(rng), _wave(rng), _squat(), _sit(rng), _gestures(rng), _reach(rng)]
    angles = sum(w[:, None] * move for w, move in zip(weights, moves)) + _sway(rng)
    return Motion(np.asarray(angles), place, heading)


def _plan(rng: np.random.Generator, kind: str) -> NDArray[np.int64]:
    """Return (N,) index of the activity."""
    if kind == "turn":
        return np.full(_N, ACTIVITIES.index("stand"))
    if kind != "mix":
        return np.full(_N, ACTIVITIES.index(kind))
    order: list[int] = []
    while len(order) < 14:
        order += [0, *(int(k) for k in rng.permutation(np.arange(1, len(ACTIVITIES)))[:2])]
    edges = np.cumsum(rng.uniform(3.0, 6.0, len(order)))
    return np.asarray(
        np.array(order)[np.searchsorted(edges / edges[-1] * PERIOD_S, _TIME, side="right").clip(0, len(order) - 1)]
    )


def _soft(flags: NDArray[np.bool_] | F64, seconds: float = _BLEND_S) -> F64:
    """Circular smoothing with a raised cosine."""
    window = np.hanning(int(seconds * RATE) | 1) + 1e-9
    kernel = np.zeros(_N)
    kernel[: len(window)] = window / window.sum()
    kernel = np.roll(kernel, -(len(window) // 2))
    return np.asarray(np.fft.irfft(np.fft.rfft(np.asarray(flags, np.float64)) * np.fft.rfft(kernel), _N))


def _walk_path(walking: F64, rng: np.random.Generator, legs: float) -> tuple[F64, F64, F64]:
    """Return place (N, 2), heading of travel (N,) and gait phase (N,): an oval walked a whole number of times."""
    a, b = rng.uniform(0.7, 1.0), rng.uniform(0.45, 0.7)
    around = np.linspace(0, 2 * np.pi, 2001)
    points = np.stack([a * np.sin(around), b * np.cos(around)], 1)
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    speed = walking * 1.15
    way = np.concatenate([[0], np.cumsum(speed)[:-1]]) / RATE
    total = speed.sum() / RATE
    laps = max(1, round(total / lengths[-1])) if total > 0.5 else 0
    scale = laps * lengths[-1] / total if laps else 0.0
    turn = np.interp((way * scale) % lengths[-1], lengths, around)
    place = np.stack([a * np.sin(turn), b * np.cos(turn)], 1)
    heading = np.unwrap(np.arctan2(a * np.cos(turn), -b * np.sin(turn)))
    steps = max(1, round(total * scale / (1.55 * legs))) if laps else 0
    phase = 2 * np.pi * steps * way / total if total > 0.5 else np.zeros(_N)
    return place, heading, phase


def _headings(plan: NDArray[np.int64], tangent: F64, facing: float, rng: np.random.Generator, kind: str) -> F64:
    """Heading of travel while walking, otherwise towards the viewer give or take; turned smoothly."""
    if kind == "turn":
        return np.asarray(facing + 2 * np.pi * round(PERIOD_S / 8) * _TIME / PERIOD_S)
    change = np.flatnonzero(np.diff(plan, prepend=-1))
    wish = tangent.copy()
    for start, end in zip(change, [*change[1:], _N]):
        if plan[start] != 0:
            wish[start:end] = facing + rng.uniform(-np.pi / 4, np.pi / 4)
    apart = (wish - tangent + np.pi) % (2 * np.pi) - np.pi
    return np.asarray(tangent + _soft(apart * (plan != 0), 1.2))


def _blank() -> F64:
    base = np.zeros((_N, len(CHANNELS)))
    for side in ("left", "right"):
        for name, value in (
            ("hip_abduct", 0.05),
            ("knee", 0.06),
            ("hip_flex", 0.03),
            ("arm_abduct", 0.13),
            ("elbow", 0.25),
            ("arm_turn", -0.2),
        ):
            base[:, C[f"{side}_{name}"]] = value
    return base


def _walk(phase: F64) -> F64:
    m = _blank()
    for side, shift in (("left", 0.0), ("right", np.pi)):
        p = phase + shift
        m[:, C[f"{side}_hip_flex"]] = 0.10 + 0.42 * np.cos(p)
        m[:, C[f"{side}_knee"]] = (
            0.12 + 0.50 * np.maximum(0, np.sin(p + np.pi - 0.35)) ** 1.5 + 0.10 * (1 - np.cos(2 * p)) / 2
        )
        m[:, C[f"{side}_arm_flex"]] = -0.05 - 0.35 * np.cos(p)
        m[:, C[f"{side}_elbow"]] = 0.35 - 0.18 * np.cos(p)
    m[:, C["turn"]] = 0.10 * np.cos(phase)
    m[:, C["lean"]] = 0.04
    return m


def _stand(rng: np.random.Generator) -> F64:
    m = _blank()
    m[:, C["look"]] = 0.5 * _wander(rng, 0.25)
    return m


def _wander(rng: np.random.Generator, hertz: float) -> F64:
    """Smooth periodic noise of about unit size."""
    n = max(2, int(hertz * PERIOD_S))
    waves = [np.cos(2 * np.pi * k * _TIME / PERIOD_S + rng.uniform(0, 6.28)) for k in rng.integers(1, n + 1, 4)]
    return np.asarray(sum(waves) / 2)


def _wave(rng: np.random.Generator) -> F64:
    m = _blank()
    side = ("left", "right")[int(rng.integers(2))]
    m[:, C[f"{side}_arm_abduct"]] = 1.75
    m[:, C[f"{side}_arm_turn"]] = 1.45
    m[:, C[f"{side}_elbow"]] = 1.25 + 0.45 * np.sin(2 * np.pi * 1.3 * _whole(1.3))
    return m


def _whole(hertz: float) -> F64:
    """Time stretched so that `hertz` fits the minute a whole number of times."""
    return np.asarray(_TIME * (round(hertz * PERIOD_S) / (hertz * PERIOD_S)))


def _squat() -> F64:
    m = _blank()
    depth = 0.5 - 0.5 * np.cos(2 * np.pi * 0.4 * _whole(0.4))
    for side in ("left", "right"):
        m[:, C[f"{side}_hip_flex"]] += 1.45 * depth
        m[:, C[f"{side}_knee"]] += 1.85 * depth
        m[:, C[f"{side}_hip_abduct"]] += 0.25 * depth
        m[:, C[f"{side}_arm_flex"]] = 1.35 * depth
        m[:, C[f"{side}_arm_abduct"]] = 0.12
    m[:, C["lean"]] = 0.55 * depth
    return m


def _sit(rng: np.random.Generator) -> F64:
    m = _blank()
    for side in ("left", "right"):
        m[:, C[f"{side}_hip_flex"]] = 1.45 + 0.05 * _wander(rng, 0.2)
        m[:, C[f"{side}_knee"]] = 1.50 + 0.1 * _wander(rng, 0.2)
        m[:, C[f"{side}_hip_abduct"]] = 0.14
        m[:, C[f"{side}_arm_flex"]] = 0.35 + 0.15 * _wander(rng, 0.3)
        m[:, C[f"{side}_elbow"]] = 0.95 + 0.25 * _wander(rng, 0.4)
    m[:, C["lean"]] = 0.12
    return m


def _gestures(rng: np.random.Generator) -> F64:
    m = _blank()
    middle, reach = {"arm_flex": 0.55, "arm_abduct": 0.30, "arm_turn": 0.1, "elbow": 1.2}, (0.5, 0.25, 0.5, 0.55)
    for side in ("left", "right"):
        for name, size in zip(_TALKING, reach):
            m[:, C[f"{side}_{name}"]] = middle[name] + size * _wander(rng, 0.6)
        m[:, C[f"{side}_elbow"]] = np.clip(m[:, C[f"{side}_elbow"]], 0.1, 2.3)
    m[:, C["turn"]] = 0.25 * _wander(rng, 0.3)
    return m


def _reach(rng: np.random.Generator) -> F64:
    """Arms up, bends to both sides."""
    m = _blank()
    up = 0.5 - 0.5 * np.cos(2 * np.pi * 0.3 * _whole(0.3))
    for side in ("left", "right"):
        m[:, C[f"{side}_arm_abduct"]] = 0.15 + 2.5 * up
        m[:, C[f"{side}_elbow"]] = 0.2
    m[:, C["side"]] = 0.35 * _wander(rng, 0.4)
    return m


def _sway(rng: np.random.Generator) -> F64:
    sway = np.stack([_wander(rng, 0.5) for _ in CHANNELS], 1) * 0.025
    for side in ("left", "right"):
        sway[:, C[f"{side}_knee"]] = np.abs(sway[:, C[f"{side}_knee"]])
    return sway
