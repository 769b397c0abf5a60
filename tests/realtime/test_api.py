"""What `import realtime` offers: few names, loaded when asked for, typed, printed in one line."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import realtime
from engines.skeleton import H36M_17
from realtime import Hello, Joint, JointState, Person, Pose, PoseClient, load_recording
from realtime.recording.file_format import RecordingError, RecordingWriter
from realtime.wire.joint import UnnamedJoints
from realtime.wire.messages import Person3D, Pose3D, decode, encode, replace
from tests.support.paths import ROOT
from tests.support.peer import hello, person3d, pose

NAMES = H36M_17.joints
WIDER = tuple(f"point_{n}" for n in range(37))  # a lifter of more joints


def named(people: int = 1) -> Pose:
    return pose(7, people).with_joints(NAMES)


def wide_person() -> Person:
    flat = np.arange(37, dtype=np.float32)
    return Person(
        1, "TRACKED", np.tile(flat[:, None], (1, 3)), flat, np.zeros(37, np.uint8), flat, flat, np.zeros((37, 2), "f4")
    )


def test_the_public_names_are_the_wire_s_own_classes():
    assert (Pose, Person) == (Pose3D, Person3D)
    assert set(realtime.__all__) <= set(dir(realtime)) and Hello.__module__ == "realtime.wire.messages"


def test_importing_realtime_loads_nothing_heavy():
    code = "import sys, realtime; import realtime.cli.main; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "zmq", "msgpack", "cv2", "mediapipe", "onnxruntime", "matplotlib", "rich"} & set(loaded)


def test_an_unknown_name_is_refused_with_what_there_is():
    with pytest.raises(AttributeError, match=r"it offers .*PoseClient"):
        _ = realtime.PosesClient


def test_the_version_has_one_place():
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'version = { attr = "realtime.__version__" }' in declared and 'dynamic = ["version"]' in declared
    said = subprocess.run([sys.executable, "-m", "realtime", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == f"steadypose {realtime.__version__}\n"


def test_a_joint_by_its_name_has_its_place_and_its_state():
    person = named().people[0]
    j = NAMES.index("right_wrist")
    joint = person["right_wrist"]
    assert isinstance(joint, Joint) and joint.name == "right_wrist"
    assert (np.asarray(joint) == person.xyz[j]).all() and (joint.xy == person.xy[j]).all()
    assert joint.state == person.state[j] and joint.state is JointState(int(person.state[j]))
    assert (joint.sigma, joint.age_ms, joint.reliability) == (person.sigma[j], person.age_ms[j], person.reliability[j])


def test_distances_between_joints_are_those_of_arrays():
    person = named().people[0]
    length = np.linalg.norm(np.subtract(person["right_wrist"], person["right_elbow"]))
    assert length == np.linalg.norm(person.xyz[16] - person.xyz[15])
    assert np.array(person["nose"], np.float64).dtype == np.float64


def test_joints_have_names_whatever_their_number():
    far = Pose(pose().stamp, 640, 480, "OK", (wide_person(),))
    assert far.with_joints(WIDER).people[0]["point_36"].xyz.tolist() == [36, 36, 36]
    assert far.with_joints(NAMES).people[0].joints == ()  # another number: these names are not theirs


def test_a_wrong_joint_is_refused_with_the_nearest():
    with pytest.raises(KeyError, match="nearest is 'right_wrist'"):
        _ = named().people[0]["rigth_wrist"]
    with pytest.raises(UnnamedJoints, match="Hello"):
        _ = person3d()["right_wrist"]


def test_states_compare_with_arrays():
    person = replace(person3d(), state=np.array([0, 1, 2, 3] * 4 + [0], np.uint8))
    assert (person.state == JointState.OBSERVED).sum() == 5 and (person.state >= JointState.HELD).sum() == 8
    assert [state.name for state in JointState] == ["OBSERVED", "INFERRED", "HELD", "ABSENT"]


def test_a_pose_prints_as_one_line():
    person = replace(person3d(), state=np.array([0] * 15 + [1, 3], np.uint8), joints=NAMES)
    told = replace(pose(7), people=(person,))
    assert repr(told) == "Pose(cam0 #7 OK, 1 TRACKED: 15 observed, 1 inferred, 1 absent)"
    assert repr(replace(told, status="STALE", people=())) == "Pose(cam0 #7 STALE)"
    assert repr(person) == "Person(1 TRACKED: 15 observed, 1 inferred, 1 absent)"
    assert repr(person["nose"]).startswith("nose ") and repr(person["nose"]).endswith("OBSERVED")


def test_names_do_not_travel():
    told = named()
    data = encode("pose3d", "cam0", told)
    assert data == encode("pose3d", "cam0", pose_without_names(told))
    assert b"right_wrist" not in data and decode(Pose, data).people[0].joints == ()


def pose_without_names(told: Pose) -> Pose:
    return replace(told, people=tuple(replace(one, joints=()) for one in told.people))


def test_a_recording_in_memory(tmp_path):
    path = tmp_path / "walk.sp"
    with RecordingWriter(path) as writer:
        writer.write(encode("pose3d", "cam0", pose(0)))  # before the first Hello
        writer.write(encode("hello", "cam0", hello(joints=NAMES)))
        for seq in range(1, 4):
            writer.write(encode("pose3d", "cam0", pose(seq)))
    recording = load_recording(path)
    assert [one.stamp.seq for one in recording] == [0, 1, 2, 3] and len(recording) == 4
    assert recording.joints == NAMES and all(one.people[0]["left_knee"].name for one in recording)
    assert [one.stamp.seq for one in recording[1:3]] == [1, 2] and recording[-1].stamp.seq == 3
    assert repr(recording) == "Recording(walk.sp: 4 poses, 17 joints, engine hold)"


def test_a_recording_without_names_and_no_recording_are_refused(tmp_path):
    path = tmp_path / "nameless.sp"
    with RecordingWriter(path) as writer:
        writer.write(encode("pose3d", "cam0", pose(0)))
    with pytest.raises(RecordingError, match="lacks a Hello"):
        load_recording(path)
    with pytest.raises(RecordingError, match="cannot be read"):
        load_recording(tmp_path / "nowhere.sp")


@pytest.mark.parametrize(
    ("address", "works"),
    [
        ("localhost:5555", "tcp://localhost:5555"),
        ("localhost", "tcp://localhost:5555"),
        ("tcp://localhost", "tcp://localhost:5555"),
        ("http://192.168.0.7:6000", "tcp://192.168.0.7:6000"),
        ("tcp://0.0.0.0:5555", "tcp://127.0.0.1:5555"),
        ("tcp://*:5555", "tcp://127.0.0.1:5555"),
        (":5555", "tcp://127.0.0.1:5555"),
        ("", "tcp://127.0.0.1:5555"),
    ],
)
def test_an_address_that_is_none_is_refused_with_the_form_that_works(address, works):
    with pytest.raises(Exception, match="is not understood") as refused:
        PoseClient(address)
    assert str(refused.value).endswith(f"PoseClient({works!r})") and refused.value.exit_code == 2
    PoseClient(works).close()


def test_addresses_of_version_6_of_the_protocol_are_taken():
    PoseClient("tcp://[::1]:5555").close()


def test_every_public_function_says_what_it_takes_gives_and_raises():
    for page, parts in (
        (realtime.process.__doc__, ("Args:", "Returns:", "Raises:")),
        (load_recording.__doc__, ("Args:", "Returns:", "Raises:")),
        (PoseClient.__doc__, ("Args:", "Raises:")),
        (PoseClient.latest.__doc__, ("Args:", "Returns:")),
        (PoseClient.hello.__doc__, ("Args:", "Raises:")),
        (Person.__getitem__.__doc__, ("Args:", "Returns:", "Raises:")),
    ):
        assert all(part in page for part in parts), page


@pytest.mark.parametrize("package", ["realtime", "engines", "trainers"])
def test_the_packages_are_typed(package):
    assert (ROOT / package / "py.typed").exists()


@pytest.mark.slow
def test_types_reach_a_user_s_checker(tmp_path):
    program = tmp_path / "uses.py"
    program.write_text(
        "from realtime import JointState, PoseClient, load_recording, process\n"
        "for pose in PoseClient():\n    reveal_type(pose.people[0]['nose'].state)\n"
        "reveal_type(load_recording('x.sp')[0])\nreveal_type(next(process('x.mp4', people=2)))\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--output", "json", "--cache-dir", str(tmp_path), str(program)]
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    told = [json.loads(line)["message"] for line in said.stdout.splitlines()]
    revealed = [one.split('"')[1].rsplit(".")[-1] for one in told if one.startswith("Revealed")]
    assert revealed == ["JointState", "Pose3D", "Pose3D"], said.stdout + said.stderr
