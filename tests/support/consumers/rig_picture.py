"""Draw what Blender makes of the BVH, and three.js of the glTF, that a recording is exported to.

`python -m tests.support.consumers.rig_picture RECORDING OUT.jpg SECONDS...`, with STEADYPOSE_BPY and NODE_PATH as for
the tests: one column for each moment; the person as the camera saw them, the BVH in Blender, the glTF in three.js.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from realtime.export.job import ExportOptions, export
from realtime.recording.reader import Recorded, hello_and_poses
from tests.support.consumers.blender_command import told_by_blender
from tests.support.consumers.three_page import opened
from tests.support.consumers.vmc_picture import SIDE_PX, draw_person

RENDER = """
import json, math, sys
import bpy
from mathutils import Matrix, Vector

path, out, side, frames = sys.argv[-4], sys.argv[-3], int(sys.argv[-2]), json.loads(sys.argv[-1])
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_anim.bvh(filepath=path, axis_forward="-Z", axis_up="Y")
armature, scene = next(o for o in bpy.data.objects if o.type == "ARMATURE"), bpy.context.scene

def material(name, colour):
    made = bpy.data.materials.new(name)
    made.diffuse_color = (*colour, 1)
    made.use_nodes = True
    made.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (*colour, 1)
    return made

left, right = material("left", (0.05, 0.35, 0.9)), material("right", (0.9, 0.2, 0.04))
middle, ground = material("middle", (0.7, 0.7, 0.7)), material("floor", (0.3, 0.32, 0.35))
ring = [(0.5, 0.2, 0.5), (-0.5, 0.2, 0.5), (-0.5, 0.2, -0.5), (0.5, 0.2, -0.5)]
faces = [(0, 1 + k, 1 + (k + 1) % 4) for k in range(4)] + [(5, 1 + (k + 1) % 4, 1 + k) for k in range(4)]
shown = []
for bone in armature.pose.bones:
    mesh = bpy.data.meshes.new(bone.name)
    mesh.from_pydata([(0, 0, 0), *ring, (0, 1, 0)], [], faces)
    mesh.materials.append(left if "Left" in bone.name else right if "Right" in bone.name else middle)
    shown.append((bone, bpy.data.objects.new(bone.name, mesh)))
    scene.collection.objects.link(shown[-1][1])
bpy.ops.mesh.primitive_plane_add(size=60)
bpy.context.object.data.materials.append(ground)
sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
sun.data.energy, sun.data.angle, sun.rotation_euler = 3.0, 0.1, (math.radians(40), math.radians(15), 0)
scene.collection.objects.link(sun)
scene.world = bpy.data.worlds.new("sky")
scene.world.use_nodes = True
scene.world.node_tree.nodes["Background"].inputs[0].default_value = (0.5, 0.55, 0.6, 1)
camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
scene.collection.objects.link(camera)
scene.camera = camera
scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", 24
scene.render.threads_mode, scene.render.threads = "FIXED", 1
scene.render.resolution_x = scene.render.resolution_y = side
scene.view_settings.view_transform = "Standard"
start = int(armature.animation_data.action.frame_range[0])
for number, frame in enumerate(frames):
    scene.frame_set(start + frame)
    for bone, piece in shown:
        thick = min(0.24 * bone.length, 0.09)
        piece.matrix_world = armature.matrix_world @ bone.matrix @ Matrix.Diagonal((thick, bone.length, thick, 1))
    hips = armature.matrix_world @ armature.pose.bones[0].head
    camera.location = (hips.x, hips.y - 3.1, 1.2)
    camera.rotation_euler = (Vector((hips.x, hips.y, 0.88)) - camera.location).to_track_quat("-Z", "Y").to_euler()
    scene.render.filepath = f"{out}/{number}.png"
    bpy.ops.render.render(write_still=True)
"""


def main() -> None:
    path, out, moments = Path(sys.argv[1]), sys.argv[2], [float(word) for word in sys.argv[3:]]
    hello, poses = hello_and_poses(Recorded(path))
    times_s = np.array([pose.stamp.t_capture_ns - poses[0].stamp.t_capture_ns for pose in poses]) * 1e-9
    frames = [int(np.abs(times_s - moment).argmin()) for moment in moments]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for to in ("bvh", "glb"):
            export(hello, poses, ExportOptions(to, folder / f"a.{to}", smooth="offline"))
        words = [str(folder / "a.bvh"), str(folder), str(SIDE_PX), json.dumps(frames)]
        told_by_blender(RENDER, folder / "render.py", *words, timeout_s=600)
        seen = np.hstack([draw_person(hello, poses[frame]) for frame in frames])
        blender = np.hstack([np.asarray(cv2.imread(str(folder / f"{k}.png"))) for k in range(len(frames))])
        with opened(folder) as page:
            drawn = np.hstack([in_three(page, float(times_s[frame])) for frame in frames])
    cv2.imwrite(
        out, cv2.resize(np.vstack([seen, blender, drawn]), None, fx=2 / 3, fy=2 / 3, interpolation=cv2.INTER_AREA)
    )


def in_three(page, seconds: float) -> np.ndarray:
    page.evaluate(f"show({seconds})")
    image = cv2.imdecode(np.frombuffer(page.locator("canvas").screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    main()
