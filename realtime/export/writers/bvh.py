"""Write BVH: a hierarchy of constant bones and joint rotations, as Blender, Maya and MotionBuilder read it.

Metres (or centimetres when asked), y up, the rest pose is a T-pose that faces +z.  BVH cannot leave a value empty: a
joint that was not seen keeps its last rotation, and the file
beside it, `.states.csv`, says so frame by frame.  All files of a recording begin at its first frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import numpy as np

from realtime.export.clip import ExportClip
from realtime.export.rigging.rig import Real, Rig, RigMotion
from realtime.export.rigging.rig_names import H36M
from realtime.export.rigging.rigged import Rigged, rigged
from realtime.rotations import euler_zxy

ROTATION = "Zrotation Xrotation Yrotation"


def write(path: Path, clip: ExportClip, keep: str = "inferred", scale: float = 1.0, names: str = H36M) -> None:
    found = rigged(clip, keep, names)
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write("HIERARCHY\n")
        write_node(file, found, 0, scale, 0)
        write_motion(file, found.rig, found.motion, 1 / found.rate_hz, scale)


def write_node(file: TextIO, rigged: Rigged, node: int, scale: float, depth: int) -> None:
    rig, tab = rigged.rig, "\t" * depth
    children = rig.children(node)
    file.write(f"{tab}{'JOINT' if depth else 'ROOT'} {rig.names[node]}\n{tab}{{\n")
    file.write(f"{tab}\tOFFSET {numbers(rig.offsets[node] * scale)}\n")
    channels = f"3 {ROTATION}" if depth else f"6 Xposition Yposition Zposition {ROTATION}"
    file.write(f"{tab}\tCHANNELS {channels}\n")
    for child in children:
        write_node(file, rigged, child, scale, depth + 1)
    if not children:
        tip = rigged.tips[node] * scale
        file.write(f"{tab}\tEnd Site\n{tab}\t{{\n{tab}\t\tOFFSET {numbers(tip)}\n{tab}\t}}\n")
    file.write(f"{tab}}}\n")


def write_motion(file: TextIO, rig: Rig, motion: RigMotion, frame_s: float, scale: float) -> None:
    file.write(f"MOTION\nFrames: {len(motion.root)}\nFrame Time: {frame_s:.8f}\n")
    order = in_file_order(rig)
    angles = np.degrees(continuous(euler_zxy(motion.local[:, order]))).reshape(len(motion.root), -1)
    for place, turn in zip(motion.root * scale, angles):
        file.write(f"{numbers(place)} {numbers(turn)}\n")


def in_file_order(rig: Rig) -> list[int]:
    """Nodes as the hierarchy lists them: each one before its children, branch by branch."""
    order, waiting = [], [0]
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting += reversed(rig.children(node))
    return order


def continuous(angles: Real) -> Real:
    """Compute Euler angles z, x, y (T, N, 3), of the two solutions the one nearer to the frame before."""
    found = np.array(angles)
    other = angles * np.array([1.0, -1.0, 1.0]) + np.pi
    for i in range(1, len(found)):
        choices = [near(choice[i], found[i - 1]) for choice in (angles, other)]
        far = [np.abs(choice - found[i - 1]).max(-1, keepdims=True) for choice in choices]
        found[i] = np.where(far[0] <= far[1], choices[0], choices[1])
    return found


def near(angles: Real, before: Real) -> Real:
    """Unwrap angles to within half a turn of those before."""
    return np.asarray(angles - 2 * np.pi * np.round((angles - before) / (2 * np.pi)))


def numbers(values: Real) -> str:
    return " ".join(f"{value:.6f}" for value in values)
