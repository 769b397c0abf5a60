"""The page's own arithmetic under Node: it reads our bytes, its One-Euro agrees with ours, its room is upright."""

import json
import shutil
import subprocess
from importlib.resources import files

import msgpack
import numpy as np
import pytest

from realtime.client.one_euro import OneEuro
from realtime.rotations import y_up
from realtime.wire.messages import ABSENT, HELD, encode
from tests.support import walker as fake

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
        imports = "".join(f"import * as {name} from './{name}.js';\n" for name in names)
        spread = "".join(f"Object.assign(globalThis, {name});\n" for name in names)
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
