"""Read BVH motion of several rigs as the 17 joints, metres."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engines.skeleton import H36M_17, Array
from trainers.data.mocap.euler import F64, LARGEST, chain, numbers
from trainers.data.mocap.rigs import RIGS, BvhRig
from trainers.errors import UserError
from trainers.user_file import read_text

UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "CMU": 0.0254 / 0.45}
CHANNELS = {f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}
LEG_M = (0.62, 1.1)  # hip to ankle of a grown person; the units lie too far apart to be confused


@dataclass
class Node:
    name: str
    parent: int
    offset: F64 = field(default_factory=lambda: np.zeros(3))
    channels: list[str] = field(default_factory=list)  # Xposition, Zrotation, ... in file order


def read_bvh(path: Path) -> tuple[Array, float]:
    """Return (T, 17, 3) metres, Y up, and frames a second."""
    lines = read_text(path, errors="replace").replace("\r", "\n").split("\n")
    nodes, after = _hierarchy(lines, path)
    rig, names = _rig(nodes, path)
    values, fps = _motion(lines, after, sum(len(n.channels) for n in nodes), path)
    values = values[_first_frame(values, nodes) :]
    unit = _unit(nodes, rig, names, path)
    places, turns = _pose(nodes, values)
    return _joints(rig, names, places, turns, unit), fps


def _hierarchy(lines: list[str], path: Path) -> tuple[list[Node], int]:
    """Return the tree, parents first, and the number of lines up to MOTION."""
    nodes: list[Node] = []
    open_nodes: list[int] = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0] in ("HIERARCHY", "{"):
            continue
        if words[0] == "MOTION":
            return nodes, number
        try:
            _hierarchy_line(words, nodes, open_nodes)
        except (ValueError, IndexError):
            raise UserError(
                f"{path}:{number}: {line.strip()[:60]!r} is no line of a BVH hierarchy; repair it"
            ) from None
    raise UserError(f"{path}: no MOTION in it ({len(lines)} lines); the file is truncated or no BVH")


def _hierarchy_line(words: list[str], nodes: list[Node], open_nodes: list[int]) -> None:
    if words[0] in ("ROOT", "JOINT", "End"):
        name = words[1].split(":")[-1] if words[0] != "End" else f"end of {nodes[open_nodes[-1]].name}"
        nodes.append(Node(name, open_nodes[-1] if open_nodes else -1))
        open_nodes.append(len(nodes) - 1)
    elif words[0] == "OFFSET":
        nodes[open_nodes[-1]].offset = numbers(words[1:], 3)
    elif words[0] == "CHANNELS":
        nodes[open_nodes[-1]].channels = channels(words[1:])
    elif words[0] == "}":
        open_nodes.pop()
    else:
        raise ValueError(words[0])


def channels(words: list[str]) -> list[str]:
    """Name the channels of a joint; ValueError for others than places and rotations about x, y, z, or a wrong count."""
    names = words[1:]
    if int(words[0]) != len(names) or not set(names) <= CHANNELS or len(set(names)) < len(names):
        raise ValueError("channels")
    return names


def _rig(nodes: list[Node], path: Path) -> tuple[BvhRig, dict[str, int]]:
    names = {node.name: i for i, node in enumerate(nodes)}
    for rig in RIGS:
        if rig.needed() <= set(names):
            return rig, names
    nearest = min(RIGS, key=lambda r: len(r.needed() - set(names)))
    missing = sorted(nearest.needed() - set(names))
    raise UserError(
        f"{path}: unknown rig: joints {', '.join(missing[:6])} are missing for the nearest one, {nearest.name}; "
        f"known: {', '.join(r.name for r in RIGS)} (trainers/data/mocap/rigs.py says which names each has)"
    )


def _motion(lines: list[str], after: int, width: int, path: Path) -> tuple[F64, float]:
    """Return (T, width) numbers of the frames and frames a second."""
    body = [(n, line.split()) for n, line in enumerate(lines[after:], after + 1) if line.strip()]
    try:
        declared, period = int(body[0][1][1]), float(body[1][1][2])
    except (IndexError, ValueError):
        raise UserError(
            f"{path}:{after + 1}: expected 'Frames: n' and 'Frame Time: s'; the file is truncated"
        ) from None
    rows = body[2:]
    for number, words in rows:
        if len(words) != width:
            raise UserError(f"{path}:{number}: {len(words)} numbers, expected {width}; the file is truncated there")
    if not 1e-4 <= period <= 10:
        raise UserError(f"{path}:{body[1][0]}: a frame time of {period} s; expected 0.0001 to 10 s")
    if len(rows) != declared or declared < 2:
        raise UserError(f"{path}: {len(rows)} frames of {period} s, expected {declared}; the file is truncated")
    try:
        values = np.array([words for _, words in rows], np.float64)
    except ValueError as error:
        raise UserError(f"{path}: a frame with {error}; repair or remove the file") from None
    if not (np.abs(values) < LARGEST).all():
        number = rows[int(np.argwhere(~(np.abs(values) < LARGEST))[0, 0])][0]
        raise UserError(f"{path}:{number}: a number that is none, or beyond {LARGEST:g}; repair or remove the file")
    return values, round(1 / period, 2)


def _first_frame(values: F64, nodes: list[Node]) -> int:
    """1 when the file starts with a T-pose: no rotation of the root at all, unlike the frame that follows."""
    names = [c for node in nodes for c in node.channels]
    rotations = [i for i, c in enumerate(names) if c.endswith("rotation")]
    still = np.abs(values[0, rotations[:3]]).max() < 1e-6
    return int(still and np.abs(values[1, rotations] - values[0, rotations]).max() > 0.5)


def _unit(nodes: list[Node], rig: BvhRig, names: dict[str, int], path: Path) -> float:
    knee, ankle = names[str(rig.points["left_knee"])], names[str(rig.points["left_ankle"])]
    leg = float(np.linalg.norm(nodes[knee].offset) + np.linalg.norm(nodes[ankle].offset))
    for metre in UNITS_M.values():
        if LEG_M[0] <= leg * metre <= LEG_M[1]:
            return metre
    raise UserError(f"{path}: a leg of {leg:.2f} is none of a grown person in {', '.join(UNITS_M)}; rescale the file")


def _pose(nodes: list[Node], values: F64) -> tuple[list[F64], list[F64]]:
    """Return places (T, 3) in the file's unit and orientations (T, 3, 3) of every node."""
    places: list[F64] = []
    turns: list[F64] = []
    column = 0
    for node in nodes:
        mine = values[:, column : column + len(node.channels)]
        column += len(node.channels)
        moves = {c[0].lower(): mine[:, k] for k, c in enumerate(node.channels) if c.endswith("position")}
        spins = [k for k, c in enumerate(node.channels) if c.endswith("rotation")]
        turn = chain("".join(node.channels[k][0].lower() for k in spins), mine[:, spins])
        offset = np.stack([moves.get(a, np.full(len(values), node.offset[i])) for i, a in enumerate("xyz")], -1)
        if node.parent < 0:
            places.append(offset)
            turns.append(turn)
        else:
            places.append(places[node.parent] + (turns[node.parent] @ offset[..., None])[..., 0])
            turns.append(turns[node.parent] @ turn)
    return places, turns


def _joints(rig: BvhRig, names: dict[str, int], places: list[F64], turns: list[F64], unit: float) -> Array:
    found: dict[str, F64] = {}
    for joint, point in rig.points.items():
        node, shift = (point, (0, 0, 0)) if isinstance(point, str) else point
        found[joint] = places[names[node]] * unit + turns[names[node]] @ np.array(shift, np.float64)
    found["pelvis"] = (found["left_hip"] + found["right_hip"]) / 2
    return np.stack([found[j] for j in H36M_17.joints], 1).astype(np.float32)
