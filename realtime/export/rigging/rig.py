"""Fit a skeleton of constant bone lengths and its joint rotations to a clip: what BVH needs.

Where a joint has several children each bone gets a node of its own at that joint (as clavicles have), so that
shoulders may rise although every length is constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.rotations import best_rotation, swing, unit

Real = NDArray[np.float64]
Mask = NDArray[np.bool_]

# direction from the parent in the rest pose, by the end of the joint's name; x is multiplied by the side
REST = {
    "hip": (1, 0, 0), "knee": (0, -1, 0), "ankle": (0, -1, 0), "heel": (0, -0.5, -1), "foot_index": (0, -0.2, 1),
    "big_toe": (0, -0.3, 1), "small_toe": (0.3, -0.3, 1), "spine": (0, 1, 0), "thorax": (0, 1, 0), "neck": (0, 1, 0),
    "nose": (0, 1, 0.4), "head": (0, 1, 0), "shoulder": (1, 0, 0), "elbow": (1, 0, 0), "wrist": (1, 0, 0),
    "pinky": (1, 0, -0.2), "index": (1, 0, 0.2), "thumb": (0.7, 0, 0.7), "pelvis": (0, -1, 0), "ear": (1, 0.3, -1),
    "eye": (0.3, 1, 0),
}  # fmt: skip

SHARING_TURNS = 40


@dataclass(frozen=True)
class Rig:
    names: tuple[str, ...]
    parents: tuple[int, ...]  # -1 for the root; parents come before children
    offsets: Real  # (N, 3) m from the parent, rest pose
    joint: tuple[int, ...]  # the clip's joint that lies where this node lies

    def children(self, node: int) -> list[int]:
        return [i for i, parent in enumerate(self.parents) if parent == node]


@dataclass(frozen=True)
class RigMotion:
    root: Real  # (T, 3) m
    local: Real  # (T, N, 3, 3) rotation of each node against its parent


def rest_direction(joint: str, fallback: Real) -> Real:
    side = {"left": 1.0, "right": -1.0}.get(joint.split("_")[0], 0.0)
    bare = joint.split("_", 1)[1] if side else joint
    known = next((REST[end] for end in sorted(REST, key=len, reverse=True) if bare.endswith(end)), None)
    if known is None:
        return fallback
    return unit(np.array([known[0] * side, known[1], known[2]], float))


def bone_lengths(xyz: Real, parents: tuple[int, ...]) -> Real:
    """Map (T, J, 3) -> (J,) median length of the bone that ends at each joint; the root's is 0."""
    bones = np.linalg.norm(xyz - xyz[:, list(parents)], axis=-1)
    bones[:, np.array(parents) < 0] = 0.0
    seen = ~np.isnan(bones).all(0)
    lengths = np.zeros(len(parents))
    lengths[seen] = np.nanmedian(bones[:, seen], axis=0)
    return lengths


def build_rig(joints: tuple[str, ...], parents: tuple[int, ...], xyz: Real) -> Rig:
    lengths = bone_lengths(xyz, parents)
    names, above, offsets, joint_of = [joints[parents.index(-1)]], [-1], [np.zeros(3)], [parents.index(-1)]

    def add(name: str, parent: int, offset: Real, joint: int) -> int:
        names.append(name)
        above.append(parent)
        offsets.append(offset)
        joint_of.append(joint)
        return len(names) - 1

    def grow(joint: int, node: int) -> None:
        children = [c for c, p in enumerate(parents) if p == joint]
        for child in children:
            base = add(f"{joints[joint]}_{joints[child]}", node, np.zeros(3), joint) if len(children) > 1 else node
            offset = rest_direction(joints[child], np.array([0.0, 1.0, 0.0])) * lengths[child]
            grow(child, add(joints[child], base, offset, child))

    grow(joint_of[0], 0)
    return Rig(tuple(names), tuple(above), np.array(offsets), tuple(joint_of))


def shared_out(xyz: Real, parents: tuple[int, ...], lengths: Real) -> Real:
    """Fit constant bone lengths by moving each bone's two ends as little as possible."""
    moved = np.array(xyz)
    for _ in range(SHARING_TURNS):
        for child, parent in enumerate(parents):
            if parent < 0:
                continue
            bone = moved[:, child] - moved[:, parent]
            found = np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-9)
            half = np.nan_to_num(bone * (found - lengths[child]) / found / 2)
            moved[:, parent] += half
            moved[:, child] -= half
    return np.asarray(moved)


def animate(rig: Rig, xyz: Real) -> RigMotion:
    """Compute rotations that aim every bone at its joint, from where the constant lengths put its start.

    xyz (T, J, 3); a joint that is missing keeps its last local rotation, and the root its last place.
    """
    t, n = len(xyz), len(rig.names)
    target = xyz[:, list(rig.joint)]
    local, world, place = np.tile(np.eye(3), (t, n, 1, 1)), np.tile(np.eye(3), (t, n, 1, 1)), np.zeros((t, n, 3))
    for node, parent in enumerate(rig.parents):
        if parent < 0:
            before = np.tile(np.eye(3), (t, 1, 1))
            place[:, node] = carried(np.nan_to_num(target[:, node]), np.asarray(np.isfinite(target[:, node]).all(-1)))
        else:
            before = world[:, parent]
            place[:, node] = place[:, parent] + before @ rig.offsets[node]
        local[:, node] = aim(rig, node, target, place[:, node], before)
        world[:, node] = before @ local[:, node]
    return RigMotion(place[:, 0], local)


def aim(rig: Rig, node: int, target: Real, origin: Real, before: Real) -> Real:
    """Return (T, 3, 3) local rotation of a node, carried over frames in which its bones cannot be seen."""
    ends = bone_ends(rig, node)
    if not ends:
        return np.tile(np.eye(3), (len(origin), 1, 1))
    wanted = np.einsum("tji,tkj->tki", before, target[:, [e for e, _ in ends]] - origin[:, None])
    rest = np.array([rig.offsets[e] for e, _ in ends])
    seen = ~np.isnan(wanted).any(-1) & (np.linalg.norm(np.nan_to_num(wanted), axis=-1) > 1e-6)
    wanted = np.nan_to_num(wanted)
    if len(ends) == 1:
        return carried(swing(rest[0], wanted[:, 0]), seen[:, 0] & bool(np.linalg.norm(rest[0]) > 1e-6))
    turned = best_rotation(np.broadcast_to(unit(rest), wanted.shape), unit(wanted), seen.astype(float))
    return carried(turned, seen.sum(-1) >= 2)


def bone_ends(rig: Rig, node: int) -> list[tuple[int, int]]:
    """(end node, the bone's own node) of each bone that starts at this node's joint and follows its rotation."""
    ends = []
    for child in rig.children(node):
        own_node = rig.joint[child] == rig.joint[node]
        ends += [(end, child) for end in rig.children(child)] if own_node else [(child, node)]
    return ends


def carried(values: Real, known: Mask) -> Real:
    """Along time: where a value is not known the last known one stays; before the first, the first."""
    if not known.any():
        return np.tile(np.eye(3), (len(values), 1, 1)) if values.ndim == 3 else np.zeros_like(values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return values[np.where(last < 0, int(np.argmax(known)), last)]


def forward(rig: Rig, motion: RigMotion) -> Real:
    """Compute the node positions (T, N, 3) by forward kinematics, m."""
    world = motion.local.copy()
    place = np.repeat(motion.root[:, None], len(rig.names), axis=1)
    for node, parent in enumerate(rig.parents):
        if parent >= 0:
            place[:, node] = place[:, parent] + world[:, parent] @ rig.offsets[node]
            world[:, node] = world[:, parent] @ motion.local[:, node]
    return place
