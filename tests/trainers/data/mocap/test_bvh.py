"""BVH files: a real take, other rigs and units made up, T-poses dropped, damage named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines.skeleton import H36M_17
from tests.support.paths import DATA
from trainers.data.mocap import bvh
from trainers.errors import UserError

MOTION = DATA / "motion"
J = H36M_17.index
MOTIONBUILDER = {  # name -> (parent, offset in metres)
    "Hips": ("", (0, 0, 0)), "Spine": ("Hips", (0, 0.2, 0)),
    "Neck": ("Spine", (0, 0.3, 0)), "Head": ("Neck", (0, 0.1, 0)),
    **{f"{s}{part}": (f"{s}{up}" if up[:4] not in ("Hips", "Neck") else up, (x * sign, y, 0))
       for s, sign in (("Left", 1), ("Right", -1))
       for part, up, x, y in (("UpLeg", "Hips", 0.1, 0), ("Leg", "UpLeg", 0, -0.4), ("Foot", "Leg", 0, -0.4),
                              ("Arm", "Neck", 0.2, -0.05), ("ForeArm", "Arm", 0.3, 0), ("Hand", "ForeArm", 0.25, 0))},
}  # fmt: skip


def write(
    path: Path, rows: list[dict[str, tuple[float, float, float]]], scale: float = 100.0, prefix: str = ""
) -> Path:
    """A MotionBuilder-like file; rows give rotations (z, x, y degrees) by joint."""
    order: list[str] = []

    def node(name: str, depth: int) -> list[str]:
        order.append(name)
        offset = " ".join(str(v * scale) for v in MOTIONBUILDER[name][1])
        place = "6 Xposition Yposition Zposition " if depth == 0 else "3 "
        inner = [f"OFFSET {offset}", f"CHANNELS {place}Zrotation Xrotation Yrotation"]
        children = [c for c, (parent, _) in MOTIONBUILDER.items() if parent == name]
        for child in children:
            inner += node(child, depth + 1)
        if not children:
            inner += ["End Site", "{", "OFFSET 0 0 0", "}"]
        return [f"{'JOINT' if depth else 'ROOT'} {prefix}{name}", "{", *inner, "}"]

    lines = ["HIERARCHY", *node("Hips", 0), "MOTION", f"Frames: {len(rows)}", "Frame Time: 0.0333333"]
    for row in rows:
        numbers = [0.0, 0.9 * scale, 0.0]
        for name in order:
            numbers += row.get(name, (0, 0, 0))
        lines.append(" ".join(map(str, numbers)))
    path.write_text("\n".join(lines))
    return path


def test_a_real_take_loses_its_t_pose_and_has_a_persons_size():
    xyz, fps = bvh.read_bvh(MOTION / "03_01.bvh")
    assert xyz.shape == (432, 17, 3) and fps == 120.0
    wide = np.linalg.norm(xyz[:, J("left_wrist")] - xyz[:, J("right_wrist")], axis=-1)
    assert wide.max() < 1.2  # the T-pose would be 1.3 m wide
    bones = np.linalg.norm(xyz - xyz[:, list(H36M_17.parents)], axis=-1)
    assert bones[:, J("left_knee")].mean() == pytest.approx(0.368, abs=0.002)
    assert bones[:, J("left_ankle")].mean() == pytest.approx(0.454, abs=0.002)
    walked = np.linalg.norm(xyz[-1, 0] - xyz[0, 0])
    assert 2.0 < walked < 6.0 and abs(xyz[-1, 0, 1] - xyz[0, 0, 1]) < 0.5


@pytest.mark.parametrize("scale", [1.0, 100.0, 1000.0, 1 / 0.0254, 0.45 / 0.0254])
def test_units_are_told_by_the_legs(tmp_path, scale):
    xyz, _ = bvh.read_bvh(write(tmp_path / "a.bvh", [{}, {}], scale))
    assert xyz[0, J("left_ankle")] == pytest.approx([0.1, 0.1, 0], abs=1e-4)


def test_other_rigs_prefixes_and_rotations(tmp_path):
    rows = [{"Hips": (0, 0, 0.00001)}, {"LeftArm": (90.0, 0, 0)}, {"Hips": (0, 0, 90.0)}]
    xyz, fps = bvh.read_bvh(write(tmp_path / "a.bvh", rows, prefix="mixamorig:"))
    assert fps == 30.0
    assert xyz[0, J("left_wrist")] == pytest.approx([0.75, 1.35, 0], abs=1e-5)
    assert xyz[1, J("left_wrist")] == pytest.approx([0.2, 1.9, 0], abs=1e-5)  # the arm points up
    assert xyz[2, J("left_hip")] == pytest.approx([0, 0.9, -0.1], abs=1e-5)  # turned a quarter about the vertical
    assert xyz[2, J("nose")] == pytest.approx([0.11, 1.55, 0], abs=1e-5)


def test_a_t_pose_at_the_start_is_dropped_only_where_motion_follows(tmp_path):
    moving = [{"Hips": (1.0, 2.0, 3.0), "LeftArm": (60.0, 0, 0)}] * 3
    assert len(bvh.read_bvh(write(tmp_path / "a.bvh", [{}, *moving]))[0]) == 3
    assert len(bvh.read_bvh(write(tmp_path / "b.bvh", moving))[0]) == 3


def truncated(lines: list[str]) -> list[str]:
    return [*lines[:-2], lines[-2][:40]]


def cut(lines: list[str]) -> list[str]:
    return lines[:-2]


def no_motion(lines: list[str]) -> list[str]:
    return lines[: lines.index("MOTION")]


def stranger(lines: list[str]) -> list[str]:
    return [line.replace("LeftForeArm", "LeftTentacle") for line in lines]


def word(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[-1].replace("0.0", "zero", 1)]


def odd(lines: list[str]) -> list[str]:
    return ["HIERARCHY", "ROOT Hips", "{", "OFFSET a b c", *lines[4:]]


def half(lines: list[str]) -> list[str]:
    return lines[: lines.index("MOTION") + 2]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (truncated, r"a\.bvh:\d+: \d+ numbers, expected 51; the file is truncated there"),
        (cut, r"a\.bvh: 4 frames of 0.0333333 s, expected 6; the file is truncated"),
        (no_motion, r"a\.bvh: no MOTION in it"),
        (
            stranger,
            r"a\.bvh: unknown rig: joints LeftForeArm are missing for the nearest one, motionbuilder; known: daz",
        ),
        (word, r"a\.bvh: a frame with could not convert string to float: .*zero"),
        (odd, r"a\.bvh:4: 'OFFSET a b c' is no line of a BVH hierarchy"),
        (half, r"a\.bvh:\d+: expected 'Frames: n' and 'Frame Time: s'"),
    ],
)
def test_damage_is_named_with_file_and_line(tmp_path, damage, says):
    path = write(tmp_path / "a.bvh", [{}] * 6)
    path.write_text("\n".join(damage(path.read_text().split("\n"))))
    with pytest.raises(UserError, match=says):
        bvh.read_bvh(path)


def test_a_childs_or_a_giants_unit_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"a leg of 5.00 is none of a grown person in m, cm"):
        bvh.read_bvh(write(tmp_path / "a.bvh", [{}, {}], 6.25))
