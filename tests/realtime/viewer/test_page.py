"""The page's own arithmetic under Node: it reads our bytes, its One-Euro agrees with ours, its room is upright."""

import json
import re
import shutil
import subprocess
from importlib.resources import files

import msgpack
import numpy as np
import pytest

from engines.skeleton import BLAZEPOSE_33, H36M_17
from realtime.client.one_euro import OneEuro
from realtime.rotations import y_up
from realtime.wire.messages import ABSENT, HELD, INFERRED, OBSERVED, encode
from tests.support.people import walker as fake

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")

BYTES = "const bytes = hex => Uint8Array.from(Buffer.from(hex, 'hex'));\n"


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The page's modules where Node takes them for what they are."""
    folder = tmp_path_factory.mktemp("page")
    for entry in files("realtime.viewer").joinpath("page").iterdir():
        (folder / entry.name).write_bytes(entry.read_bytes())
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


@pytest.fixture
def node(modules):
    """Runs `code` with all that some modules export, on JSON; answers what `code` passes to `answer`."""

    def run(names, code, given):
        imports = "".join(f"import * as module_{name} from './{name}.js';\n" for name in names)
        spread = "".join(f"Object.assign(globalThis, module_{name});\n" for name in names)
        answer = "const answer = v => process.stdout.write(JSON.stringify(v));"
        program = f"{imports}{spread}{answer}\nconst given = {json.dumps(given)};\n{code}"
        (modules / "program.js").write_text(program)
        done = subprocess.run([NODE, "program.js"], cwd=modules, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_a_pose_is_read_as_it_was_written(node):
    pose = fake.walk(8, hidden=lambda i: {"head": ABSENT, "right_knee": HELD})[7]
    code = """
        const { topic, source, body } = readMessage(bytes(given).buffer), p = body.people[0];
        answer({ topic, source, seq: body.seq, t: body.t_capture_ns, up: body.up, id: p.id, xyz: [...p.xyz],
                 state: [...p.state], root: [...p.root_cam] });"""
    read = node(["wire"], BYTES + code, encode("pose3d", "cam0", pose).hex())
    person = pose.people[0]
    assert (read["topic"], read["source"], read["seq"], read["id"]) == ("pose3d", "cam0", 7, 1)
    assert read["t"] == pose.stamp.t_capture_ns and read["up"] == list(pose.up)
    assert np.array_equal(np.float32(read["xyz"]).reshape(-1, 3), person.xyz)
    assert read["state"] == person.state.tolist()
    assert np.array_equal(np.float32(read["root"]), person.root_cam)


def test_every_kind_of_msgpack_value_is_read(node):
    value = {
        "positive": [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53],
        "negative": [-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**40)],
        "fractions": [1.5, -2.25],
        "texts": ["", "é" * 40, "x" * 300],
        "others": [True, False, None],
        "long": list(range(40)),
        "map": {str(i): i for i in range(20)},
    }
    code = BYTES + "answer(unpack(bytes(given)));"
    assert node(["wire"], code, msgpack.packb(value).hex()) == value
    assert node(["wire"], code, msgpack.packb([1.5], use_single_float=True).hex()) == [1.5]


def test_bytes_that_are_no_message_are_refused(node):
    pose = encode("pose3d", "cam0", fake.walk(1)[0])
    tails = (b"\xc1", b"\x91" * 40, b"\xdd\xff\xff\xff\xff", b"\xd4\x01\x02")
    bad = [pose[:-5], pose + b"\0", b"no zero", *(b"a/b\0" + tail for tail in tails)]
    code = """
        const trial = hex => { try { readMessage(bytes(hex).buffer); return "read"; } catch (e) { return e.name; } };
        answer(given.map(trial));"""
    assert set(node(["wire"], BYTES + code, [one.hex() for one in bad])) <= {"RangeError", "TypeError"}


def test_smoothing_agrees_with_python(node):
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.02, 0.05, 60))
    times[40:] += 1.0  # a gap
    track = np.cumsum(rng.normal(0, 0.02, (60, 4, 3)), 0).astype(np.float32)
    valid = rng.random((60, 4)) > 0.1
    euro = OneEuro()
    wanted = np.stack([euro.update(p, t, v) for p, t, v in zip(track, times, valid)])
    code = """
        const e = new OneEuro();
        const step = (p, i) => e.update(Float32Array.from(p), given.times[i], j => given.valid[i][j]);
        answer({ out: given.track.map((p, i) => [...step(p, i)]), delay: e.delay });"""
    given = {"track": track.reshape(60, -1).tolist(), "times": times.tolist(), "valid": valid.tolist()}
    found = node(["smoothing"], code, given)
    assert np.allclose(np.array(found["out"]).reshape(60, 4, 3), wanted, atol=1e-5)
    assert found["delay"] == pytest.approx(euro.delay_s, rel=1e-4)


@pytest.mark.parametrize("up", [(0.0, -1.0, 0.0), (0.1, -0.9, -0.42), (1.0, 0.0, 0.0)])
def test_the_room_is_as_upright_as_in_exports(node, up):
    rows = node(["space"], "answer(upright(given));", list(up))
    assert np.allclose(rows, y_up(np.array(up)), atol=1e-6)


def test_the_floor_follows_the_feet_not_a_jump_or_a_glitch(node):
    code = "const f = new Floor(); answer(given.map(low => (f.add(low), f.level)));"
    levels = node(["space"], code, [-1.2] * 60 + [-0.9] * 20 + [-3.0] + [-1.2] * 60)
    assert np.allclose(levels, -1.2, atol=0.02)
    moved = node(["space"], code, [-1.2] * 30 + [-1.3] * 100)
    assert moved[-1] == pytest.approx(-1.3, abs=0.02)


def test_a_point_is_seen_where_it_should_be(node):
    code = """
        const view = { yaw: 0, pitch: 0, target: [0, 1, -3], distance: 4, width: 800, height: 600 };
        const e = Object.assign(new Eye(), view);
        e.frame();
        const plain = given.map(p => e.see(p));
        e.mirrored = true;
        answer([...plain, e.see(given[1])]);"""
    points = [[0, 1, -3], [0.5, 1, -3], [0, 1.5, -3], [0, 1, 5]]
    middle, right, above, behind, mirrored = node(["space"], code, points)
    assert middle[:2] == [400, 300] and right[0] > 400 and above[1] < 300 and behind is None
    assert mirrored[0] == pytest.approx(800 - right[0])


JOINTS_37 = H36M_17.joints + tuple(
    name for name in BLAZEPOSE_33.joints if re.search("eye$|ear$|mouth|pinky|index|thumb|heel", name)
)


def test_unseen_joints_are_named_and_a_hand_or_face_of_one_state_is_one_name(node):
    state = [OBSERVED] * len(JOINTS_37)
    for name in JOINTS_37:
        if re.match("right_(pinky|index|thumb)", name) or name == "right_wrist":
            state[JOINTS_37.index(name)] = INFERRED
        if re.search("eye|ear$|mouth|nose", name) or name == "left_heel":
            state[JOINTS_37.index(name)] = ABSENT
    state[JOINTS_37.index("left_knee")] = HELD
    found = node(["joints"], "answer(unseen(given.joints, given.state));", {"joints": JOINTS_37, "state": state})
    assert found == {
        "inferred": ["right wrist", "right hand"], "held": ["left knee"], "absent": ["face", "left heel"],
    }  # fmt: skip


def test_sides_and_parts_come_from_names_alone(node):
    code = "answer(given.map(name => [sideOf(name), partOf(name)]));"
    names = ["left_wrist", "mouth_right", "right_foot_index", "left_thumb", "nose", "pelvis", "thorax"]
    assert node(["joints"], code, names) == [
        ["left", "body"], ["right", "face"], ["right", "foot"], ["left", "hand"], ["middle", "face"],
        ["middle", "body"], ["middle", "body"],
    ]  # fmt: skip


def test_a_person_faces_through_the_nose_with_ears_or_without(node):
    given = {"joints": ["neck", "head", "nose", "left_ear", "right_ear"], "parents": [-1, 0, 1, 1, 1]}
    points = [0, 1.45, 0, 0, 1.8, 0, 0, 1.6, 0.12, 0.08, 1.6, 0, -0.08, 1.6, 0]
    code = """
        const kinds = describe(given.joints, given.parents), seen = [0, 0, 0, 0, 0];
        answer([facing(kinds, given.points, seen), facing({ ...kinds, ears: [] }, given.points, seen),
                facing(kinds, given.points, [0, 0, 3, 0, 0])]);"""
    with_ears, without, absent = node(["joints"], code, given | {"points": points})
    assert np.allclose(with_ears["way"], [0, 0, 1], atol=1e-6) and np.allclose(without["way"], [0, 0, 1], atol=1e-6)
    assert with_ears["centre"] == pytest.approx([0, 1.6, 0], abs=1e-6) and absent is None


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.06), (1.57, 0.06), (0.4, 0.16), (0.0, 1.53), (2.5, 0.7)])
@pytest.mark.parametrize("size", [(960, 670), (360, 400)])
def test_whoever_is_to_be_seen_is_on_the_screen_whole(node, yaw, pitch, size):
    points = [[x, y, z] for x in (-3.0, 2.5) for y in (0.0, 1.9) for z in (-7.0, -2.0)]
    code = """
        const eye = Object.assign(new Eye(), given.eye);
        Object.assign(eye, eye.fit(given.points));
        eye.frame();
        answer(given.points.map(p => eye.see(p)));"""
    eye = {"yaw": yaw, "pitch": pitch, "width": size[0], "height": size[1]}
    seen = node(["space"], code, {"eye": eye, "points": points})
    assert all(p is not None and 0 < p[0] < size[0] and 0 < p[1] < size[1] for p in seen)
    spread = np.ptp(np.array(seen)[:, :2], axis=0) / size
    assert spread.max() > 0.45  # and as large as can be


def test_somebody_whose_feet_are_unseen_stands_on_the_floor_nevertheless(node):
    """Half a body at a desk sank to the hips: the lowest joint that was seen counted as feet."""
    joints = ["pelvis", "right_knee", "right_ankle", "thorax"]
    points = [0, 1.0, 0, 0, 0.57, 0, 0, 0.15, 0, 0, 1.5, 0]
    code = "answer(given.states.map(state => floorUnder(given.joints, state, given.points, 1)));"
    states = [[0, 0, 0, 0], [0, 0, 3, 0], [0, 3, 3, 0]]
    found = node(["space"], code, {"joints": joints, "points": points, "states": states})
    assert found == pytest.approx([0.07, 0.07, 0.07], abs=0.01)


def test_the_pulse_tells_the_rate_and_the_speed_of_a_film(node):
    code = """
        const pulse = new Pulse();
        for (let i = 0; i < 60; i++) pulse.add(1000 + i * 100, i * 100 * given, 1);
        answer([pulse.rate(1000 + 59 * 100), pulse.speed, speedText(pulse.speed)]);"""
    assert node(["pulse"], code, 0.2) == [pytest.approx(10, rel=0.1), pytest.approx(0.2), "0.2x"]
    assert node(["pulse"], code, 1.0)[2] == "1.0x" and node(["pulse"], code, 0.04)[2] == "0.04x"


HEARD = {
    "connected": True, "now": 10_000, "opened": 0, "poseAt": 9_990, "okAt": 9_990, "paused": False, "advancing": False,
    "server": {}, "hello": {"max_age_ms": 150, "medium": "live"},
    "stages": [["lift", {"state": "READY", "reason": ""}]],
    "pose": {"status": "OK", "seq": 7, "width": 640, "height": 480, "live": True,
             "t_capture_ns": 1e12, "t_publish_ns": 1e12 + 2e7},
}  # fmt: skip
NOBODY_YET = {"poseAt": None, "hello": None}
STALE = {"okAt": 5_000, "pose": HEARD["pose"] | {"status": "STALE", "t_publish_ns": 1e12 + 300e6}}  # type: ignore[operator]
LIMIT = "old, the limit is 150 ms"
SLOW = {
    "advancing": True, "hello": {"max_age_ms": 150, "medium": "live", "detector": "mediapipe full"},
    "stages": [["detect", {"state": "DEGRADED", "reason": "lagging", "p50_ms": 236.4, "p99_ms": 240}]],
}  # fmt: skip
ONE_OF_TWO = {
    "stages": [
        ["cam0 capture", {"state": "READY", "reason": ""}],
        ["cam1 capture", {"state": "DEGRADED", "reason": "lost"}],
    ]
}
TOO_SLOW = (
    f"too slow It needs 236 ms a frame, so each pose comes too late: the newest is 310 ms {LIMIT}. Or: --max-age 300. "
    "realtime run --model lite --size 424x240"
)


def silent_for(seconds):
    return {"connect": "tcp://x", "silent_s": seconds}


def stage(name, state, reason=""):
    return {"stages": [[name, {"state": state, "reason": reason}]]}


def played(medium, **facts):
    return {"pose": HEARD["pose"] | {"live": False}, "hello": {"max_age_ms": 150, "medium": medium}} | facts


@pytest.mark.parametrize(
    ("facts", "mood", "words"),
    [
        ({}, "live", ""),
        ({"pose": HEARD["pose"] | {"status": "NO_PERSON"}}, "nobody", ""),  # type: ignore[operator]
        ({"connected": False}, "lost", "server is gone"),
        (NOBODY_YET | {"server": silent_for(None), "stages": []}, "waiting", "Nothing is published at tcp://x"),
        ({"poseAt": None, "server": silent_for(7.0)}, "nodata", "No data for 7.0 s"),
        (NOBODY_YET | {"server": silent_for(0.1)} | stage("detect", "STARTING"), "starting", "Not ready yet: detect"),
        ({"hello": None}, "joining", "Joining"),
        (STALE | {"okAt": 9_900}, "late", ""),
        (STALE | {"advancing": True}, "stale", f"each pose comes too late: the newest is 310 ms {LIMIT}"),
        (STALE | SLOW, "stale", TOO_SLOW),
        (STALE | stage("capture", "DEGRADED", "frozen"), "stale", f"again. The last frame is 310 ms {LIMIT}"),
        (STALE | stage("capture", "DEGRADED", "lost"), "stale", "The camera is lost"),
        (STALE | stage("cam1 capture", "DEGRADED", "lost"), "stale", "The camera cam1 is lost"),
        (STALE | ONE_OF_TWO, "stale", f"cam1 capture is degraded, lost. The last frame is 310 ms {LIMIT}"),
        (STALE | stage("lift", "DOWN", "crashed"), "stale", f"lift is down, crashed. The last frame is 310 ms {LIMIT}"),
        ({"poseAt": 2_000}, "nodata", "No data for 8.0 s"),
        ({"poseAt": 9_400}, "nodata", "No data for 0.6 s"),
        (STALE | {"poseAt": 9_000}, "stale", "No current pose"),  # said every 400 ms: a busy machine is a little late
        (STALE | {"poseAt": 8_000}, "nodata", "No data for 2.0 s"),
        (played("film", poseAt=9_000), "live", ""),
        (played("recording", poseAt=2_000), "ended", "The recording has ended"),
        (played("film", poseAt=None, server=silent_for(7.0)), "ended", "The film has ended"),
    ],
)
def test_what_is_going_on_is_said_in_words(node, facts, mood, words):
    code = "answer(situation({ ...given, stages: new Map(given.stages) }));"
    found = node(["situation"], code, HEARD | facts)
    assert (
        found["mood"] == mood
        and words in f"{found.get('title', '')} {found.get('more', '')} {found.get('command', '')}"
    )
