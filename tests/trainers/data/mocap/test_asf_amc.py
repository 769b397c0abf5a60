"""Acclaim files: a real take keeps human proportions, made-up skeletons give exact places, damage is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines.skeleton import H36M_17
from tests.support.paths import DATA
from trainers.data.mocap import asf_amc
from trainers.data.mocap.euler import about, chain
from trainers.errors import UserError

MOTION = DATA / "motion"
J = H36M_17.index


def jump() -> np.ndarray:
    return asf_amc.read_amc(MOTION / "118_01.amc", asf_amc.read_asf(MOTION / "118.asf"))[0]


def copy(tmp_path: Path, **edits: tuple[str, str]) -> tuple[Path, Path]:
    """Copies of both files with one replacement each (asf=, amc=)."""
    out = []
    for name in ("118.asf", "118_01.amc"):
        text = (MOTION / name).read_text()
        old, new = edits.get(name[-3:], ("", ""))
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new, 1) if old else text)
        out.append(tmp_path / name)
    return out[0], out[1]


def test_a_real_take_has_a_persons_size_and_stands_on_its_feet():
    xyz = jump()
    assert xyz.shape == (360, 17, 3) and xyz.dtype == np.float32
    bones = np.linalg.norm(xyz - xyz[:, list(H36M_17.parents)], axis=-1)[:, 1:]
    assert np.ptp(bones, axis=0)[[1, 2, 4, 5, 11, 14]].max() < 1e-3
    leg = bones[0, J("left_knee") - 1] + bones[0, J("left_ankle") - 1]
    assert 0.8 < leg < 0.95
    assert 1.5 < xyz[-1, J("head"), 1] < 1.8 and 0.0 < xyz[:, J("left_ankle"), 1].min() < 0.15


def test_left_is_left_and_the_nose_is_in_front():
    xyz = jump()
    left = xyz[:, J("left_shoulder")] - xyz[:, J("right_shoulder")]
    forward = np.cross(left, [0, 1, 0])
    assert ((xyz[:, J("left_hip")] - xyz[:, J("right_hip")]) * left).sum(-1).min() > 0
    nose = xyz[:, J("nose")] - (xyz[:, J("head")] + xyz[:, J("thorax")]) / 2
    assert (nose * forward).sum(-1).min() > 0
    knee_bend = xyz[:, J("left_knee")] - (xyz[:, J("left_hip")] + xyz[:, J("left_ankle")]) / 2
    assert ((knee_bend * forward).sum(-1) > 0).mean() > 0.95


def test_it_jumps_with_earths_gravity():
    """In flight the pelvis accelerates at 9.81 m/s2: scale, rate and axes are right together."""
    height = jump()[:, [J("pelvis"), J("thorax"), J("head"), J("left_knee"), J("right_knee")], 1].mean(1)
    top = int(height.argmax())
    flight = height[top - 20 : top + 21]
    curvature = np.polyfit(np.arange(41) / asf_amc.FPS, flight, 2)[0] * 2
    assert curvature == pytest.approx(-9.81, rel=0.1)


def test_one_bone_turns_about_its_own_axes(tmp_path):
    asf, amc = copy(tmp_path)
    text = amc.read_text().splitlines()
    skeleton = asf_amc.read_asf(asf)
    bone = next(b for b in skeleton.bones if b.name == "ltibia")
    row = next(i for i, line in enumerate(text) if line.startswith("ltibia"))
    text[row] = "ltibia 90"
    amc.write_text("\n".join(text))
    bent, thigh = asf_amc.read_amc(amc, skeleton)[0][0], next(b for b in skeleton.bones if b.name == "lfemur")
    upper, lower = bent[J("left_knee")] - bent[J("left_hip")], bent[J("left_ankle")] - bent[J("left_knee")]
    assert abs(np.dot(upper, lower)) / np.linalg.norm(upper) / np.linalg.norm(lower) < 0.02
    assert np.linalg.norm(lower) == pytest.approx(np.linalg.norm(bone.offset), rel=1e-4)
    assert np.linalg.norm(upper) == pytest.approx(np.linalg.norm(thigh.offset), rel=1e-4)


def test_rotations_compose_in_the_written_order():
    angles = np.array([30.0, -50.0, 70.0])
    by_hand = about("z", angles[0]) @ about("y", angles[1]) @ about("x", angles[2])
    np.testing.assert_allclose(chain("zyx", angles), by_hand)
    np.testing.assert_allclose(about("y", np.array(90.0)) @ [0, 0, 1], [1, 0, 0], atol=1e-12)


def test_radians_are_read_as_radians(tmp_path):
    asf, amc = copy(tmp_path)
    lines = []
    for line in amc.read_text().splitlines():
        words = line.split()
        if line.startswith(":DEGREES"):
            line = ":RADIANS"
        elif len(words) > 1 and words[0][0] not in "#:":
            kept = 3 if words[0] == "root" else 0
            turned = [repr(float(np.radians(float(w)))) for w in words[1 + kept :]]
            line = " ".join([*words[: 1 + kept], *turned])
        lines.append(line)
    amc.write_text("\n".join(lines))
    assert np.abs(asf_amc.read_amc(amc, asf_amc.read_asf(asf))[0] - jump()).max() < 1e-5


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"asf": (":hierarchy", ":other")}, r"118\.asf: no :bonedata or :hierarchy"),
        ({"asf": ("name lwrist", "name lhook")}, r"118\.asf: unknown rig: bones lwrist are missing"),
        ({"asf": ("direction 0.606768 -0.715223 0.346827", "")}, r"118\.asf:18: bone without direction"),
        ({"asf": ("length 0.45", "")}, r"118\.asf: :units has no length"),
        ({"amc": ("lowerback 23.2536 ", "lowerback ")}, r"118_01\.amc:6: lowerback with 2 numbers, expected 3"),
        ({"amc": ("lowerback 23.2536", "lowerback 23.2x")}, r"118_01\.amc:6: lowerback: 23.2x .* are not numbers"),
        ({"amc": ("rhumerus", "rtail")}, r"118_01\.amc:\d+: rtail with 3 numbers, expected a bone"),
    ],
)
def test_damage_is_named_with_file_and_line(tmp_path, edit, says):
    asf, amc = copy(tmp_path, **edit)
    with pytest.raises(UserError, match=says):
        asf_amc.read_amc(amc, asf_amc.read_asf(asf))


def test_a_truncated_take_is_refused(tmp_path):
    asf, amc = copy(tmp_path)
    amc.write_text("\n".join(amc.read_text().splitlines()[:-9]))
    with pytest.raises(UserError, match=r"118_01\.amc: 360 frames begin, but .* the file is truncated"):
        asf_amc.read_amc(amc, asf_amc.read_asf(asf))
