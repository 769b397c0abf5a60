"""A bone that turns away looks shorter than it has looked: the ratio says so, and the memory fades."""

import pytest

torch = pytest.importorskip("torch")

from engines.skeleton import H36M_17
from trainers.models.blocks.foreshortening import BONES, CHILDREN, FADE_S, features, lengths, longest_clip

SHIN = CHILDREN.index(H36M_17.index("left_ankle"))


def turning(angles: torch.Tensor) -> torch.Tensor:  # type: ignore[name-defined]
    """(1, T, 17, 2): a shin of 0.5 m at an angle to the picture; everything else stands."""
    g = torch.Generator().manual_seed(0)
    points = torch.randn(1, 1, 17, 2, generator=g).expand(1, len(angles), 17, 2).clone() * 0.3
    knee = points[:, :, H36M_17.index("left_knee")]
    points[:, :, H36M_17.index("left_ankle")] = knee + torch.stack([0 * angles, 0.5 * angles.cos()], -1)
    return points


def test_the_ratio_is_the_cosine_of_the_angle_once_the_bone_was_seen_in_full():
    angles = torch.linspace(0, 1.4, 60)
    points, seen, time = turning(angles), torch.ones(1, 60, 17, dtype=torch.bool), torch.arange(60)[None] / 30.0
    told = features(points, longest_clip(points, seen, time))
    assert torch.allclose(told[0, :, BONES + SHIN], angles.cos(), atol=0.06)
    assert torch.allclose(told[0, :, SHIN], torch.tensor(0.5), atol=0.05)


def test_hidden_ends_measure_nothing_and_a_long_bone_fades():
    angles = torch.zeros(600)
    points, seen, time = turning(angles), torch.ones(1, 600, 17, dtype=torch.bool), torch.arange(600)[None] / 30.0
    seen[:, 1:, H36M_17.index("left_ankle")] = False
    points[:, 1:, H36M_17.index("left_ankle")] += 3
    longest = longest_clip(points, seen, time)[0, :, SHIN]
    assert (longest.diff() <= 0).all()
    assert longest[-1] == pytest.approx(float(longest[0]) * 2.718 ** (-float(time[0, -1]) / FADE_S), rel=0.02)
    assert lengths(points).shape == (1, 600, BONES)
