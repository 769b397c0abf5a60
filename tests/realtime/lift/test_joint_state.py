"""OBSERVED, INFERRED, HELD, ABSENT by the time since a joint was seen."""

import numpy as np

from engines.skeleton import H36M_17
from realtime.lift.joint_state import JointTracker
from realtime.wire.messages import ABSENT, HELD, INFERRED, OBSERVED

MS = 1_000_000
WRIST, ELBOW = H36M_17.index("left_wrist"), H36M_17.index("left_elbow")


def memory():
    return JointTracker(H36M_17, 1000.0, 2000.0)


def but_the_wrist():
    seen = np.ones(17, bool)
    seen[WRIST] = False
    return seen


def test_a_hidden_joint_passes_through_the_states_by_its_age():
    m = memory()
    m.see(0, np.ones(17, bool))
    found = {t: m.see(t * MS, but_the_wrist())[0][WRIST] for t in (33, 999, 1001, 1999, 2001)}
    assert found == {33: INFERRED, 999: INFERRED, 1001: HELD, 1999: HELD, 2001: ABSENT}
    state, age = m.see(2100 * MS, np.ones(17, bool))
    assert (state == OBSERVED).all() and (age == 0).all()


def test_a_joint_never_seen_is_absent_and_its_age_counts_from_the_start():
    m = memory()
    m.see(0, but_the_wrist())
    state, age = m.see(500 * MS, but_the_wrist())
    assert state[WRIST] == ABSENT and age[WRIST] == 500


def test_a_held_joint_keeps_the_bone_it_had():
    m, rng = memory(), np.random.default_rng(0)
    m.see(0, np.ones(17, bool))
    first = rng.normal(size=(17, 3)).astype(np.float32)
    m.freeze_bones(first, m.see(1001 * MS, but_the_wrist())[0])
    second = rng.normal(size=(17, 3)).astype(np.float32)
    kept = m.freeze_bones(second, m.see(1500 * MS, but_the_wrist())[0])
    assert np.allclose(kept[WRIST] - kept[ELBOW], first[WRIST] - first[ELBOW], atol=1e-6)
    others = [j for j in range(17) if j != WRIST]
    assert np.array_equal(kept[others], second[others])
