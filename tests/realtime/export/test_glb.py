"""glTF: read by pygltflib, judged by Khronos's validator where Node has it, skinned and animated as the clip moves."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest

from realtime.export.rigging.humanoid import humanoid
from realtime.export.rigging.rig import forward
from realtime.export.rigging.rig_names import CHOICES
from realtime.export.tracks import clips
from realtime.export.writers import glb
from realtime.rotations import about, from_quaternion, to_quaternion
from tests.support.people import walker, whole_body

VALIDATE = """
const v = require('gltf-validator'), fs = require('fs');
v.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1]))).then(r => console.log(JSON.stringify(r.issues)));
"""
NUMPY = {5126: np.float32, 5123: np.uint16}
WIDTH = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@pytest.fixture(scope="module")
def clip():
    return clips(walker.HELLO, walker.walk(60))[0]


def values(file, accessor):
    at = file.accessors[accessor]
    view = file.bufferViews[at.bufferView]
    raw = file.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    return np.frombuffer(raw, NUMPY[at.componentType]).reshape(at.count, WIDTH[at.type])


def read(path):
    return pytest.importorskip("pygltflib").GLTF2().load(str(path))


def posed(file, key):
    """(N, 4, 4) where every node is at one key of the animation, worked out from the file alone."""
    local = {i: np.eye(4) for i in range(len(file.nodes))}
    for i, node in enumerate(file.nodes):
        local[i][:3, 3] = node.translation or [0, 0, 0]
    animation = file.animations[0]
    for channel in animation.channels:
        value = values(file, animation.samplers[channel.sampler].output)[key].astype(float)
        if channel.target.path == "rotation":
            local[channel.target.node][:3, :3] = from_quaternion(value)
        else:
            local[channel.target.node][:3, 3] = value
    world = {}

    def walk(node, above):
        world[node] = above @ local[node]
        for child in file.nodes[node].children or []:
            walk(child, world[node])

    for root in file.scenes[0].nodes:
        walk(root, np.eye(4))
    return world


def test_the_animation_moves_the_bones_as_the_clip(tmp_path, clip):
    glb.write(tmp_path / "a.glb", clip)
    file = read(tmp_path / "a.glb")
    names = [node.name for node in file.nodes]
    for key in (0, 20, 59):
        world = posed(file, key)
        for bone, joint in (("LeftHand", "left_wrist"), ("RightFoot", "right_ankle"), ("Neck", "thorax")):
            at = world[names.index(f"mixamorig:{bone}")][:3, 3]
            assert np.linalg.norm(at - clip.xyz[key, clip.joints.index(joint)]) < 0.012


def test_keys_lie_at_the_capture_times(tmp_path):
    poses = [pose for pose in walker.walk(40) if pose.stamp.seq not in (7, 8, 20)]
    clip = clips(walker.HELLO, poses)[0]
    glb.write(tmp_path / "a.glb", clip)
    file = read(tmp_path / "a.glb")
    times = values(file, file.animations[0].samplers[0].input)[:, 0]
    assert np.allclose(times, clip.times_s, atol=1e-6) and file.accessors[file.animations[0].samplers[0].input].max == [
        pytest.approx(39 / 30)
    ]


def test_the_figure_stands_on_the_floor_at_rest_and_follows_its_bones(tmp_path, clip):
    glb.write(tmp_path / "a.glb", clip)
    file = read(tmp_path / "a.glb")
    attributes = file.meshes[0].primitives[0].attributes
    points, owners = values(file, attributes.POSITION), values(file, attributes.JOINTS_0)[:, 0]
    assert -0.05 < points[:, 1].min() < 0.05 and 1.5 < points[:, 1].max() < 2.0
    inverse = values(file, file.skins[0].inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
    world = posed(file, 10)
    matrices = np.stack([world[node] for node in file.skins[0].joints]) @ inverse
    moved = np.einsum("nij,nj->ni", matrices[owners], np.c_[points, np.ones(len(points))])[:, :3]
    rig, motion, _ = humanoid(clip.joints, clip.xyz)
    places = forward(rig, motion)[10]
    for bone in ("LeftLeg", "RightForeArm"):
        node = rig.names.index(bone)
        mine = moved[owners == node]
        assert np.linalg.norm(mine - places[node], axis=-1).min() < 0.01
    normals = values(file, attributes.NORMAL)
    alone = np.array([(owners == o).sum() == 24 for o in owners])  # bones with one child: one octahedron
    points, normals, owners = points[alone], normals[alone], owners[alone]
    middle = np.array([points[owners == o].mean(0) for o in owners])
    assert len(points) > 400 and ((points - middle) * normals).sum(-1).min() > -1e-3, "faces look inwards"


def test_turning_round_and_round_never_takes_the_long_way():
    """A quaternion and its negative are one rotation; between keys of opposite signs viewers spin the long way."""
    turns = to_quaternion(about(np.linspace(0, 6 * np.pi, 90), 1))[:, None]
    assert ((turns[1:] * turns[:-1]).sum(-1) < 0).any()
    assert ((glb.same_half(turns)[1:] * glb.same_half(turns)[:-1]).sum(-1) > 0.9).all()


def test_left_is_not_coloured_as_right(tmp_path, clip):
    glb.write(tmp_path / "a.glb", clip)
    file = read(tmp_path / "a.glb")
    attributes = file.meshes[0].primitives[0].attributes
    colours, owners = values(file, attributes.COLOR_0), values(file, attributes.JOINTS_0)[:, 0]
    names = [node.name for node in file.nodes]
    left, right = (colours[owners == names.index(f"mixamorig:{side}Leg")][0] for side in ("Left", "Right"))
    assert left[2] > left[0] and right[0] > right[2]


@pytest.mark.parametrize("names", CHOICES)
@pytest.mark.parametrize("joints", [17, 37])
def test_khronos_validator_has_nothing_to_say(tmp_path, clip, names, joints):
    found = clip if joints == 17 else clips(whole_body.HELLO, whole_body.walk(20))[0]
    glb.write(tmp_path / "a.glb", found, names=names)
    node = shutil.which("node")
    if (
        not node
        or subprocess.run([node, "-e", "require('gltf-validator')"], capture_output=True, check=False).returncode
    ):
        pytest.skip("gltf-validator is not installed for Node: npm install -g gltf-validator, and set NODE_PATH")
    said = subprocess.run([node, "-e", VALIDATE, str(tmp_path / "a.glb")], capture_output=True, text=True, check=True)
    issues = json.loads(said.stdout)
    assert issues["messages"] == []
