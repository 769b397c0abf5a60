"""Blender opens what is exported: bones by name, constant lengths, feet on the floor, the animation's length."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from realtime.export.rigging.rig_names import NAMES
from realtime.export.tracks import clips
from realtime.export.writers import bvh, glb
from tests.support.consumers.blender_command import told_by_blender
from tests.support.people import walker, whole_body

FRAMES = 40
LOOK = """
import json, sys
import bpy

path, frames = sys.argv[-2], int(sys.argv[-1])
bpy.ops.wm.read_factory_settings(use_empty=True)
if path.endswith(".bvh"):
    bpy.ops.import_anim.bvh(filepath=path, axis_forward="-Z", axis_up="Y")
else:
    bpy.context.scene.render.fps = 30
    bpy.ops.import_scene.gltf(filepath=path)
armature = next(o for o in bpy.data.objects if o.type == "ARMATURE")
found = {bone.name: {"head": [], "tail": []} for bone in armature.pose.bones}
start = int(armature.animation_data.action.frame_range[0])
for frame in range(start, start + frames):
    bpy.context.scene.frame_set(frame)
    for bone in armature.pose.bones:
        for end in ("head", "tail"):
            found[bone.name][end].append(list(armature.matrix_world @ getattr(bone, end)))
print("FOUND " + json.dumps({"bones": found, "range": list(armature.animation_data.action.frame_range)}))
"""


def looked_at(path: Path) -> dict:
    said = told_by_blender(LOOK, path.with_suffix(".py"), str(path), str(FRAMES))
    return json.loads(next(line for line in said.splitlines() if line.startswith("FOUND "))[6:])


@pytest.fixture(params=[17, 37])
def clip(request):
    if request.param == 17:
        return clips(walker.HELLO, walker.walk(FRAMES))[0]
    return clips(whole_body.HELLO, whole_body.walk(FRAMES))[0]


@pytest.mark.slow
@pytest.mark.parametrize("names", [*NAMES])
def test_blender_opens_bvh(tmp_path, clip, names):
    bvh.write(tmp_path / "a.bvh", clip, names=names)
    found = looked_at(tmp_path / "a.bvh")
    assert set(found["bones"]) == set(NAMES[names].values())
    head, tail = (
        np.array([bone[end] for bone in found["bones"].values()]).transpose(1, 0, 2) for end in ("head", "tail")
    )
    lengths = np.linalg.norm(tail - head, axis=-1)
    assert np.ptp(lengths, axis=0).max() < 1e-4 and found["range"][1] - found["range"][0] == FRAMES - 1
    heights = np.minimum(head, tail)[..., 2]
    assert -0.07 < heights.min() < 0.07 and 1.5 < np.maximum(head, tail)[..., 2].max() < 2.0
    wrist = np.array(found["bones"][NAMES[names]["LeftHand"]]["head"])
    true = clip.xyz[:, clip.joints.index("left_wrist")]
    assert np.abs(wrist - np.stack([true[:, 0], -true[:, 2], true[:, 1]], -1)).max() < 0.02  # Blender: z up, -y ahead


@pytest.mark.slow
def test_blender_opens_gltf(tmp_path, clip):
    glb.write(tmp_path / "a.glb", clip)
    found = looked_at(tmp_path / "a.glb")
    assert set(found["bones"]) == set(NAMES["mixamo"].values())
    ankle = np.array(found["bones"]["mixamorig:RightFoot"]["head"])
    true = clip.xyz[:, clip.joints.index("right_ankle")]
    assert np.abs(ankle - np.stack([true[:, 0], -true[:, 2], true[:, 1]], -1)).max() < 0.02
