"""What travels as JSON: complete, finite, in the order that Hello names."""

from __future__ import annotations

import json

import numpy as np

from realtime.bridges.person import bridged
from realtime.bridges.pose_json import hello_json, pose_json
from realtime.wire.messages import ABSENT, INFERRED
from tests.support.people import walker, whole_body


def test_a_pose_is_as_hello_names_it_and_absent_joints_are_null():
    one = walker.person(3, walker.in_camera(walker.walker(0.5)), {"left_wrist": ABSENT, "head": INFERRED})
    pose = walker.pose(7, [one])
    seen = bridged(one, pose, walker.HELLO)
    hello, found = json.loads(hello_json(walker.HELLO)), json.loads(pose_json(pose, [seen]))
    person = found["people"][0]
    assert found["seq"] == 7 and found["status"] == "OK" and person["id"] == 3 and person["placed"]
    assert len(hello["joints"]) == len(person["xyz"]) == len(person["sigma"]) == len(person["state"]) == 17
    absent, head = hello["joints"].index("left_wrist"), hello["joints"].index("head")
    assert person["xyz"][absent] is person["sigma"][absent] is None and person["state"][absent] == ABSENT
    assert np.allclose(person["xyz"][head], seen.joints["head"], atol=1e-4) and person["state"][head] == INFERRED
    assert hello["states"][person["state"][head]] == "inferred"
    assert abs(found["t_capture_unix_ms"] - pose.stamp.t_capture_unix_ns / 1e6) < 0.002


def test_nobody_is_an_empty_list_and_37_joints_stay_small():
    assert json.loads(pose_json(walker.pose(0, []), []))["people"] == []
    pose = whole_body.walk(1)[0]
    text = pose_json(pose, [bridged(pose.people[0], pose, whole_body.HELLO)])
    assert len(json.loads(text)["people"][0]["xyz"]) == 37 and len(text) < 2500
