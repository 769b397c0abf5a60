from __future__ import annotations

import numpy as np
import pytest

from engines.contract import Contract, map_reliability
from realtime.lift.person import JointMapping, sane_claims


@pytest.mark.parametrize(("seen", "answered"), [("blazepose33", "h36m17"), ("coco17", "h36m17")])
def test_a_joint_is_as_reliable_as_the_contract_says(seen, answered):
    mapped = JointMapping.of(Contract("lift", "single", seen, answered, receptive_field=1))
    for seed in range(10):
        reliable = np.random.default_rng(seed).random(mapped.weights.shape[1], np.float32)
        assert np.array_equal(mapped.reliability(reliable), map_reliability(reliable, mapped.weights))


def test_claims_that_cannot_be_count_for_nothing_and_good_ones_are_copied():
    xy, reliability = np.ones((4, 2), np.float32), np.full(4, 0.7, np.float32)
    kept, copied = sane_claims(xy, reliability)
    copied *= 0
    assert kept is xy and (reliability == np.float32(0.7)).all()
    xy[1], xy[2], reliability[3] = np.nan, 1e7, np.inf
    kept, some = sane_claims(xy, reliability)
    assert np.array_equal(some, np.float32([0.7, 0, 0, 0]))
    assert np.array_equal(kept, np.float32([[1, 1], [0, 0], [0, 0], [0, 0]]))
