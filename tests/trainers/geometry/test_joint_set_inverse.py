"""Points of larger joint sets map back to the 17 they were made from."""

from __future__ import annotations

import numpy as np
import pytest

from engines.contract import map_reliability
from engines.skeleton import BLAZEPOSE_33, COCO_17, H36M_17, HALPE_26, JOINT_SETS, mapping
from trainers.geometry.joint_set_inverse import spread, spread_reliability

MADE = ("pelvis", "spine", "thorax")  # what a detector's joints make of them


@pytest.mark.parametrize("joints", [BLAZEPOSE_33.name, COCO_17.name, HALPE_26.name, H36M_17.name])
@pytest.mark.parametrize("width", [2, 3])
def test_the_contract_s_mapping_gives_the_joints_back(joints, width):
    points = np.random.default_rng(0).normal(size=(5, 17, width)).astype(np.float32)
    back = mapping(joints, H36M_17.name) @ spread(points, joints)
    for j, name in enumerate(H36M_17.joints):
        if name not in MADE:
            np.testing.assert_allclose(back[:, j], points[:, j], atol=1e-4, err_msg=name)


def test_every_point_lies_at_its_own_limb():
    points = np.arange(17, dtype=np.float32)[:, None].repeat(2, 1)
    out = spread(points, "blazepose33")
    at = lambda name: out[BLAZEPOSE_33.index(name), 0]  # noqa: E731
    assert at("left_pinky") == at("left_wrist") == H36M_17.index("left_wrist")
    assert at("right_heel") == at("right_ankle") == H36M_17.index("right_ankle")


def test_a_hidden_joint_stays_hidden_through_the_mapping():
    for hidden in range(17):
        reliability = np.ones(17, np.float32)
        reliability[hidden] = 0.0
        for joints in JOINT_SETS:
            back = map_reliability(spread_reliability(reliability, joints), mapping(joints, H36M_17.name))
            if H36M_17.joints[hidden] not in MADE:
                assert back[hidden] == 0
            limbs = [j for j, n in enumerate(H36M_17.joints) if "_" in n and j != hidden]
            assert back[limbs].min() == 1
