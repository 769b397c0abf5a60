"""Motion for rendering, mixed from two clips: bones stay, limbs and angles change, the same draw gives the same."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.demo.motion import draw_motion
from realtime.demo.skeleton import Bones
from trainers.augmentation.motion_mixing import HZ, MIXTURE, mixed
from trainers.data.motion import MotionSegment
from trainers.recipes.live import bone_lengths

torch = pytest.importorskip("torch")


def walk(seed: int, seconds: float, fps: float) -> MotionSegment:
    motion = draw_motion(seed, "walk")
    xyz = np.stack([motion.at(k / fps, Bones()) for k in range(int(seconds * fps))]).astype(np.float32)
    return MotionSegment(xyz, fps, f"clip {seed}", f"{seed:02d}")


def test_a_mixture_lasts_as_long_as_both_and_keeps_its_bones():
    mine, other = walk(1, 4.0, 60.0), walk(2, 3.0, 120.0)
    new = mixed(mine, other, seed=5)
    assert new.fps == HZ and len(new.xyz) == 90 and new.subject == mine.subject and np.isfinite(new.xyz).all()
    lengths = bone_lengths(torch.from_numpy(new.xyz))
    assert torch.allclose(lengths, bone_lengths(torch.from_numpy(mine.xyz[:180:2])), atol=2e-3)


@pytest.mark.slow
def test_a_mixture_is_drawn_and_differs_from_what_was_recorded():
    mine, other = walk(1, 3.0, 30.0), walk(2, 3.0, 30.0)
    arms = [13, 16]
    moved = []
    for seed in range(20):
        new = mixed(mine, other, seed)
        assert np.array_equal(new.xyz, mixed(mine, other, seed).xyz)
        own = new.xyz - new.xyz[:, :1] - (mine.xyz - mine.xyz[:, :1])[: len(new.xyz)]
        moved.append(np.linalg.norm(own[:, arms], axis=-1).mean())
    assert np.median(moved) > 0.02 and MIXTURE.mirror == 0
