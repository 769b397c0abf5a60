"""Motion folders: what is written is read, people stay on one side of the split, bad folders are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from trainers.data import motion
from trainers.data.motion import MotionSegment, MotionSet
from trainers.errors import UserError


def segment(subject: str = "01", clip: str = "01_01", frames: int = 50, seed: int = 0) -> MotionSegment:
    random = np.random.default_rng(seed)
    xyz = random.normal(0, 0.4, (frames, 17, 3)).astype(np.float32) + np.array([3, 1, -2], np.float32)
    return MotionSegment(xyz, 60.0, clip, subject, "walk")


def folder(tmp_path: Path, **subjects: int) -> Path:
    for name, count in subjects.items():
        subject = name.removeprefix("s")
        motion.save(tmp_path, subject, [segment(subject, f"{subject}_{i:02}", seed=i) for i in range(count)])
    index = [{"clip": f"{n.removeprefix('s')}_00", "subject": n.removeprefix("s"), "desc": "walk"} for n in subjects]
    motion.write_index(tmp_path, index)
    return tmp_path


def test_what_is_saved_is_loaded_to_a_tenth_of_a_millimetre(tmp_path):
    stored = [segment(clip="01_01"), segment(clip="01_02@40", frames=37, seed=4)]
    motion.save(tmp_path, "01", stored)
    motion.write_index(
        tmp_path, [{"clip": "01_01", "subject": "01", "desc": "jump"}, {"clip": "01_02", "subject": "01"}]
    )
    found = motion.load(tmp_path)
    assert [s.clip for s in found.segments] == ["01_01", "01_02@40"] and found.segments[0].action == "jump"
    for a, b in zip(stored, found.segments):
        assert b.xyz.dtype == np.float32 and b.fps == 60 and np.abs(a.xyz - b.xyz).max() < 6e-5
    assert found.frames == 87 and found.seconds == pytest.approx(87 / 60)


def test_parts_of_a_take_share_its_description_and_are_found_by_its_name(tmp_path):
    motion.save(tmp_path, "01", [segment(clip="01_02@40"), segment(clip="01_02@400"), segment(clip="01_03")])
    motion.write_index(tmp_path, [{"clip": "01_02", "subject": "01", "desc": "climb"}])
    found = motion.load(tmp_path)
    assert [s.action for s in found.segments] == ["climb", "climb", ""]
    assert len(found.clip("01_02")) == 2 and len(found.clip("01_02@400")) == 1
    with pytest.raises(UserError, match=r"no clip '01_04'; nearest: 01_03"):
        found.clip("01_04")


def test_people_stay_on_one_side_whatever_their_names():
    everyone = ("01", "05", "16", "35", "16or35", "60", "61", "124")
    found = MotionSet(tuple(segment(s) for s in everyone))
    train, valid = motion.split(found)
    assert valid.subjects == ("05", "124") and set(train.subjects) == set(everyone) - {"05", "124"}
    train, valid = motion.split(found, ("16", "61"))
    assert set(valid.subjects) == {"16", "35", "16or35", "60", "61"}


def test_a_side_without_anybody_is_refused_with_the_names():
    with pytest.raises(UserError, match=r"no subject left for validation: the folder has 01, 02, validation is 05"):
        motion.split(MotionSet((segment("01"), segment("02")), "here"), ("05",))
    with pytest.raises(UserError, match=r"no subject left for training"):
        motion.split(MotionSet((segment("05"),)), ("05",))


def test_calibration_subjects_are_half_of_the_validation():
    assert set(motion.CALIBRATION) < set(motion.VALIDATION) and len(motion.CALIBRATION) * 2 == len(motion.VALIDATION)


@pytest.mark.parametrize("where", ["empty", "missing"])
def test_a_folder_without_clips_names_the_command(tmp_path, where):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no subject_\*\.npz.*trainers prepare cmu --root"):
        motion.load(tmp_path / where)


def damage_truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_rubbish(path: Path) -> None:
    path.write_text("<html>not found</html>")


def rewrite(path: Path, **changed: object) -> None:
    with np.load(path) as file:
        arrays = {k: file[k] for k in file.files} | changed
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})


def damage_key(path: Path) -> None:
    rewrite(path, rel=None)


def damage_shape(path: Path) -> None:
    rewrite(path, root=np.zeros((7, 3), np.float32))


def damage_nan(path: Path) -> None:
    root = np.zeros((50, 3), np.float32)
    root[31, 1] = np.nan
    rewrite(path, root=root)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (damage_truncate, "not a readable npz"),
        (damage_rubbish, "not a readable npz"),
        (damage_key, "keys rel are missing"),
        (damage_shape, r"expected \(7, 17, 3\)"),
        (damage_nan, "NaN or inf in frame 31"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, damage, says):
    path = folder(tmp_path, s01=1) / "subject_01.npz"
    damage(path)
    with pytest.raises(UserError, match=says) as caught:
        motion.load(tmp_path)
    assert str(path) in str(caught.value) and "prepare" in str(caught.value)


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickled_array_is_refused_and_never_run(tmp_path):
    path, trap = folder(tmp_path, s01=1) / "subject_01.npz", tmp_path / "ran"
    rewrite(path, clip=np.array([Touch(trap)], object))
    with pytest.raises(UserError, match="without pickled objects"):
        motion.load(tmp_path)
    assert not trap.exists()


def test_a_damaged_index_is_named(tmp_path):
    folder(tmp_path, s01=1)
    (tmp_path / "index.json").write_text(json.dumps({"clip": 1}))
    with pytest.raises(UserError, match=r"index\.json: expected a list"):
        motion.load(tmp_path)


def test_nothing_half_written_stays_when_saving_fails(tmp_path):
    far = MotionSegment(segment().xyz * 100, 60.0, "01_01", "01")
    with pytest.raises(UserError, match="wrong unit"):
        motion.save(tmp_path, "01", [far])
    assert list(tmp_path.iterdir()) == []
