"""Changed poses: bones keep their lengths, what is not meant stays where it was, the floor stays under the feet."""

import numpy as np
import pytest

from engines.skeleton import H36M_17
from realtime.demo.anatomy import J
from tests.trainers.synthesis.test_synthesis import walking
from trainers.synthesis.burst_poses import chance
from trainers.synthesis.pose_changes import ANKLE_M, UPPER, bent, laid, reached, seated, stepped, two_bones

POSES = np.asarray(walking(1, 1.0), np.float64)[:3]
LEGS = [J[f"{side}_{part}"] for side in ("left", "right") for part in ("knee", "ankle")]
ANKLES = [J["left_ankle"], J["right_ankle"]]
CHANGES = {
    "reached": lambda rng: reached(POSES, "left", rng), "stepped": lambda rng: stepped(POSES, "right", rng),
    "seated": lambda rng: seated(POSES, rng), "bent": lambda rng: bent(POSES, rng),
    "laid": lambda rng: laid(POSES, rng),
}  # fmt: skip


def lengths(poses):
    return np.linalg.norm(poses[:, 1:] - poses[:, list(H36M_17.parents[1:])], axis=-1).mean(0)


def moved(poses):
    """Return names of the joints that are elsewhere, seen from the pelvis."""
    far = np.linalg.norm((poses - poses[:, :1]) - (POSES - POSES[:, :1]), axis=-1).max(0)
    return {name for name, metres in zip(H36M_17.joints, far) if metres > 1e-6}


@pytest.mark.parametrize("name", CHANGES)
def test_no_bone_changes_its_length(name):
    for seed in range(20):
        assert np.allclose(lengths(CHANGES[name](np.random.default_rng(seed))), lengths(POSES), atol=2e-3)


def test_a_step_moves_one_leg_and_stands_on_the_floor():
    places = []
    for seed in range(50):
        new = CHANGES["stepped"](np.random.default_rng(seed))
        assert moved(new) <= {"right_knee", "right_ankle"}
        assert new[:, ANKLES, 1].min() == pytest.approx(ANKLE_M)
        places.append(new[-1, J["right_ankle"]] - new[-1, J["right_hip"]])
    assert np.ptp(places, axis=0).min() > 0.5  # m: kicks, lunges, squats


def test_a_bent_trunk_leaves_pelvis_and_legs():
    tilts = []
    for seed in range(50):
        new = CHANGES["bent"](np.random.default_rng(seed))
        assert np.array_equal(new[:, [J["pelvis"], *LEGS]], POSES[:, [J["pelvis"], *LEGS]])
        assert {H36M_17.joints[j] for j in UPPER} <= moved(new)
        trunk = new[-1, J["thorax"]] - new[-1, J["pelvis"]]
        tilts.append(np.degrees(np.arccos(trunk[1] / np.linalg.norm(trunk))))
    assert np.median(tilts) > 15 and np.max(tilts) > 45


def test_who_lies_is_no_higher_than_he_is_long_across():
    for seed in range(20):
        new = CHANGES["laid"](np.random.default_rng(seed))[-1]
        high, across = np.ptp(new[:, 1]), np.linalg.norm(np.ptp(new[:, [0, 2]], axis=0))
        assert new[:, 1].min() > 0.0 and high < across


def test_two_bones_end_at_their_goal():
    goal = np.array([[0.2, -0.3, 0.25], [0.1, 0.0, 0.1]])
    bend = two_bones(goal, 0.28, 0.25, np.array([0.0, -1.0, 0.0]))
    assert np.allclose(np.linalg.norm(bend, axis=-1), 0.28)
    assert np.allclose(np.linalg.norm(goal - bend, axis=-1), 0.25)


def test_a_seated_body_bends_at_hip_and_knee_and_its_upper_half_stays():
    new = seated(POSES, np.random.default_rng(0))
    upper = [J[n] for n in ("thorax", "left_wrist", "head")]
    moved = new[:, upper] - POSES[:, upper]
    assert np.ptp(moved, axis=(0, 1)).max() < 1e-9
    thigh = new[:, J["left_knee"]] - new[:, J["left_hip"]]
    assert (thigh[:, 2] > 0.7 * np.linalg.norm(thigh, axis=-1)).all()
    again = reached(new, "left", np.random.default_rng(0))
    still = [j for name, j in J.items() if name not in ("left_elbow", "left_wrist")]
    assert np.array_equal(again[:, still], new[:, still])


def test_what_never_happens_draws_no_number():
    """Else scenes of data that was made before could not be made again by their command."""
    rng = np.random.default_rng(4)
    before = rng.bit_generator.state
    assert not chance(0.0, rng) and rng.bit_generator.state == before
    assert chance(1.0, rng) and rng.bit_generator.state != before
