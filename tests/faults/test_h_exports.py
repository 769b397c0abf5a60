"""Group H, what is exported: several people, hostile names."""

import csv
import json

import numpy as np
import pytest

from realtime.cli import main as cli
from realtime.export.tracks import clips
from realtime.recording.file_format import RecordingError, RecordingWriter
from realtime.wire.messages import encode, replace
from tests.support import bvh_reader
from tests.support.people import walker as fake

FRAMES, ENTERS, LEAVES = 90, 30, 60  # person 2 enters at 1 s, on a step 0.4 m above the floor; person 1 leaves at 2 s

ANKLE = 0.08  # m above the floor, where the soles are


def raised(xyz, by_m):
    return xyz + np.array([0.0, by_m, 0.0])


def people_at(i):
    if i < LEAVES:
        yield fake.person(1, fake.in_camera(fake.walker(i / 30)))
    if i >= ENTERS:
        yield fake.person(2, fake.in_camera(raised(fake.walker(i / 30, 0.5), 0.4), 1.0))


def recording(path, hello=fake.HELLO, poses=None):
    with RecordingWriter(path) as writer:
        writer.write(encode("hello", "cam0", hello))
        for pose in poses or [fake.pose(i, list(people_at(i))) for i in range(FRAMES)]:
            writer.write(encode("pose3d", "cam0", pose))
    return path


def export(path, to, *flags):
    assert cli.main(["export", str(path), "--to", to, *map(str, flags)]) == 0
    return path.with_suffix(f".{to}")


def csv_rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_h23_csv_has_one_time_axis_and_one_floor(tmp_path):
    rows = csv_rows(export(recording(tmp_path / "a.sp"), "csv"))
    first = {}
    for row in rows:
        first.setdefault(row["person"], row)
    assert (first["1"]["frame"], first["1"]["time_s"]) == ("0", "0.000000")
    assert (first["2"]["frame"], float(first["2"]["time_s"])) == (str(ENTERS), pytest.approx(1.0))
    lowest = {i: min(float(r["y_m"]) for r in rows if r["person"] == i and r["y_m"]) for i in "12"}
    assert lowest["1"] == pytest.approx(ANKLE, abs=0.02) and lowest["2"] == pytest.approx(0.4 + ANKLE, abs=0.02)


def test_h23_frames_that_were_never_answered_keep_their_numbers(tmp_path):
    poses = [fake.pose(i, list(people_at(i))) for i in range(FRAMES) if i not in (10, 11)]
    rows = csv_rows(export(recording(tmp_path / "a.sp", poses=poses), "csv", "--person", 1))
    numbers = sorted({int(row["frame"]) for row in rows})
    assert numbers == [i for i in range(LEAVES) if i not in (10, 11)]


def test_h23_trc_begins_where_the_person_does(tmp_path):
    export(recording(tmp_path / "a.sp"), "trc")
    lines = (tmp_path / "a.p2.trc").read_text().splitlines()
    assert dict(zip(lines[1].split("\t"), lines[2].split("\t")))["OrigDataStartFrame"] == str(ENTERS + 1)
    number, time_s = lines[6].split("\t")[:2]
    assert (number, float(time_s)) == (str(ENTERS + 1), pytest.approx(1.0))


def test_h23_c3d_holds_the_whole_recording_for_everybody(tmp_path):
    ezc3d = pytest.importorskip("ezc3d")
    export(recording(tmp_path / "a.sp"), "c3d")
    one, two = (ezc3d.c3d(str(tmp_path / f"a.p{i}.c3d"))["data"]["points"][:3] for i in (1, 2))
    assert one.shape == two.shape == (3, 17, FRAMES)
    assert np.isnan(two[..., :ENTERS]).all() and np.isfinite(two[..., ENTERS:]).all()
    assert np.isnan(one[..., LEAVES:]).all() and np.isfinite(one[..., :LEAVES]).all()
    assert np.nanmin(two[1]) == pytest.approx(0.4 + ANKLE, abs=0.02)


def test_h23_bvh_files_of_one_recording_run_together(tmp_path):
    export(recording(tmp_path / "a.sp"), "bvh", "--names", "h36m")
    read = {i: bvh_reader.parse((tmp_path / f"a.p{i}.bvh").read_text()) for i in (1, 2)}
    assert len(read[1][2]) == len(read[2][2]) == FRAMES
    at = bvh_reader.positions(read[2][0], read[2][2][ENTERS])
    assert at["pelvis"][0] - bvh_reader.positions(read[1][0], read[1][2][ENTERS])["pelvis"][0] == pytest.approx(
        1, abs=0.02
    )
    states = csv_rows(tmp_path / "a.p2.bvh.states.csv")
    assert [row["head"] for row in states] == ["ABSENT"] * ENTERS + ["OBSERVED"] * (FRAMES - ENTERS)


def test_h23_a_rate_of_its_own_has_one_axis_too(tmp_path):
    with np.load(export(recording(tmp_path / "a.sp"), "npz", "--rate", 50)) as back:
        assert back["time_s_1"][0] == 0 and back["time_s_2"][0] == pytest.approx(1.0)
        shared = np.isin(np.round(back["time_s_2"] * 50), np.round(back["time_s_1"] * 50))
        assert shared.sum() == pytest.approx(49, abs=1) and np.isfinite(back["xyz_m_2"]).all()


def test_h23_align_person_is_each_on_their_own(tmp_path):
    people = json.loads(export(recording(tmp_path / "a.sp"), "json", "--align", "person").read_text())["people"]
    assert [p["time_s"][0] for p in people] == [0, 0] and [p["frame"][0] for p in people] == [0, 0]
    assert people[1]["start_unix_ns"] - people[0]["start_unix_ns"] == pytest.approx(1e9, abs=1e6)
    assert [min(j[1] for f in p["xyz_m"] for j in f) for p in people] == pytest.approx([ANKLE, ANKLE], abs=0.02)


HOSTILE = {"pelvis": "=1+1", "head": "\x1b[2Jhead", "nose": "@SUM(A1)", "spine": "a{b}\nc", "thorax": "ähm\u202e"}


@pytest.fixture
def hostile(tmp_path):
    joints = tuple(HOSTILE.get(name, name) for name in fake.HELLO.joints)
    return recording(tmp_path / "h.sp", replace(fake.HELLO, joints=joints))


@pytest.mark.parametrize("to", ["csv", "json", "trc", "bvh", "c3d", "glb"])
def test_h13_names_are_escaped_in_what_is_exported(hostile, to):
    export(hostile, to, *(("--names", "h36m") if to in ("bvh", "glb") else ()))
    written = [p for p in hostile.parent.iterdir() if p != hostile]
    assert written
    for path in written:
        data = path.read_bytes() if path.suffix not in (".c3d", ".glb") else path.read_bytes()[:4096]
        assert b"\x1b" not in data or path.suffix in (".c3d", ".glb")
        assert b"[2Jhead" not in data or b"\\x1b[2Jhead" in data or b"_x1b_2Jhead" in data
        if path.suffix == ".csv":
            cells = [c for row in csv.reader(path.read_text(encoding="utf-8").splitlines()) for c in row]
            assert "'=1+1" in cells and not any(c.startswith(("=", "@", "+")) for c in cells)


def test_h13_names_are_one_word_where_words_are_separated_by_space(hostile):
    export(hostile, "bvh", "--names", "h36m")
    nodes, _, values = bvh_reader.parse((hostile.parent / "h.p1.bvh").read_text("ascii"))
    assert len(values) == FRAMES and all(set(n.name) <= set(BVH_WORD) for n in nodes)


BVH_WORD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-"


def far(pose, seconds):
    """Captured and published so much later: no contradiction, so no reader refuses it."""
    later_ns = seconds * 10**9
    stamp = replace(pose.stamp, t_capture_ns=pose.stamp.t_capture_ns + later_ns)
    return replace(pose, stamp=stamp, t_publish_ns=pose.t_publish_ns + later_ns)


def test_h13_a_far_stamp_fills_no_memory(tmp_path, capsys):
    poses = [fake.pose(i, list(people_at(i))) for i in range(FRAMES)]
    path = recording(tmp_path / "far.sp", poses=[*poses[:-1], far(poses[-1], 10**8)])
    assert cli.main(["export", str(path), "--to", "npz", "--rate", "60"]) == 2
    assert "100000003 s, which is 6000000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"parents": (1, 2, 0, *fake.HELLO.parents[3:])}, "lacks a Hello"),
        ({"joints": fake.HELLO.joints[:16], "parents": fake.HELLO.parents[:16]}, "names 16; record anew"),
    ],
)
def test_h13_a_skeleton_that_contradicts_itself_is_one_line(tmp_path, broken, words, capsys):
    path = recording(tmp_path / "s.sp", replace(fake.HELLO, **broken))
    assert cli.main(["export", str(path), "--to", "bvh"]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_h13_a_skeleton_that_is_no_tree_is_refused_wherever_it_comes_from():
    circle = replace(fake.HELLO, parents=(1, 2, 0, *fake.HELLO.parents[3:]))
    with pytest.raises(RecordingError, match="has no skeleton"):
        clips(circle, [fake.pose(0, list(people_at(0)))])
