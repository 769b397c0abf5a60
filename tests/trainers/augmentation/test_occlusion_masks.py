"""Masks: shares, lengths and places as declared."""

from __future__ import annotations

import pytest
import torch

from engines.skeleton import H36M_17
from trainers.augmentation import occlusion_masks

BODY = torch.tensor(  # a standing person in pixels, y down
    [[320, 240], [300, 240], [298, 330], [296, 420], [340, 240], [342, 330], [344, 420], [320, 190], [320, 140],
     [322, 115], [320, 90], [355, 142], [370, 195], [375, 245], [285, 142], [270, 195], [265, 245]]
).float()  # fmt: skip


def keypoints(batch: int = 400, frames: int = 60) -> torch.Tensor:
    walk = torch.stack([torch.arange(frames) * 1.0, torch.zeros(frames)], -1)
    return (BODY + walk[:, None]).expand(batch, frames, 17, 2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def run_lengths(flags: torch.Tensor) -> list[int]:
    """Lengths of runs of True in (T,)."""
    edges = torch.diff(torch.cat([torch.zeros(1), flags.float(), torch.zeros(1)]))
    return (torch.nonzero(edges < 0) - torch.nonzero(edges > 0)).flatten().tolist()


@pytest.mark.parametrize("name", occlusion_masks.MASKS)
def test_every_mask_is_bool_repeatable_and_hides_something_but_not_all(name):
    xy = keypoints()
    hidden = occlusion_masks.MASKS[name](xy, generator(1))
    assert hidden.shape == xy.shape[:3] and hidden.dtype == torch.bool
    assert torch.equal(hidden, occlusion_masks.MASKS[name](xy, generator(1)))
    assert 0.005 < hidden.float().mean() < 0.7
    assert hidden.any((1, 2)).float().mean() > 0.5


def test_discrete_masks_hide_a_fifth():
    xy = keypoints()
    assert occlusion_masks.points(xy, generator()).float().mean() == pytest.approx(0.2, abs=0.01)
    whole = occlusion_masks.frames(xy, generator())
    assert whole.float().mean() == pytest.approx(0.2, abs=0.01)
    assert torch.equal(whole.any(2), whole.all(2))


def test_continuous_masks_are_single_runs_of_2_to_40_frames():
    xy = keypoints(200)
    single = occlusion_masks.point_runs(xy, generator())
    assert single.any(1).float().mean() == pytest.approx(0.2, abs=0.03)
    runs = [run_lengths(single[b, :, j]) for b in range(200) for j in range(17) if single[b, :, j].any()]
    lengths = torch.tensor([r[0] for r in runs])
    assert all(len(r) == 1 for r in runs) and lengths.min() >= 2 and lengths.max() <= 40 and lengths.max() > 30
    whole = occlusion_masks.frame_runs(xy, generator())
    assert torch.equal(whole.any(2), whole.all(2)) and whole.any((1, 2)).all()


def test_a_board_covers_neighbours_together_and_goes():
    hidden = occlusion_masks.boards(keypoints(), generator(), lengths=(5, 20))
    times = hidden.any(2).sum(1)
    assert times.max() <= 21
    near, far = [J("left_elbow"), J("left_wrist")], [J("left_wrist"), J("right_ankle")]
    together = lambda pair: (hidden[..., pair[0]] & hidden[..., pair[1]]).sum() / hidden[..., pair[0]].sum()  # noqa: E731
    assert together(near) > 3 * together(far)


def J(name: str) -> int:
    return H36M_17.index(name)


def test_legs_out_hides_only_legs_from_below_for_the_whole_clip():
    hidden = occlusion_masks.legs_out(keypoints(), generator())
    assert not hidden[..., [J("nose"), J("left_wrist"), J("thorax")]].any()
    assert torch.equal(hidden.any(1), hidden.all(1))
    ankles, knees = hidden[..., J("left_ankle")], hidden[..., J("left_knee")]
    assert ankles.float().mean() > knees.float().mean() > 0.1
    assert (ankles | ~knees).all()


def test_last_gaps_reach_the_end():
    hidden = occlusion_masks.last_gaps(keypoints(), generator())
    assert hidden[:, -1].any(1).all()
    assert (hidden[:, 1:] | ~hidden[:, :-1]).all()


def test_outside_the_picture():
    xy = torch.tensor([[[[-1.0, 5], [5, 5], [10, 5], [5, 8]]]])
    assert occlusion_masks.outside(xy, 10, 8).tolist() == [[[True, False, True, True]]]


def test_mixed_masks_fall_on_their_share_and_unknown_names_are_refused():
    xy = keypoints()
    hidden = occlusion_masks.mixed(xy, generator(), {"last_gaps": 0.5, "points": 0.0})
    assert hidden.any((1, 2)).float().mean() == pytest.approx(0.5, abs=0.08)
    with pytest.raises(ValueError, match=r"boxes.*known: points"):
        occlusion_masks.mixed(xy, generator(), {"boxes": 1.0})
