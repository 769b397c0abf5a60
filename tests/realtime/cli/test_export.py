"""`realtime export` and `realtime info` on recordings made of real wire bytes."""

import numpy as np
import pytest

from realtime.cli import main as cli
from realtime.recording.file_format import RecordingWriter
from realtime.recording.reader import Recorded, hello_and_poses, summarize
from realtime.wire.messages import ABSENT, HELD, INFERRED, encode
from tests.support.people import walker as fake


@pytest.fixture
def recording(tmp_path):
    return record(tmp_path / "walk.poses", two_people(60))


def two_people(count):
    people = [[(1, 0.0, 0.0), (2, 1.0, 0.5)] for _ in range(count)]
    return [
        fake.pose(i, [fake.person(k, fake.in_camera(fake.walker(i / 30, phase), x)) for k, x, phase in people[i]])
        for i in range(count)
    ]


def record(path, poses, hello=fake.HELLO):
    with RecordingWriter(path) as writer:
        if hello:
            writer.write(encode("hello", "cam0", hello))
        for pose in poses:
            keypoints = fake.keypoints(pose.stamp.seq, pose.people, pose.stamp)
            writer.write(encode("keypoints2d", "cam0", keypoints))
            writer.write(encode("pose3d", "cam0", pose))
    return path


def run(*words):
    return cli.main([str(word) for word in words])


@pytest.mark.parametrize("to", ["bvh", "trc", "c3d"])
def test_each_person_gets_a_file(recording, to, capsys):
    assert run("export", recording, "--to", to) == 0
    names = sorted(p.name for p in recording.parent.glob(f"*.{to}"))
    assert names == [f"walk.p1.{to}", f"walk.p2.{to}"]
    assert all((recording.parent / name).stat().st_size > 1000 for name in names)
    assert set(names) <= {line.rsplit("/")[-1] for line in capsys.readouterr().out.split("\n")}


@pytest.mark.parametrize("to", ["csv", "json", "npz"])
def test_tables_hold_everybody(recording, to, capsys):
    assert run("export", recording, "--to", to, "--out", recording.parent / f"all.{to}") == 0
    assert (recording.parent / f"all.{to}").stat().st_size > 5000


def test_one_person_at_another_rate(recording):
    out = recording.parent / "two.npz"
    assert run("export", recording, "--to", "npz", "--person", 2, "--rate", 60, "--out", out) == 0
    with np.load(out) as back:
        assert back["people"].tolist() == [2] and np.allclose(np.diff(back["time_s_2"]), 1 / 60)


def test_smoothing_tells_its_price(tmp_path, capsys):
    noisy = record(tmp_path / "n.poses", fake.walk(120, noise=0.01))
    assert run("export", noisy, "--to", "csv", "--smooth") == 0
    note = capsys.readouterr().err
    before, after = (float(word) for word in note.split("jitter ")[1].split(" m/s2")[0].split(" -> "))
    assert "ms of delay" in note and after < 0.6 * before


def test_nothing_is_written_over_unless_asked(recording, capsys):
    assert run("export", recording, "--to", "csv") == 0
    assert run("export", recording, "--to", "csv") == 2
    assert "walk.csv exists; choose another name with --out, or --force" in capsys.readouterr().err
    assert run("export", recording, "--to", "csv", "--force") == 0


def test_what_was_left_empty_is_told(tmp_path, capsys):
    path = record(tmp_path / "h.poses", fake.walk(40, hidden=lambda i: {"head": ABSENT} if i < 20 else {}))
    assert run("export", path, "--to", "trc") == 0
    assert "2.9 % of the joints were held or absent and are left empty" in capsys.readouterr().err
    assert (tmp_path / "h.trc.states.csv").read_text().count("ABSENT") == 20


@pytest.mark.parametrize(
    ("keep", "words"),
    [("observed", "inferred, held or absent"), ("inferred", "held or absent"), ("held", "absent")],
)
def test_what_is_left_empty_is_called_by_its_states(tmp_path, keep, words, capsys):
    states = {"head": ABSENT, "left_wrist": HELD, "right_wrist": INFERRED}
    path = record(tmp_path / "h.poses", fake.walk(40, hidden=lambda i: states))
    assert run("export", path, "--to", "trc", "--keep", keep) == 0
    assert f"of the joints were {words} and are left empty" in capsys.readouterr().err


def test_who_flashed_up_gets_no_file_unless_asked(tmp_path, capsys):
    poses = [fake.pose(i, [fake.person(k, fake.in_camera(fake.walker(i / 30))) for k in ((1, 7) if i < 4 else (1,))])
             for i in range(40)]  # fmt: skip
    path = record(tmp_path / "f.poses", poses)
    assert run("export", path, "--to", "bvh") == 0
    assert "person 7: in 4 frames only, left out; --min-frames 1 keeps them" in capsys.readouterr().err
    assert run("export", path, "--to", "bvh", "--min-frames", 1) == 0
    assert {p.name for p in tmp_path.glob("*.bvh")} == {"f.bvh", "f.p1.bvh", "f.p7.bvh"}
    assert run("export", path, "--to", "csv", "--person", 7) == 0
    assert run("export", path, "--to", "npz", "--min-frames", 41) == 2
    assert "nobody was seen in 41 frames, at most in 40" in capsys.readouterr().err


def test_what_nobody_shows_is_refused_and_one_of_several_is_left_out(tmp_path, capsys):
    held = dict.fromkeys(fake.HELLO.joints, HELD)
    people = [[fake.person(1, fake.in_camera(fake.walker(i / 30)), held)] for i in range(12)]
    assert (
        run("export", record(tmp_path / "a.poses", [fake.pose(i, p) for i, p in enumerate(people)]), "--to", "bvh") == 2
    )
    assert "nobody has a joint that is at least inferred; try --keep held" in capsys.readouterr().err
    both = [fake.pose(i, [*p, fake.person(2, fake.in_camera(fake.walker(i / 30)))]) for i, p in enumerate(people)]
    assert run("export", record(tmp_path / "b.poses", both), "--to", "bvh") == 0 and (tmp_path / "b.bvh").exists()
    assert "person 1: no joint is at least inferred, left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--to", "csv", "--person", 9), "nobody with id 9 in this recording; there are: 1, 2"),
        (("--to", "csv", "--rate", 0), "--rate is 1 to 1000 Hz, found 0"),
        (("--to", "trc", "--unit", "cm"), "trc is in metres"),
    ],
)
def test_errors_say_what_and_why(recording, flags, words, capsys):
    assert run("export", recording, *flags) == 2
    assert words in capsys.readouterr().err


def test_a_recording_without_names_or_people_is_refused(tmp_path, capsys):
    nameless = record(tmp_path / "a.poses", fake.walk(3), hello=None)
    assert run("export", nameless, "--to", "csv") == 2 and "lacks a Hello" in capsys.readouterr().err
    nobody = record(tmp_path / "b.poses", [fake.pose(0, [])])
    assert run("export", nobody, "--to", "csv") == 2 and "holds nobody" in capsys.readouterr().err


def test_messages_come_back_equal(recording):
    hello, poses = hello_and_poses(Recorded(recording))
    assert hello == fake.HELLO and len(poses) == 60 and poses[7].stamp == fake.stamp(7)
    assert np.array_equal(poses[7].people[1].xyz, two_people(8)[7].people[1].xyz)


def test_info_counts_everything(tmp_path, capsys):
    poses = two_people(30)
    path = record(tmp_path / "a.poses", poses[:10] + poses[13:])
    with RecordingWriter(path) as writer:
        writer.write_lost(5)
    with path.open("ab") as file:
        file.write(b"\xf5\x9drc half a record")
    summary = summarize(path)
    assert summary.never_answered == 3 and summary.losses.at_writing == 5 and summary.damage.torn_tail
    assert run("info", path) == 0
    told = capsys.readouterr().out
    for words in ("27 poses (", "1 (27 poses), 2 (27 poses)", "3 captured frames without", "5 while recording"):
        assert words in told
    assert "the writer was killed" in told and "walker" in told


def test_a_record_of_another_version_is_counted_and_passed_over(tmp_path):
    with RecordingWriter(tmp_path / "a.poses") as writer:
        writer.write(b"pose3d/cam0\0\x81\xa1v\x63")
        writer.write(encode("pose3d", "cam0", fake.walk(1)[0]))
    recorded = Recorded(tmp_path / "a.poses")
    assert len(list(recorded)) == 1 and recorded.losses.malformed == 1
