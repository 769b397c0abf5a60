"""`trainers show`: a picture of the clip that was asked for, or the nearest names."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.people.walkers import walkers
from trainers import cli
from trainers.data import motion
from trainers.data.motion import MotionSegment
from trainers.evaluation import show


@pytest.fixture
def folder(tmp_path):
    walk, turned = (w.numpy() for w in walkers(2, 60))
    motion.save(
        tmp_path, "01", [MotionSegment(walk, 30.0, "01_01@7", "01"), MotionSegment(turned[:20], 30.0, "01_02", "01")]
    )
    return tmp_path


def test_a_clip_becomes_a_picture(folder, capsys):
    out = folder / "deep" / "clip.png"
    assert cli.main(["show", "01_01", "--data", str(folder), "--out", str(out), "--views", "2"]) == 0
    assert out.read_bytes().startswith(b"\x89PNG") and out.stat().st_size > 10_000
    assert "01_01@7: subject 01" in capsys.readouterr().out


def test_an_unknown_clip_is_one_line_with_the_nearest(folder, capsys):
    assert cli.main(["show", "01_03", "--data", str(folder)]) == 2
    error = capsys.readouterr().err
    assert "no clip '01_03'; nearest: 01_0" in error and error.count("\n") == 1


def test_what_is_out_of_the_picture_or_behind_the_body_is_marked():
    segment = MotionSegment(walkers(1, 60)[0].numpy(), 30.0, "a", "01")
    view = show.views(segment, np.arange(0, 60, 10), 8, seed=2)
    covered = show.hidden(view)
    assert covered[~view.inside].all() and 0.03 < covered[view.inside].float().mean() < 0.6
