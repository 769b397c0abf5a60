"""Made-up clips of detections: a person who walks and whose wrist is behind an occluder for twenty frames."""

from __future__ import annotations

import numpy as np

from engines.skeleton import BLAZEPOSE_33
from trainers.data.shards.clip_shards import BOARD, DetectorClip

TICKS, WRIST = 60, BLAZEPOSE_33.index("left_wrist")


def made_up(name: str, pool: str, seed: int, kind: str = "rendered", subject: str = "01") -> DetectorClip:
    """A person who walks; behind a board the detector's wrist wanders off and its visibility drops."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(100, 400, (33, 2))
    truth = (base + np.arange(TICKS)[:, None, None] * [2.0, 0.0]).astype(np.float32)
    hidden = np.zeros((TICKS, 50), np.uint8)
    hidden[20:40, 17 + WRIST] = BOARD
    xy, score = truth + rng.normal(0, 1, truth.shape).astype(np.float32), np.full((TICKS, 33), 0.97, np.float32)
    xy[20:40, WRIST] += 80
    score[20:40, WRIST] = 0.4
    flat, solid = np.zeros((TICKS, 33), np.float32), np.zeros((TICKS, 33, 3), np.float32)
    t = np.arange(TICKS, dtype=np.float32) / 30
    root = np.full((TICKS, 3), np.nan if kind == "boards" else (0, 0, 3), np.float32)  # on footage it is unknown
    return DetectorClip(name, subject, kind, pool, 30.0, 640, 480, 500.0, 320.0, 240.0, t, np.ones(TICKS, bool), xy,
                score, score, solid, solid[..., :2], truth, flat, flat, flat > 1, truth,
                root, solid[:, :17], solid, hidden, flat < 1)  # fmt: skip
