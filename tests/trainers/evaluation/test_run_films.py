"""Films through the production cores: joints go by name, whatever the lifter's set; baselines keep what was seen."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

from engines.skeleton import BLAZEPOSE_33, H36M_17
from realtime.config.schema import RunConfig
from realtime.wire.messages import Keypoints2D, Person2D, Stamp
from trainers.evaluation import run_films
from trainers.evaluation.run_films import Observed, detector_3d, last_observed, lift

FRAMES = 6
JOINTS = ("left_wrist", "nose", "left_ear")
EXTRA = tuple(name for name in BLAZEPOSE_33.joints if name not in H36M_17.joints)


def observed(reliability: np.ndarray) -> Observed:
    """Somebody whose every point moves 1 m to the right a frame."""
    frames, world = [], np.arange(FRAMES)[:, None, None] * np.array([1.0, 0, 0]) + np.zeros((FRAMES, 33, 3))
    for k in range(FRAMES):
        sure = np.ones(33, np.float32)
        person = Person2D(
            1, np.zeros((33, 2), np.float32), sure, sure, world[k].astype(np.float32), None, reliability[k]
        )
        frames.append(Keypoints2D(Stamp("film", 1, k, k, k), 100, 100, (person,)))
    return Observed(frames, world)


class LateLifter:
    """Answers two frames late with each joint's number in its own set; the first frame never."""

    def __init__(self, joints: tuple[str, ...]) -> None:
        self.joints = SimpleNamespace(joints=joints, index=joints.index)
        self.waiting: list[Keypoints2D] = []

    def reset(self) -> None: ...

    def lift(self, frame: Keypoints2D):
        self.waiting.append(frame)
        return [self.pose(self.waiting.pop(0))] if len(self.waiting) > 2 else []

    def flush(self):
        return [self.pose(frame) for frame in self.waiting]

    def pose(self, frame: Keypoints2D):
        xyz = np.arange(len(self.joints.joints))[:, None] + np.zeros(3)
        people = (SimpleNamespace(xyz=xyz, sigma=0.1 * xyz[:, 0]),) if frame.stamp.seq else ()
        return SimpleNamespace(stamp=frame.stamp, people=people)


@pytest.mark.parametrize("joints", [H36M_17.joints, (*H36M_17.joints, *EXTRA), tuple(reversed(H36M_17.joints))])
def test_joints_of_lifters_go_by_name_and_frame(monkeypatch, joints):
    monkeypatch.setattr(run_films, "Lifter", lambda *a: LateLifter(joints))
    answer = lift(observed(np.ones((FRAMES, 33), np.float32)), None, RunConfig(), JOINTS)
    xyz = answer.xyz
    np.testing.assert_allclose(answer.sigma, 0.1 * xyz[..., 0])
    assert np.isnan(xyz[0]).all()  # nobody was answered for
    for k, joint in enumerate(JOINTS):
        if joint in joints:
            assert (xyz[1:, k] == joints.index(joint)).all()
        else:
            assert np.isnan(xyz[:, k]).all()


def test_last_observed_waits_where_a_joint_was_believed():
    reliability = np.ones((FRAMES, 33), np.float32)
    reliability[3:5, BLAZEPOSE_33.index("left_wrist")] = 0.2
    reliability[:, BLAZEPOSE_33.index("nose")] = 0.2  # never believed: as the detector says
    seen = observed(reliability)
    assert last_observed(seen, JOINTS)[:, 0, 0].tolist() == [0, 1, 2, 2, 2, 5]
    assert (
        last_observed(seen, JOINTS)[:, 1, 0].tolist()
        == detector_3d(seen, JOINTS)[:, 1, 0].tolist()
        == [0, 1, 2, 3, 4, 5]
    )
    assert seen.reliability(("left_wrist",))[3, 0] == pytest.approx(0.2)


def test_a_frame_without_anybody_is_unknown():
    nobody = Keypoints2D(Stamp("film", 1, 0, 0, 0), 100, 100, ())
    seen = Observed([nobody], np.full((1, 33, 3), np.nan))
    assert np.isnan(detector_3d(seen, JOINTS)).all() and np.isnan(last_observed(seen, JOINTS)).all()
    assert (seen.reliability(JOINTS) == 0).all()
