"""Score answers against truth over many clips: the figures of a report.

Lengths in millimetres, velocity and acceleration in mm a frame and a frame squared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.skeleton import H36M_17, Array
from trainers import metrics
from trainers.metrics import LIMB_JOINTS
from trainers.test_clips.from_motion import TestClip

LIMBS = list(LIMB_JOINTS)
ABSENT_S = 2.0
ALL_INSIDE, CUT_OFF = "all inside", "cut off"  # frames by whether every limb joint lies within the picture
BY_PICTURE = ("limbs", "limbs seen", "limbs hidden")  # parts told apart so
MEASURES = {"mpjpe": "error", "p_mpjpe": "aligned", "n_mpjpe": "scaled", "mpjve": "speed", "acceleration": "jerk"}


Mask = NDArray[np.bool_]  # (N, 17)


@dataclass
class Scores:
    """Per frame and joint, clips one after the other; NaN where a clip has no answer (its first frames)."""

    columns: dict[str, list[Array]] = field(default_factory=dict)
    clips: list[tuple[TestClip, Array, Array | None]] = field(default_factory=list)

    def add(self, trial: TestClip, xyz: Array, sigma: Array | None) -> None:
        """xyz (T, 17, 3) m, sigma (T, 17) m."""
        if not np.isfinite(xyz).all():
            raise ValueError(
                f"{trial.clip}: the network answered NaN or inf in frame {int(np.isnan(xyz).any((1, 2)).argmax())}"
            )
        pose, truth, counts = torch.from_numpy(xyz), torch.from_numpy(trial.pose), torch.from_numpy(trial.counts)
        limbs = torch.zeros(17, dtype=torch.bool)
        limbs[LIMBS] = True
        rows = {
            "error": metrics.joint_errors(pose, truth),
            "aligned": metrics.joint_errors(metrics.align_similarity(pose, truth, counts), truth),
            "limbs_aligned": metrics.joint_errors(metrics.align_similarity(pose, truth, counts & limbs), truth),
            "scaled": metrics.joint_errors(metrics.align_scale(pose, truth), truth),
            "speed": _padded(metrics.velocity_errors(pose, truth), len(pose)),
            "jerk": _padded(metrics.acceleration_errors(pose, truth), len(pose)),
        }
        for name, values in rows.items():
            self.columns.setdefault(name, []).append((values * 1000).numpy())
        self.clips.append((trial, xyz, sigma))

    def column(self, name: str) -> Array:
        return np.concatenate(self.columns[name])

    def flags(self, of: Callable[[TestClip], Mask]) -> Mask:
        return np.concatenate([of(t) for t, _, _ in self.clips])


def _padded(values: Tensor, frames: int) -> Tensor:
    return torch.cat([torch.full((frames - len(values), values.shape[1]), torch.nan), values])


def report(scores: Scores) -> dict[str, Any]:
    """Return every figure, ready for JSON."""
    counts, hidden = scores.flags(lambda t: t.counts), scores.flags(lambda t: t.hidden)
    own = scores.flags(lambda t: t.own)
    deep = np.concatenate([metrics.inner(torch.from_numpy(t.hidden)[None])[0].numpy() for t, _, _ in scores.clips])
    gone = np.concatenate([absent(t) for t, _, _ in scores.clips])
    exchanged = sides_exchanged(scores)
    limb = np.zeros(17, bool)
    limb[LIMBS] = True
    parts = {
        "all joints": counts, "limbs": counts & limb, "limbs seen": counts & limb & ~hidden & ~own,
        "limbs hidden": counts & limb & deep & ~gone,
        "limbs absent": counts & limb & deep & gone, "limbs behind the own body": counts & limb & own,
    }  # fmt: skip

    def covered(where: Mask) -> dict[str, dict[str, float]]:
        parts = {"seen": ~hidden & ~own, "hidden": deep & ~gone}
        return {name: coverage(scores, part & where) for name, part in parts.items()}

    return {
        "clips": len(scores.clips), "frames": len(counts),
        "parts": {name: figures(scores, where, aligned_by_limbs="limbs" in name) for name, where in parts.items()},
        "joints": {j: figures(scores, counts & _only(i), False) for i, j in enumerate(H36M_17.joints)},
        "actions": _by(scores, lambda t: verb(t.action), counts),
        "conditions": {
            k: {
                part: _by(scores, condition(k), parts[f"limbs {part}"], aligned_by_limbs=True)
                for part in ("seen", "hidden")
            }
            for k in scores.clips[0][0].conditions
        },
        "after reset": after_reset(scores),
        "pictures": {
            name: {
                "frames": int(where.sum()), "sides exchanged": _mean(exchanged[where]),
                "parts": {p: figures(scores, parts[p] & where[:, None], aligned_by_limbs=True) for p in BY_PICTURE},
                "coverage": covered(where[:, None]),
            }
            for name, where in pictures(scores).items()
        },
        "sides exchanged": _mean(exchanged),
        "coverage": covered(np.ones((len(counts), 1), bool)),
    }  # fmt: skip


def condition(name: str) -> Callable[[TestClip], str]:
    return lambda clip: clip.conditions[name]


def absent(trial: TestClip) -> Mask:
    """Return (T, 17): hidden for more than 2 s, or never seen: a live run says so and promises nothing."""
    frames = np.arange(len(trial.hidden))[:, None]
    seen = np.maximum.accumulate(np.where(trial.hidden, -1, frames), 0)
    return np.asarray(trial.hidden & ((seen < 0) | (frames - seen > ABSENT_S * trial.fps)))


def pictures(scores: Scores) -> dict[str, NDArray[np.bool_]]:
    """Return (N,) frames that show all limb joints, and those that cut some off; nothing where a clip does not say."""
    if any(trial.outside is None for trial, _, _ in scores.clips):
        return {}
    edges = [trial.outside[:, LIMBS] for trial, _, _ in scores.clips if trial.outside is not None]
    cut: NDArray[np.bool_] = np.asarray(np.concatenate(edges).any(-1))
    return {ALL_INSIDE: ~cut, CUT_OFF: cut}


def figures(scores: Scores, where: Mask, aligned_by_limbs: bool) -> dict[str, float]:
    """Return the papers' measures over chosen frames and joints (N, 17)."""
    error = torch.from_numpy(scores.column("error")[where] / 1000)
    if not len(error):
        return {"joints": 0}
    aligned = "limbs_aligned" if aligned_by_limbs else "aligned"
    return {
        "joints": len(error),
        **{name: _mean(scores.column(column)[where]) for name, column in {**MEASURES, "p_mpjpe": aligned}.items()},
        "pck150": float(metrics.pck(error)), "auc": float(metrics.auc(error)),
    }  # fmt: skip


def _mean(values: Array) -> float:
    """Over what there is: a clip's first frames have no velocity."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else 0.0


def _only(joint: int) -> Mask:
    return np.asarray(np.arange(17) == joint)


def _by(
    scores: Scores, key: Callable[[TestClip], str], where: Mask, aligned_by_limbs: bool = False
) -> dict[str, dict[str, float]]:
    """Return figures of the clips that share a word, over chosen frames and joints."""
    words = np.concatenate([np.full(len(t.counts), key(t)) for t, _, _ in scores.clips])
    return {
        str(w): figures(scores, where & (words == w)[:, None], aligned_by_limbs) for w in np.unique(words)
    }  # fmt: skip


def verb(action: str) -> str:
    """'dance - rond de jambe, turn' -> 'dance': what CMU's descriptions begin with."""
    return action.split(" - ")[0].split(",")[0].strip().lower() or "?"


def after_reset(scores: Scores) -> dict[str, float]:
    """Return mean error of limbs in the answer to the n-th frame of a clip."""
    firsts = {}
    for n in metrics.SEEN_FRAMES:
        rows = [e[n - 1, LIMBS] for e in scores.columns["error"] if len(e) >= n]
        if rows:
            firsts[str(n)] = float(np.mean(rows))
    return firsts


def sides_exchanged(scores: Scores) -> Array:
    """Return (N,) 1 for frames in which left and right are exchanged."""
    flags = [
        metrics.sides_exchanged(*(torch.from_numpy(values) for values in (xyz, trial.pose, trial.counts)))
        for trial, xyz, _ in scores.clips
    ]
    return np.concatenate([flag.numpy() for flag in flags]).astype(np.float32)


def coverage(scores: Scores, where: Mask) -> dict[str, float]:
    """Shares of coordinates within 1 and 1.96 sigma; nothing for networks without sigma."""
    if any(s is None for _, _, s in scores.clips):
        return {}
    pose, truth, sigma = (
        torch.from_numpy(np.concatenate(column))
        for column in (
            [x for _, x, _ in scores.clips],
            [t.pose for t, _, _ in scores.clips],
            [s for _, _, s in scores.clips if s is not None],
        )
    )
    chosen = torch.from_numpy(where & scores.flags(lambda t: t.counts) & (np.arange(17) > 0))
    if not chosen.any():
        return {}
    return {str(k): float(metrics.coverage(pose, truth, sigma, k, chosen)) for k in (1.0, 1.96)}
