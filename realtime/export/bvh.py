"""BVH: a hierarchy of constant bones and joint rotations, as Blender, Maya and MotionBuilder read it.

Metres (or centimetres when asked), y up, the rest pose is a T-pose
that faces +z.  BVH cannot leave a value empty: a joint that was not seen keeps its last rotation, and the file
beside it, `.states.csv`, says so frame by frame.  All files of a recording begin at its first frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import numpy as np

from realtime.export.clip import ExportClip, padded
from realtime.export.names import identifier
from realtime.export.rig import Motion, Rig, animate, bone_lengths, build_rig, shared_out
from realtime.rotations import Real, euler_zxy

ROTATION = "Zrotation Xrotation Yrotation"
END_M = 0.05  # drawn length of a bone that ends in nothing


def write(path: Path, clip: ExportClip, keep: str = "inferred", scale: float = 1.0) -> None:
    clip = padded(clip)
    xyz = clip.kept(keep)
    rig = build_rig(clip.joints, clip.parents, xyz)
    motion = animate(rig, shared_out(xyz, clip.parents, bone_lengths(xyz, clip.parents)))
    with path.open("w", encoding="ascii", newline="\n") as file:
        write_hierarchy(file, rig, scale)
        write_motion(file, motion, 1 / clip.rate_hz, scale)


def write_hierarchy(file: TextIO, rig: Rig, scale: float) -> None:
    file.write("HIERARCHY\n")
    write_node(file, rig, 0, scale, 0)


def write_node(file: TextIO, rig: Rig, node: int, scale: float, depth: int) -> None:
    tab, children = "\t" * depth, rig.children(node)
    file.write(f"{tab}{'JOINT' if depth else 'ROOT'} {identifier(rig.names[node])}\n{tab}{{\n")
    file.write(f"{tab}\tOFFSET {numbers(rig.offsets[node] * scale)}\n")
    channels = f"3 {ROTATION}" if depth else f"6 Xposition Yposition Zposition {ROTATION}"
    file.write(f"{tab}\tCHANNELS {channels}\n")
    for child in children:
        write_node(file, rig, child, scale, depth + 1)
    if not children:
        tip = end_direction(rig, node) * END_M * scale
        file.write(f"{tab}\tEnd Site\n{tab}\t{{\n{tab}\t\tOFFSET {numbers(tip)}\n{tab}\t}}\n")
    file.write(f"{tab}}}\n")


def end_direction(rig: Rig, node: int) -> Real:
    offset = rig.offsets[node]
    length = np.linalg.norm(offset)
    return offset / length if length > 0 else np.array([0.0, 1.0, 0.0])


def write_motion(file: TextIO, motion: Motion, frame_s: float, scale: float) -> None:
    file.write(f"MOTION\nFrames: {len(motion.root)}\nFrame Time: {frame_s:.8f}\n")
    angles = np.degrees(np.unwrap(euler_zxy(motion.local), axis=0)).reshape(len(motion.root), -1)
    for place, turn in zip(motion.root * scale, angles):
        file.write(f"{numbers(place)} {numbers(turn)}\n")


def numbers(values: Real) -> str:
    return " ".join(f"{value:.6f}" for value in values)
