"""Read Acclaim motion (.asf skeleton, .amc frames) as the 17 joints, metres.

Angles of a bone are given in its own axes: rotation = C M C^-1, with C the bone's `axis` and M its degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines.skeleton import H36M_17, Array
from trainers.data.mocap.euler import F64, chain, numbers
from trainers.errors import UserError
from trainers.user_file import read_text

INCH_M = 0.0254
FPS = 120.0  # the format does not say
NOSE_FORWARD_M = 0.10
ENDS = {  # joint -> bone whose far end it is; pelvis, nose and wrists are made from several
    "right_hip": "rhipjoint", "right_knee": "rfemur", "right_ankle": "rtibia", "left_hip": "lhipjoint",
    "left_knee": "lfemur", "left_ankle": "ltibia", "spine": "lowerback", "thorax": "thorax", "head": "head",
    "left_shoulder": "lclavicle", "left_elbow": "lhumerus", "right_shoulder": "rclavicle", "right_elbow": "rhumerus",
}  # fmt: skip
ROOT_ORDER = ("tx", "ty", "tz", "rx", "ry", "rz")
NEEDED = (*ENDS.values(), "upperneck", "lradius", "rradius", "lwrist", "rwrist")


@dataclass(frozen=True)
class Bone:
    name: str
    parent: str
    offset: F64  # (3,) m, at rest
    axis: F64  # (3, 3) C
    dof: str  # rotation axes in file order: "xyz"


@dataclass(frozen=True)
class AcclaimSkeleton:
    bones: tuple[Bone, ...]  # parents first
    root_order: tuple[str, ...]  # of the numbers of a root line: tx ty tz rx ry rz
    unit_m: float
    path: Path


def read_asf(path: Path) -> AcclaimSkeleton:
    sections = _sections(path)
    unit = _unit(_value(sections, "units", "length", path), path) if "units" in sections else 1.0
    root = {words[0].lower(): words[1:] for _, words in sections.get("root", [])}
    parents = _hierarchy(sections.get("hierarchy", []))
    blocks = {b["name"][0]: b for b in _blocks(sections.get("bonedata", []), path)}
    missing = [name for name in NEEDED if name not in blocks]
    if missing:
        raise UserError(
            f"{path}: unknown rig: bones {', '.join(missing)} are missing (found {', '.join(list(blocks)[:8])}, ...); "
            "only skeletons with CMU's bone names can be read"
        )
    metre = INCH_M / unit
    bones = tuple(_bone(blocks[name], parent, metre, path) for name, parent in parents.items() if name in blocks)
    order = tuple(w.lower() for w in root.get("order", ["TX", "TY", "TZ", "RX", "RY", "RZ"]))
    if sorted(order) != sorted(ROOT_ORDER):
        raise UserError(f"{path}: root order {' '.join(order)[:60]}; expected each of {' '.join(ROOT_ORDER)} once")
    _check_tree(bones, path)
    return AcclaimSkeleton(bones, order, metre, path)


def _unit(word: str, path: Path) -> float:
    try:
        unit = float(numbers([word], 1)[0])
    except ValueError:
        unit = 0.0
    if not 1e-6 <= unit <= 1e6:
        raise UserError(f"{path}: :units length {word[:40]!r} is no length; expected a number such as 0.45")
    return unit


def _check_tree(bones: tuple[Bone, ...], path: Path) -> None:
    known = {"root"}
    for bone in bones:
        if bone.parent not in known:
            raise UserError(f"{path}: bone {bone.name} hangs on {bone.parent}, which comes after it or nowhere")
        known.add(bone.name)


def read_amc(path: Path, skeleton: AcclaimSkeleton) -> tuple[Array, float]:
    """Return (T, 17, 3) metres, Y up, and frames a second."""
    frames = _frames(path, skeleton)
    return _joints(_far_ends(frames, skeleton)), FPS


def _sections(path: Path) -> dict[str, list[tuple[int, list[str]]]]:
    """':name' -> its lines as (line number, words)."""
    sections: dict[str, list[tuple[int, list[str]]]] = {}
    current: list[tuple[int, list[str]]] = []
    for number, line in enumerate(read_text(path, errors="replace").splitlines(), 1):
        words = line.split("#")[0].split()
        if words and words[0].startswith(":"):
            current = sections.setdefault(words[0][1:].lower(), [])
        elif words:
            current.append((number, words))
    if "bonedata" not in sections or "hierarchy" not in sections:
        raise UserError(
            f"{path}: no :bonedata or :hierarchy in it; expected an Acclaim skeleton (.asf), maybe truncated"
        )
    return sections


def _value(sections: dict[str, list[tuple[int, list[str]]]], section: str, key: str, path: Path) -> str:
    for _, words in sections[section]:
        if words[0].lower() == key and len(words) > 1:
            return words[1]
    raise UserError(f"{path}: :{section} has no {key}; the file is truncated or no Acclaim skeleton")


def _hierarchy(lines: list[tuple[int, list[str]]]) -> dict[str, str]:
    return {child: words[0] for _, words in lines if words[0] not in ("begin", "end") for child in words[1:]}


def _blocks(lines: list[tuple[int, list[str]]], path: Path) -> list[dict[str, list[str]]]:
    blocks: list[dict[str, list[str]]] = []
    for number, words in lines:
        if words[0] == "begin":
            blocks.append({"line": [str(number)]})
        elif words[0] != "end" and blocks and not words[0].startswith("("):
            blocks[-1][words[0]] = words[1:]
    for block in blocks:
        lost = [k for k in ("name", "direction", "length", "axis") if not block.get(k)]
        if lost:
            raise UserError(f"{path}:{block['line'][0]}: bone without {', '.join(lost)}; the file is truncated")
    return blocks


def _bone(block: dict[str, list[str]], parent: str, metre: float, path: Path) -> Bone:
    order = block["axis"][3].lower() if len(block["axis"]) > 3 else "xyz"
    turns = [d.lower() for d in block.get("dof", []) if d[:1].lower() == "r"]
    dof = "".join(d[1:] for d in turns)
    try:
        direction, angles = numbers(block["direction"], 3), numbers(block["axis"][:3], 3)
        offset = direction * numbers(block["length"][:1], 1) * metre
        if sorted(order) != list("xyz") or any(len(d) != 2 or d[1] not in "xyz" for d in turns):
            raise ValueError(f"axis order {order[:20]!r} or degrees of freedom {' '.join(turns)[:40]!r}")
    except ValueError as error:
        raise UserError(f"{path}:{block['line'][0]}: bone {block['name'][0]}: {error}; repair the file") from None
    return Bone(block["name"][0], parent, offset, chain(order[::-1], angles[::-1]), dof)


def _frames(path: Path, skeleton: AcclaimSkeleton) -> dict[str, F64]:
    """Name -> (T, n) numbers of every frame; degrees."""
    width = {b.name: len(b.dof) for b in skeleton.bones if b.dof} | {"root": len(skeleton.root_order)}
    rows: dict[str, list[list[float]]] = {name: [] for name in width}
    count, degrees = 0, True
    for number, line in enumerate(read_text(path, errors="replace").splitlines(), 1):
        words = line.split()
        if not words or words[0][0] in "#:":
            degrees = degrees and ":RADIANS" not in line.upper()
        elif words[0].isdigit() and len(words) == 1:
            count += 1
        else:
            _row(rows, width, words, path, number)
    short = [name for name, values in rows.items() if len(values) != count]
    if count == 0 or short:
        raise UserError(
            f"{path}: {count} frames begin, but {', '.join(short[:4]) or 'no bone'} has "
            f"{len(rows[short[0]]) if short else 0}; the file is truncated or not of {skeleton.path.name}"
        )
    return {n: _degrees(np.array(v), n, degrees, skeleton) for n, v in rows.items()}


def _row(
    rows: dict[str, list[list[float]]], width: dict[str, int], words: list[str], path: Path, number: int
) -> None:  # fmt: skip
    name = words[0]
    if name not in width or len(words) != width[name] + 1:
        expected = f"{width[name]} numbers" if name in width else "a bone of the skeleton with degrees of freedom"
        raise UserError(
            f"{path}:{number}: {name} with {len(words) - 1} numbers, expected {expected}; cut the file there"
        )
    try:
        rows[name].append(numbers(words[1:], width[name]).tolist())
    except ValueError:
        raise UserError(
            f"{path}:{number}: {name}: {' '.join(words[1:])} are not numbers; repair or remove the file"
        ) from None


def _degrees(values: F64, name: str, degrees: bool, skeleton: AcclaimSkeleton) -> F64:
    if degrees:
        return values
    turned = [name != "root" or c.startswith("r") for c in (skeleton.root_order if name == "root" else values[0])]
    return np.where(turned, np.degrees(values), values)


def _far_ends(frames: dict[str, F64], skeleton: AcclaimSkeleton) -> dict[str, F64]:
    """Map bone -> (T, 3) m."""
    order, root = skeleton.root_order, frames["root"]
    place = np.stack([root[:, order.index(f"t{a}")] for a in "xyz"], -1) * skeleton.unit_m
    rotated = [c for c in order if c.startswith("r")]
    angles = np.stack([root[:, order.index(c)] for c in rotated], -1)
    ends, turns = {"root": place}, {"root": chain("".join(c[1] for c in rotated)[::-1], angles[:, ::-1])}
    for bone in skeleton.bones:
        turn = turns[bone.parent]
        if bone.dof:
            turn = turn @ bone.axis @ chain(bone.dof[::-1], frames[bone.name][:, ::-1]) @ bone.axis.T
        turns[bone.name], ends[bone.name] = turn, ends[bone.parent] + turn @ bone.offset
    return ends


def _joints(ends: dict[str, F64]) -> Array:
    place = {joint: ends[bone] for joint, bone in ENDS.items()}
    place["pelvis"] = (place["right_hip"] + place["left_hip"]) / 2
    skull = ends["head"] - ends["upperneck"]
    forward = np.cross(place["left_shoulder"] - place["right_shoulder"], skull)
    forward *= NOSE_FORWARD_M / np.maximum(np.linalg.norm(forward, axis=-1, keepdims=True), 1e-9)
    place["nose"] = ends["upperneck"] + 0.3 * skull + forward
    for side in ("left", "right"):
        forearm, wrist = ends[f"{side[0]}radius"], ends[f"{side[0]}wrist"]
        place[f"{side}_wrist"] = forearm + 0.6 * (wrist - forearm)
    return np.stack([place[j] for j in H36M_17.joints], 1).astype(np.float32)
