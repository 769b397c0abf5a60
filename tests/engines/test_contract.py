"""The contract: joint sets, their mappings, tensors by kind, and the plain form that manifests hold."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engines.contract import Contract, map_reliability
from engines.skeleton import BLAZEPOSE_33, H36M_17, JOINT_SETS, mapping

STEP = Contract("lift", "step", "blazepose33", "h36m17", 243, state=(("a", (2, 5)), ("b", (7,))))
PAIRS = [(a, b) for a in JOINT_SETS for b in JOINT_SETS if a == b or (a, b) in (
    ("blazepose33", "h36m17"), ("coco17", "h36m17"), ("halpe26", "h36m17"), ("blazepose33", "coco17"),
)]  # fmt: skip


@pytest.mark.parametrize("joints", JOINT_SETS.values(), ids=list(JOINT_SETS))
def test_joint_sets_are_trees_whose_sides_mirror(joints: Any) -> None:
    assert len(set(joints.joints)) == len(joints.joints) == len(joints.parents)
    assert sum(parent == -1 for parent in joints.parents) == 1
    for joint in range(len(joints)):
        seen: list[int] = []
        while joint != -1:
            assert joint not in seen, "a cycle"
            seen.append(joint)
            joint = joints.parents[joint]
    for left, right in zip(joints.left, joints.right):
        assert joints.joints[left].replace("left", "right") == joints.joints[right]
    assert sorted((*joints.left, *joints.right)) == [
        i for i, n in enumerate(joints.joints) if "left" in n or "right" in n
    ]


@pytest.mark.parametrize("joints", JOINT_SETS.values(), ids=list(JOINT_SETS))
def test_mirror_exchanges_sides_and_undoes_itself(joints: Any) -> None:
    mirror = joints.mirror()
    assert (mirror[mirror] == np.arange(len(joints))).all()
    assert joints.joints[mirror[joints.left[0]]] == joints.joints[joints.right[0]]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_mappings_keep_places_and_sizes(source: str, target: str) -> None:
    """Weights sum to 1, so that a moved or scaled person stays the same person."""
    weights = mapping(source, target)
    assert weights.shape == (len(JOINT_SETS[target]), len(JOINT_SETS[source]))
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_mapping_a_mirrored_person_mirrors_the_mapping(source: str, target: str) -> None:
    weights = mapping(source, target)
    mirrored = weights[JOINT_SETS[target].mirror()][:, JOINT_SETS[source].mirror()]
    np.testing.assert_array_equal(mirrored, weights)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_joints_that_both_sets_name_keep_their_place(source: str, target: str) -> None:
    points = np.random.default_rng(0).normal(size=(len(JOINT_SETS[source]), 2))
    mapped = mapping(source, target) @ points
    for joint in JOINT_SETS[target].joints:
        if joint in JOINT_SETS[source].joints:
            expected = points[JOINT_SETS[source].index(joint)]
            np.testing.assert_allclose(mapped[JOINT_SETS[target].index(joint)], expected, atol=1e-6)


def test_the_head_lies_above_the_nose_of_an_upright_face() -> None:
    y = {"nose": 0.0, "left_eye": -0.03, "right_eye": -0.03, "left_ear": -0.02, "right_ear": -0.02,
         "mouth_left": 0.04, "mouth_right": 0.04}  # fmt: skip
    points = np.array([y.get(joint, 0.3) for joint in BLAZEPOSE_33.joints])
    head = (mapping("blazepose33", "h36m17") @ points)[H36M_17.index("head")]
    assert -0.3 < head < -0.1, "metres above the nose, y down"


def test_an_unknown_mapping_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no mapping from h36m17 to coco17; known: blazepose33->h36m17"):
        mapping("h36m17", "coco17")


def test_a_mapped_joint_is_as_reliable_as_its_worst_source() -> None:
    reliability = np.ones((2, 33), np.float32)
    reliability[0, BLAZEPOSE_33.index("left_hip")] = 0.2
    mapped = map_reliability(reliability, mapping("blazepose33", "h36m17"))
    hidden = {H36M_17.joints[j] for j in np.flatnonzero(mapped[0] < 1)}
    assert hidden == {"left_hip", "pelvis", "spine"}
    assert mapped[0].min() == np.float32(0.2)
    assert (mapped[1] == 1).all()


def test_tensors_of_a_step() -> None:
    assert STEP.inputs(4) == {"x": (4, 33, 2), "reliability": (4, 33), "dt": (4,), "reset": (4,),
                              "state_a": (4, 2, 5), "state_b": (4, 7)}  # fmt: skip
    assert STEP.outputs(4) == {"xyz": (4, 17, 3), "log_sigma": (4, 17),
                               "next_state_a": (4, 2, 5), "next_state_b": (4, 7)}  # fmt: skip


def test_tensors_of_a_window_with_world() -> None:
    window = Contract("lift", "window", "coco17", "h36m17", 27, window=27, look_ahead=13, world=True, sigma=False)
    assert window.inputs(1) == {"x": (1, 27, 17, 2), "reliability": (1, 27, 17), "dt": (1, 27), "world": (1, 27, 17, 3)}
    assert window.outputs(1) == {"xyz": (1, 17, 3)}
    assert not window.causal


def test_tensors_of_a_reliability_network() -> None:
    network = Contract("reliability", "step", "blazepose33", "blazepose33", 13, features=("score", "flow"))
    assert network.inputs(1) == {"features": (1, 33, 2), "dt": (1,), "reset": (1,)}
    assert network.outputs(1) == {"reliability": (1, 33)}


def test_the_plain_form_survives_json() -> None:
    assert Contract.from_dict(json.loads(json.dumps(STEP.to_dict()))) == STEP


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"task": "guess"}, "task is 'guess', known: lift, reliability, detect2d"),
        ({"joints_in": "h36m32"}, "joints_in is 'h36m32', known: h36m17"),
        ({"normalisation": "pixels"}, "normalisation is 'pixels', known: rays"),
        ({"look_ahead": 243}, "look_ahead 243 outside"),
        ({"window": 9}, "a step network has window 1, not 9"),
        ({"receptive_field": "243"}, "receptive_field is '243', expected int"),
        ({"causal": True}, r"fields \['causal'\] unknown or missing"),
        ({"batches": 4}, "batches is 4, expected list"),
        ({"batches": [0]}, r"batches \(0,\) outside 1 to 4096"),
        ({"batches": [10**9]}, "outside 1 to 4096"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_wrong_plain_form_is_refused_by_name(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Contract.from_dict(STEP.to_dict() | change)


def test_differences_name_both_values() -> None:
    assert STEP.differences(STEP) == []
    assert STEP.differences(replace(STEP, look_ahead=4, threshold=0.4)) == ["look_ahead: 0, 4", "threshold: 0.5, 0.4"]
