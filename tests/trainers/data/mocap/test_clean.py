"""Raw takes become even, grounded segments; glitches split, broken takes are named."""

from __future__ import annotations

import numpy as np
import pytest

from engines.skeleton import H36M_17
from tests.support.people.walkers import walkers
from trainers.data.mocap import clean
from trainers.errors import UserError


def take(frames: int = 200) -> np.ndarray:
    return walkers(1, frames)[0].numpy() + np.array([4.0, 0.7, -2.0], np.float32)


@pytest.mark.parametrize(("fps", "frames"), [(120.0, 200), (60.0, 200), (50.0, 200), (25.0, 100)])
def test_every_rate_becomes_60_on_the_floor_over_the_origin(fps, frames):
    ((first, part),) = clean.clean(take(frames), fps, "a")
    assert first == 0 and len(part) == pytest.approx(frames * 60 / fps, abs=3)
    assert part[0, 0, [0, 2]] == pytest.approx([0, 0], abs=1e-6)
    assert np.percentile(part[:, clean.ANKLES, 1].min(1), 2) == pytest.approx(clean.ANKLE_M, abs=1e-5)


def test_resampling_follows_the_motion():
    time = np.arange(100, dtype=np.float32) / 50
    line = np.broadcast_to(time[:, None, None], (100, 17, 3))
    even = clean.resample(line, 50.0, 60.0)
    np.testing.assert_allclose(even[:, 0, 0], np.arange(len(even)) / 60, atol=1e-5)


def test_a_glitch_splits_the_take_and_is_left_out():
    xyz = take()
    xyz[90, H36M_17.index("left_wrist")] += 0.5
    parts = clean.clean(xyz, 60.0, "a")
    assert [len(p) for _, p in parts] == [86, 200 - 95] and [first for first, _ in parts] == [0, 95]
    assert all(np.linalg.norm(np.diff(p, axis=0), axis=-1).max() < 0.2 for _, p in parts)


def test_pieces_too_short_to_learn_from_are_dropped():
    xyz = take(80)
    xyz[40, 13] += 0.5
    assert clean.clean(xyz, 60.0, "a") == [] or all(len(p) >= clean.SHORTEST for _, p in clean.clean(xyz, 60.0, "a"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_named_with_its_frame(value):
    xyz = take()
    xyz[17, 3, 1] = value
    with pytest.raises(UserError, match=r"walk\.bvh: NaN or inf in frame 17 \(1 frames\)"):
        clean.clean(xyz, 60.0, "walk.bvh")


def test_a_wrong_unit_is_refused():
    with pytest.raises(UserError, match="wrong unit or rig"):
        clean.clean(take() * 10, 60.0, "a")
