"""Drawn films: sides tinted, unseen joints hollow, sizes and codecs as said, nothing half-written left behind."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess

import cv2
import numpy as np
import pytest

from realtime.cli import main as cli
from realtime.offline import film as film_command
from realtime.recording.file_format import MAGIC, RecordingError, RecordingWriter
from realtime.render.film_writer import FilmStyle, once, write_film
from realtime.render.layout import FrameLayout
from realtime.render.overlay import draw_people, empty_picture, pixels_per_metre
from realtime.render.room_view import RoomView
from realtime.render.style import LEFT, MIDDLE, RIGHT
from realtime.render.timeline import check_film, on_film, without_film
from realtime.render.video_file import VideoError, open_video
from realtime.wire.messages import ABSENT, HELD, INFERRED, encode, replace
from tests.support.fakes.engine import fake_chain
from tests.support.people import walker as fake

SIZE = (fake.WIDTH, fake.HEIGHT)


def pose_at(hidden=None, seq=20, sigma=1.0):
    one = fake.person(1, fake.in_camera(fake.walker(seq / 30)), hidden)
    return fake.pose(seq, [replace(one, sigma=one.sigma * np.float32(sigma))])


def drawn(pose):
    image = empty_picture(*SIZE)
    draw_people(image, fake.HELLO, pose)
    return image


def at(pose, joint):
    return pose.people[0].xy[fake.HELLO.joints.index(joint)]


def colour(image, point):
    return tuple(int(v) for v in image[round(float(point[1])), round(float(point[0]))])


def near(a, b, off=40):
    return all(abs(x - y) <= off for x, y in zip(a, b))


def test_left_and_right_have_their_tints_where_the_joints_are():
    pose = pose_at()
    image = drawn(pose)
    for joint, tint in (("left_knee", LEFT), ("right_knee", RIGHT), ("spine", MIDDLE), ("left_wrist", LEFT)):
        assert near(colour(image, at(pose, joint)), tint), joint
        a, b = at(pose, joint), pose.people[0].xy[fake.HELLO.parents[fake.HELLO.joints.index(joint)]]
        assert near(colour(image, (a + b) / 2), tint), f"bone of {joint}"


def test_unseen_joints_are_hollow_and_absent_ones_are_not_drawn():
    hidden = {"left_knee": INFERRED, "right_knee": HELD, "left_wrist": ABSENT}
    pose = pose_at(hidden, sigma=0.2)
    image, plain = drawn(pose), drawn(None)
    for joint, tint in (("left_knee", LEFT), ("right_knee", RIGHT)):
        assert not near(colour(image, at(pose, joint)), tint)
        around = image[tuple(slice(round(float(v)) - 9, round(float(v)) + 10) for v in at(pose, joint)[::-1])]
        assert (np.abs(around.astype(int) - tint).max(-1) < 40).sum() > 10
    assert colour(image, at(pose, "left_wrist")) == colour(plain, at(pose, "left_wrist"))


def test_the_halo_is_as_large_as_the_uncertainty():
    def covered(sigma):
        pose, bare = (
            pose_at({"left_wrist": INFERRED}, sigma=sigma),
            drawn(pose_at({"left_wrist": INFERRED}, sigma=1e-3)),
        )
        return (drawn(pose) != bare).any(-1).sum()

    expected = np.pi * (1.96 * 0.07 * pixels_per_metre(pose_at().people[0])) ** 2
    assert covered(1.0) == pytest.approx(expected, rel=0.25) and covered(2.0) == pytest.approx(
        4 * covered(1.0), rel=0.2
    )


def test_a_metre_in_pixels_is_the_camera_s():
    assert pixels_per_metre(pose_at().people[0]) == pytest.approx(fake.FOCAL / fake.DISTANCE, rel=0.1)


def test_a_smaller_picture_gets_a_smaller_skeleton():
    pose, image = pose_at(), empty_picture(SIZE[0] // 2, SIZE[1] // 2)
    draw_people(image, fake.HELLO, pose)
    assert near(colour(image, at(pose, "left_knee") / 2), LEFT)


def where(image, tint):
    found = np.argwhere(np.abs(image.astype(int) - tint).max(-1) < 30)
    assert len(found) > 20
    return found.mean(0)[::-1]


def test_the_room_view_shows_the_person_upright_from_aside():
    view = RoomView(400, 400)
    for seq in range(15, 25):
        image = view.draw(fake.HELLO, pose_at(seq=seq))
    assert 120 < where(image, LEFT)[0] < 280 and where(image, LEFT)[0] > where(image, RIGHT)[0]
    tilt = np.radians(25)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    one = pose_at(seq=24)
    person = one.people[0]
    person = replace(
        person, xyz=(person.xyz @ turn.T).astype(np.float32), root_cam=(turn @ person.root_cam).astype(np.float32)
    )
    tilted = replace(one, people=(person,), up=tuple(turn @ [0, -1, 0]))
    again = RoomView(400, 400)
    assert (
        np.abs(
            where(again.draw(fake.HELLO, tilted), LEFT) - where(RoomView(400, 400).draw(fake.HELLO, one), LEFT)
        ).max()
        < 3
    )


def test_side_by_side_is_wider_and_every_size_is_even():
    alone, both = FrameLayout(fake.HELLO, (641, 479)), FrameLayout(fake.HELLO, (641, 479), side_by_side=True)
    assert all(length % 2 == 0 for length in (*alone.size, *both.size)) and both.size[0] > 1.5 * alone.size[0]
    assert both.draw(None, pose_at(), 0.0).shape == (both.size[1], both.size[0], 3)
    assert FrameLayout(fake.HELLO, (3840, 2160)).size == (1920, 1080)


def test_poses_go_with_the_pictures_of_their_number():
    poses = [p for p in fake.walk(10) if p.stamp.seq != 4]
    shown = list(on_film([(i, i / 30, empty_picture(8, 8)) for i in range(12)], poses))
    assert [pose and pose.stamp.seq for _, pose, _ in shown] == [0, 1, 2, 3, None, 5, 6, 7, 8, 9, None, None]


def test_without_a_film_time_goes_on_where_poses_are_missing():
    poses = fake.walk(60)
    shown = list(without_film(poses[:20] + poses[40:], 30.0))
    assert len(shown) == 60 and shown[19][1].stamp.seq == 19 and shown[45][1].stamp.seq == 45
    assert shown[35][1] is None and shown[22][1].stamp.seq == 19


def test_another_film_is_refused():
    with pytest.raises(RecordingError, match="pictures of 320x240, the recording is of 640x480: another film"):
        check_film(fake.walk(3), (320, 240), "other.mp4")


def frames_of(path):
    capture, found = cv2.VideoCapture(str(path)), []
    while (got := capture.read())[0]:
        found.append(got[1])
    fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return found, fps


def moments(count):
    return ((None, pose_at(seq=i), i / 30) for i in range(count))


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
def test_with_ffmpeg_the_film_is_h264(tmp_path):
    told = []
    written = write_film(tmp_path / "a.mp4", FilmStyle(fake.HELLO, SIZE, 30.0, True), once(moments(12)), told.append)
    assert written.frames == 12 == told[-1] and written.plays_everywhere and "H.264" in written.codec
    probe = [
        "ffprobe",
        "-v",
        "error",
        "-show_entries",
        "stream=codec_name,pix_fmt",
        "-of",
        "csv=p=0",
        tmp_path / "a.mp4",
    ]
    assert subprocess.run(probe, capture_output=True, text=True, check=True).stdout.strip() == "h264,yuv420p"
    frames, fps = frames_of(tmp_path / "a.mp4")
    assert len(frames) == 12 and fps == pytest.approx(30) and where_blue(frames[5])
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def where_blue(image):
    return (np.abs(image.astype(int) - LEFT).max(-1) < 60).sum() > 50


def test_without_ffmpeg_opencv_writes_it_and_says_how(tmp_path):
    video = open_video(tmp_path / "b.mp4", SIZE, 25.0, ffmpeg="")
    for _, pose, _ in moments(8):
        video.write(drawn(pose))
    video.close()
    frames, fps = frames_of(tmp_path / "b.mp4")
    assert len(frames) == 8 and fps == pytest.approx(25) and where_blue(frames[3])
    assert video.plays_everywhere == ("H.264" in video.codec)


def fake_ffmpeg(path, words):
    """Has an encoder, reads what comes, says why it cannot write it."""
    asked = "if [ \"$2\" = -encoders ]; then echo ' V....D libx264'; exit 0; fi"
    path.write_text(f"#!/bin/sh\n{asked}\nhead -c 1000 >/dev/null\n{words}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    program = fake_ffmpeg(tmp_path / "ffmpeg", "echo 'a.mp4: No space left on device' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert shutil.which("ffmpeg") == program
    with pytest.raises(VideoError, match="No space left on device"):
        write_film(tmp_path / "a.mp4", FilmStyle(fake.HELLO, SIZE, 30.0), once(moments(60)), lambda n: None)
    assert [p.name for p in tmp_path.iterdir()] == ["ffmpeg"]


def test_what_ends_halfway_leaves_no_film(tmp_path):
    def ends():
        yield from moments(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_film(tmp_path / "a.mp4", FilmStyle(fake.HELLO, SIZE, 30.0), once(ends()), lambda n: None)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def recording(tmp_path):
    with RecordingWriter(tmp_path / "walk.sp") as writer:
        writer.write(encode("hello", "cam0", fake.HELLO))
        for pose in fake.walk(20):
            writer.write(encode("pose3d", "cam0", pose))
    return tmp_path / "walk.sp"


def film(path, frames=20, size=SIZE):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, size)
    for number in range(frames):
        writer.write(np.full((size[1], size[0], 3), 40 + number, np.uint8))
    writer.release()
    return path


def run(*words):
    return cli.main([str(word) for word in words])


def test_a_recording_is_rendered_without_its_film(recording, capsys):
    assert run("render", recording, "-o", recording.parent / "o.mp4", "--side-by-side") == 0
    assert "o.mp4: 20 frames, " in capsys.readouterr().out
    frames, fps = frames_of(recording.parent / "o.mp4")
    assert len(frames) == 20 and fps == pytest.approx(30, abs=0.01) and frames[0].shape[1] > SIZE[0]


def test_a_recording_is_rendered_on_its_film(recording):
    clip = film(recording.parent / "walk.avi")
    assert run("render", recording, "--film", clip, "-o", recording.parent / "o.mp4") == 0
    frames, fps = frames_of(recording.parent / "o.mp4")
    assert len(frames) == 20 and fps == pytest.approx(25) and where_blue(frames[10])
    assert frames[10][300, 20].mean() == pytest.approx(50, abs=8)  # the film's own ground


@pytest.mark.parametrize(
    ("out", "flags", "words"),
    [
        ("o.avi", (), "the film is an MP4 file; name it"),
        ("no/o.mp4", (), "does not exist; make it with `mkdir -p"),
        ("o.mp4", ("--film", "walk.sp"), "is a recording too"),
        ("o.mp4", ("--film", "small.avi"), "another film"),
    ],
)
def test_what_cannot_be_is_said_at_once(recording, out, flags, words, capsys):
    film(recording.parent / "small.avi", 3, (64, 48))
    flags = [recording.parent / word if "." in word else word for word in flags]
    assert run("render", recording, "-o", recording.parent / out, *flags) == 2
    assert words in capsys.readouterr().err


def test_nothing_is_written_over_unless_asked(recording, capsys):
    out = recording.parent / "o.mp4"
    out.write_bytes(b"mine")
    assert run("render", recording, "-o", out) == 2 and out.read_bytes() == b"mine"
    assert "--force to replace it" in capsys.readouterr().err
    assert run("render", recording, "-o", out, "--force") == 0 and len(frames_of(out)[0]) == 20


@pytest.fixture
def quick_chain(monkeypatch):
    monkeypatch.setattr(film_command, "open_chain", fake_chain)
    monkeypatch.setattr(film_command, "bundle_of", lambda model: None)


@pytest.mark.usefixtures("quick_chain")
def test_a_film_is_looked_at_and_rendered_in_one_go(tmp_path):
    assert run("render", film(tmp_path / "c.avi"), "-o", tmp_path / "o.mp4") == 0
    assert len(frames_of(tmp_path / "o.mp4")[0]) == 20
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.avi", "o.mp4"]


@pytest.mark.usefixtures("quick_chain")
def test_a_film_is_exported_by_way_of_its_recording(tmp_path, capsys):
    clip = film(tmp_path / "c.avi")
    assert run("export", clip, "--to", "bvh") == 0
    assert "20 frames of c.avi recorded to" in capsys.readouterr().err
    assert (tmp_path / "c.sp").read_bytes().startswith(MAGIC) and (tmp_path / "c.bvh").exists()
    made = (tmp_path / "c.sp").stat().st_mtime_ns
    assert run("export", clip, "--to", "csv") == 0 and (tmp_path / "c.sp").stat().st_mtime_ns == made
    assert run("export", clip, "--to", "csv", "--force") == 0 and (tmp_path / "c.sp").stat().st_mtime_ns == made
    assert run("export", clip, "--to", "npz", "--fov", 70) == 2
    assert "may be of other settings than --fov" in capsys.readouterr().err
    assert run("export", clip, "--to", "npz", "--fov", 70, "--force") == 0
    assert (tmp_path / "c.sp").stat().st_mtime_ns > made


@pytest.mark.usefixtures("quick_chain")
def test_a_film_that_was_recorded_is_not_looked_at_again(tmp_path, monkeypatch):
    clip = film(tmp_path / "c.avi")
    assert run("export", clip, "--to", "csv") == 0
    monkeypatch.setattr(film_command, "open_chain", lambda config: pytest.fail("looked at again"))
    assert run("render", clip, "-o", tmp_path / "o.mp4") == 0 and len(frames_of(tmp_path / "o.mp4")[0]) == 20


@pytest.mark.usefixtures("quick_chain")
def test_a_film_newer_than_its_recording_is_not_mistaken_for_it(tmp_path, capsys):
    clip = film(tmp_path / "c.avi")
    assert run("export", clip, "--to", "csv") == 0
    os.utime(clip, (2e9, 2e9))
    assert run("export", clip, "--to", "npz") == 2 and "is older than c.avi" in capsys.readouterr().err


@pytest.mark.usefixtures("quick_chain")
@pytest.mark.parametrize("command", ["export", "render"])
def test_what_is_neither_film_nor_recording_is_one_line(tmp_path, command, capsys):
    (tmp_path / "c.mp4").write_bytes(b"not a film at all" * 100)
    flags = ("--to", "csv") if command == "export" else ("-o", tmp_path / "o.mp4")
    assert run(command, tmp_path / "c.mp4", *flags) == 2
    said = capsys.readouterr().err
    assert "not a video that OpenCV can read" in said and said.count("\n") == 1
    assert run(command, tmp_path / "none.mp4", *flags) == 2 and "cannot be read" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["c.mp4"]
