"""Structured masks: exact counts, overlap as asked."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from trainers.augmentation.masksembles import ones, structured


@pytest.mark.parametrize(("nodes", "kept", "scale"), [(31 * 17, 292, 1.805), (31 * 13, 223, 1.808)])
def test_counts_and_scale_are_the_papers(nodes, kept, scale):
    masks, found = structured(nodes, 32, 1.8, torch.Generator().manual_seed(0))
    assert masks.shape == (32, nodes) and (masks.sum(1) == kept).all() and masks.any(0).all()
    assert found == pytest.approx(scale, abs=2e-3)


def test_alpha_one_keeps_everything_and_more_alpha_keeps_less():
    assert structured(527, 32, 1.0, torch.Generator())[0].all()
    counts = [ones(527, 32, alpha) for alpha in (1.0, 1.2, 1.4, 1.8, 2.0, 2.5, 3.0, 3.5)]
    assert counts == sorted(counts, reverse=True) and counts[0] == 527


def test_two_masks_share_what_their_scale_says():
    masks, scale = structured(527, 32, 1.8, torch.Generator().manual_seed(0))
    both = (masks[:, None] & masks[None]).sum(-1).float()
    shared = both[~torch.eye(32, dtype=torch.bool)].mean() / 292
    assert shared == pytest.approx(1 / scale, abs=0.02)


def test_the_same_seed_gives_the_same_masks():
    first, second = (structured(100, 8, 2.0, torch.Generator().manual_seed(5))[0] for _ in range(2))
    assert torch.equal(first, second)


def test_masks_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="alpha 40"):
        structured(10, 1, 40, torch.Generator())
