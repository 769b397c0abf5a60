"""Write glTF 2.0 in one binary file: a skinned figure of simple bones and its animation.

Metres, y up, faces +z at rest; keys lie at the frames' own capture times.  glTF cannot mark a hidden joint: it keeps
its last rotation, and the file beside it, `.states.csv`, says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.export.clip import ExportClip
from realtime.export.rigging.rig import Real, Rig
from realtime.export.rigging.rigged import Rigged, rigged
from realtime.export.writers.glb_buffer import Buffer, container
from realtime.rotations import to_quaternion, unit

LEFT, RIGHT, MIDDLE = (0.07, 0.45, 1.0, 1.0), (1.0, 0.24, 0.05, 1.0), (0.8, 0.8, 0.8, 1.0)  # linear RGBA
THICK = 0.12  # of a bone's length
THICKEST_M = 0.045
RING = 0.2  # of the way along a bone it is thickest


def write(path: Path, clip: ExportClip, keep: str = "inferred", names: str = "mixamo") -> None:
    found = rigged(clip, keep, names)
    buffer = Buffer()
    document = {
        "asset": {"version": "2.0", "generator": "steadypose"},
        "scene": 0,
        "scenes": [{"nodes": [0, len(found.rig.names)]}],
        "nodes": [*bones(found.rig), {"name": "figure", "mesh": 0, "skin": 0}],
        "skins": [skin(found.rig, buffer)],
        "meshes": [{"name": "bones", "primitives": [figure(found, buffer)]}],
        "materials": [
            {
                "name": "bones",
                "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.7},
                "doubleSided": True,
            }
        ],
        "animations": [animation(found, buffer)],
    }
    path.write_bytes(container(document | buffer.described(), buffer.data()))


def bones(rig: Rig) -> list[dict[str, Any]]:
    """Build one node a bone in the rest pose, the root so high that the lowest bone is on the floor."""
    nodes = []
    for i, name in enumerate(rig.names):
        place = rig.offsets[i] - (np.array([0.0, at_rest(rig)[:, 1].min(), 0.0]) if i == 0 else 0.0)
        node: dict[str, Any] = {"name": name, "translation": [round(float(v), 6) for v in place]}
        if children := rig.children(i):
            node["children"] = children
        nodes.append(node)
    return nodes


def at_rest(rig: Rig) -> Real:
    """Return (N, 3) where the bones begin in the rest pose, from the root."""
    places = np.array(rig.offsets)
    for node, parent in enumerate(rig.parents):
        if parent >= 0:
            places[node] = places[parent] + rig.offsets[node]
    return places


def skin(rig: Rig, buffer: Buffer) -> dict[str, Any]:
    """Inverse bind matrices, column by column: the rest pose has no rotations."""
    places = at_rest(rig)
    places = places - np.array([0.0, places[:, 1].min(), 0.0])
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(places), 1, 1))
    inverse[:, 3, :3] = -places
    joints = list(range(len(rig.names)))
    return {"joints": joints, "skeleton": 0, "inverseBindMatrices": buffer.add(inverse.reshape(-1, 16), "MAT4")}


def figure(rigged: Rigged, buffer: Buffer) -> dict[str, Any]:
    """Build the mesh: an octahedron along every bone, moved by that bone alone, left and right tinted."""
    places = at_rest(rigged.rig)
    places = places - np.array([0.0, places[:, 1].min(), 0.0])
    points, normals, colours, owners = [], [], [], []
    for node, name in enumerate(rigged.rig.names):
        ends = [places[child] for child in rigged.rig.children(node)] or [places[node] + rigged.tips[node]]
        for end in ends:
            if np.linalg.norm(end - places[node]) > 1e-4:
                corners = octahedron(places[node], end)
                points.append(corners.reshape(-1, 3))
                normals.append(np.repeat(face_normals(corners), 3, axis=0))
                colours.append(np.tile(side_colour(name), (24, 1)))
                owners.append(np.full(24, node))
    joints = np.zeros((24 * len(points), 4), np.uint16)
    joints[:, 0] = np.concatenate(owners)
    weights = np.tile(np.array([1, 0, 0, 0], np.float32), (len(joints), 1))
    attributes = {
        "POSITION": buffer.add(np.concatenate(points).astype(np.float32), "VEC3", target=True, bounds=True),
        "NORMAL": buffer.add(np.concatenate(normals).astype(np.float32), "VEC3", target=True),
        "COLOR_0": buffer.add(np.concatenate(colours).astype(np.float32), "VEC4", target=True),
        "JOINTS_0": buffer.add(joints, "VEC4", target=True),
        "WEIGHTS_0": buffer.add(weights, "VEC4", target=True),
    }
    return {"attributes": attributes, "material": 0}


def octahedron(start: Real, end: Real) -> Real:
    """Return (8, 3, 3) triangles of a bone, seen from outside counter-clockwise."""
    along = end - start
    thick = min(THICK * float(np.linalg.norm(along)) + 0.008, THICKEST_M)
    side = unit(np.cross(along, [0.0, 0.0, 1.0] if abs(unit(along)[2]) < 0.9 else [1.0, 0.0, 0.0]))
    other = np.cross(unit(along), side)
    ring = [start + RING * along + thick * v for v in (side, other, -side, -other)]
    faces = [(start, ring[(i + 1) % 4], ring[i]) for i in range(4)] + [
        (end, ring[i], ring[(i + 1) % 4]) for i in range(4)
    ]
    return np.array(faces)


def face_normals(corners: Real) -> Real:
    return unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))


def side_colour(bone: str) -> NDArray[np.float64]:
    bare = bone.split(":")[-1].lower()
    return np.array(LEFT if bare.startswith("left") else RIGHT if bare.startswith("right") else MIDDLE)


def animation(rigged: Rigged, buffer: Buffer) -> dict[str, Any]:
    """Build the animation: a rotation track a bone and the root's translation."""
    rising = np.concatenate([[True], np.diff(rigged.times_s.astype(np.float32)) > 0])
    times = buffer.add(rigged.times_s[rising].astype(np.float32), "SCALAR", bounds=True)
    turns = same_half(to_quaternion(rigged.motion.local[rising])).astype(np.float32)
    tracks = [(node, "rotation", buffer.add(turns[:, node], "VEC4")) for node in range(len(rigged.rig.names))]
    tracks.append((0, "translation", buffer.add(rigged.motion.root[rising].astype(np.float32), "VEC3")))
    return {
        "name": "motion",
        "samplers": [{"input": times, "output": output, "interpolation": "LINEAR"} for *_, output in tracks],
        "channels": [
            {"sampler": i, "target": {"node": node, "path": path}} for i, (node, path, _) in enumerate(tracks)
        ],
    }


def same_half(turns: Real) -> Real:
    """Choose quaternion signs so that neighbouring frames are near, for interpolation; unit length, (T, N, 4)."""
    flips = (turns[1:] * turns[:-1]).sum(-1) < 0
    sign = np.concatenate([np.ones((1, turns.shape[1])), np.where(np.cumsum(flips, axis=0) % 2, -1.0, 1.0)])
    turns = turns * sign[..., None]
    return np.asarray(turns / np.linalg.norm(turns, axis=-1, keepdims=True))
