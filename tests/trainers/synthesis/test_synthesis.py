"""Synthesis: shards keep what they are given, killed runs go on, truth agrees with scenes and pasted boards."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from engines.skeleton import BLAZEPOSE_33, H36M_17
from realtime.demo.anatomy import J
from realtime.demo.motion import draw_motion
from realtime.demo.skeleton import Bones
from realtime.detect.mediapipe_detector import Detection
from trainers import cli
from trainers.data.motion import MotionSegment, save, write_index
from trainers.data.shards.clip_shards import BOARD, OUTSIDE, DetectorClip, read_clips, read_shard, write_shard
from trainers.data.shards.detector_model import SETTINGS
from trainers.errors import UserError
from trainers.skeleton.retarget import mirrored, resampled, reshape
from trainers.synthesis import paste_occluders, render_clips, shard_pool, worker_inputs
from trainers.synthesis.occluder_schedule import draw_spans
from trainers.synthesis.run_detector import observe
from trainers.synthesis.scenes import draw_scene
from trainers.synthesis.video_segments import Stretch, follows


class FixedDetector:
    """Answers where the picture's brightness has its middle; nobody in pictures listed in `blind`."""

    joints, name = BLAZEPOSE_33, "fixed"

    def __init__(self, blind: tuple[int, ...] = ()) -> None:
        self.blind, self.calls, self.resets = blind, 0, 0

    def detect(self, image, t_ms):
        self.calls += 1
        if self.calls - 1 in self.blind:
            return []
        height, width = image.shape[:2]
        spread = np.linspace(0.2, 0.8, 33, dtype=np.float32)
        level = float(image.mean()) / 255
        xy = np.stack([spread * width, (0.3 + 0.4 * level) * height + spread], 1).astype(np.float32)
        return [
            Detection(xy, np.full(33, 0.8, np.float32), np.full(33, 0.9, np.float32), np.zeros((33, 3), np.float32))
        ]

    def reset(self):
        self.calls, self.resets = 0, self.resets + 1

    def close(self): ...


def walking(seed: int = 0, seconds: float = 5.0) -> np.ndarray:
    motion = draw_motion(seed, "walk")
    return np.stack([motion.at(k / 60, Bones()) for k in range(int(seconds * 60))]).astype(np.float32)


@pytest.fixture
def motion_folder(tmp_path):
    folder = tmp_path / "motion"
    folder.mkdir()
    for subject, seed in (("01", 1), ("05", 2)):
        save(folder, subject, [MotionSegment(walking(seed), 60.0, f"{subject}_01", subject)])
    write_index(folder, [{"clip": "01_01", "subject": "01", "desc": "walk"}])
    return folder


@pytest.fixture
def fast(monkeypatch):
    """No MediaPipe, short clips, small shards, a detector that sees the pixels."""
    monkeypatch.setattr(worker_inputs, "open_observer", lambda model: FixedDetector())
    monkeypatch.setattr(render_clips, "SHARD_FRAMES", 12)
    worker_inputs.open_inputs.cache_clear()
    yield
    worker_inputs.open_inputs.cache_clear()


def arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def same(a, b) -> bool:
    return set(a) == set(b) and all(np.array_equal(a[n], b[n], equal_nan=a[n].dtype.kind == "f") for n in a)


def render(folder, out, frames=24, **kw):
    return render_clips.synthesize_rendered(folder, out, frames, report=io.StringIO(), clip=(5, 9), **kw)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_files(motion_folder, tmp_path, fast, monkeypatch):
    whole = render(motion_folder, tmp_path / "whole")

    def dies(settings, number, out):
        if number == 1:
            (out / "shard_00001.partial").write_bytes(b"half")
            raise KeyboardInterrupt
        return render_clips.render_shard(settings, number, out)

    settings = render_clips.RenderedSettings(str(motion_folder), 0, clip=(5, 9))
    monkeypatch.setattr(render_clips, "SHARD_FRAMES", 12)
    with pytest.raises(KeyboardInterrupt):
        shard_pool.run(settings, dies, tmp_path / "killed", 2, 1, False, io.StringIO())
    resumed = render(motion_folder, tmp_path / "killed", resume=True)
    assert [p.name for p in resumed] == ["shard_00000.npz", "shard_00001.npz"]
    assert all(same(arrays(a), arrays(b)) for a, b in zip(whole, resumed))
    assert not list((tmp_path / "killed").glob("*.partial"))


def test_other_settings_and_unasked_overwriting_are_refused(motion_folder, tmp_path, fast):
    out = tmp_path / "out"
    render(motion_folder, out, frames=12)
    with pytest.raises(UserError, match="seed 0 there, 7 asked"):
        render(motion_folder, out, frames=12, seed=7, resume=True)
    with pytest.raises(UserError, match="--resume"):
        render(motion_folder, out, frames=12)


def test_folders_from_before_lite_and_heavy_are_fulls_and_go_on(motion_folder, tmp_path, fast):
    """Their notes say `auto`, which meant full."""
    render(motion_folder, tmp_path, frames=12)
    note = tmp_path / SETTINGS
    note.write_text(note.read_text().replace('"full"', '"auto"'))
    render(motion_folder, tmp_path, frames=12, resume=True)
    with pytest.raises(UserError, match="model 'full' there, 'lite' asked"):
        render(motion_folder, tmp_path, frames=12, model="lite", resume=True)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("auto", "--model auto: data are of one model, whatever the machine; expected lite, full, heavy"),
        ("huge", "--model: detector.model: huge is no model's name and no file; expected lite, full, heavy"),
    ],
)
def test_bad_input_a_model_of_no_kind_is_refused_before_anything_is_made(motion_folder, tmp_path, capsys, model, said):
    out = tmp_path / "out"
    words = ["synthesize", "rendered", "--motion", str(motion_folder), "--out", str(out), "--model", model]
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and not out.exists()


def test_settings_of_a_time_before_a_setting_existed_go_on(motion_folder, tmp_path, fast):
    render(motion_folder, tmp_path / "out", frames=12)
    note = tmp_path / "out" / SETTINGS
    older = {k: v for k, v in json.loads(note.read_text()).items() if k != "mix"}
    note.write_text(json.dumps(older))
    render(motion_folder, tmp_path / "out", frames=12, resume=True)
    with pytest.raises(UserError, match=r"mix 0.0 there, 0.5 asked"):
        render(motion_folder, tmp_path / "out", frames=12, resume=True, mix=0.5)


@pytest.mark.parametrize(("asked", "told"), [(["--mix", "1.5"], "--mix 1.5"), (["--clip", "9", "9"], "--clip 9 9")])
def test_shares_and_lengths_out_of_range_are_named(motion_folder, tmp_path, capsys, asked, told):
    folders = ["--motion", str(motion_folder), "--out", str(tmp_path / "out")]
    assert cli.main(["synthesize", "rendered", *folders, *asked]) == 2 and told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_validation_uses_its_own_subjects_and_looks(motion_folder, tmp_path, fast):
    for part, subject, pool in (("train", "01", "train"), ("validation", "05", "heldout")):
        render(motion_folder, tmp_path / part, frames=12, part=part)
        clips = list(read_clips(tmp_path / part))
        assert {c.subject for c in clips} == {subject} and {c.pool for c in clips} == {pool}


def test_rendered_truth_is_consistent_with_its_camera(motion_folder, tmp_path, fast):
    render(motion_folder, tmp_path / "out")
    for clip in read_clips(tmp_path / "out"):
        assert clip.kind == "rendered" and clip.xyz.shape == (len(clip), 17, 3) and clip.hidden.shape == (len(clip), 50)
        points = clip.root[:, None] + clip.xyz33
        if points[..., 2].min() < 0.5:
            continue
        steady = clip.root[:, None] + clip.xyz33
        xy = steady[..., :2] / steady[..., 2:] * clip.focal + (clip.cx, clip.cy)
        outside = (xy < 0).any(-1) | (xy[..., 0] >= clip.width) | (xy[..., 1] >= clip.height)
        assert (outside == ((clip.hidden[:, 17:] & OUTSIDE) > 0)).mean() > 0.9


def test_unknown_folder_names_the_command(tmp_path, capsys):
    code = cli.main(["synthesize", "rendered", "--motion", str(tmp_path / "none"), "--out", str(tmp_path / "o")])
    assert code == 2 and "trainers prepare" in capsys.readouterr().err
    code = cli.main(["synthesize", "boards", str(tmp_path / "none.mp4"), "--out", str(tmp_path / "o")])
    assert code == 2 and "none.mp4" in capsys.readouterr().err


def a_clip(frames: int = 4) -> DetectorClip:
    rng = np.random.default_rng(0)
    wide = rng.uniform(-100, 900, (frames, 33, 2))
    odds = rng.uniform(0.01, 0.99, (frames, 33))
    return DetectorClip(
        name="c", subject="s", kind="rendered", pool="train", fps=30.0, width=640, height=480, focal=500.0, cx=320.0,
        cy=240.0, t=np.arange(frames) / 30, detected=np.array([True, False] * (frames // 2)), xy=wide, score=odds,
        presence=odds, world=rng.normal(0, 0.5, (frames, 33, 3)), moved=wide + 1, look=wide / 900,
        back_error=odds, patch_error=odds, flow_known=odds > 0.5, truth_xy=wide - 2, root=rng.normal(0, 3, (frames, 3)),
        xyz=rng.normal(0, 0.5, (frames, 17, 3)), xyz33=rng.normal(0, 0.5, (frames, 33, 3)),
        hidden=rng.integers(0, 16, (frames, 50)), trusted=odds > 0.2,
    )  # fmt: skip


def test_a_shard_gives_back_what_it_was_given(tmp_path):
    clip = a_clip()
    first, second = read_shard(write_shard(tmp_path, 0, [clip, replace(clip, name="d")]))
    assert (first.name, second.name, first.width, first.fps) == ("c", "d", 640, 30.0)
    for name, precision in {
        "xy": 0.0626, "truth_xy": 0.0626, "moved": 0.0626, "score": 0.002, "presence": 0.002, "world": 0.002,
        "xyz": 6e-5, "xyz33": 6e-5, "root": 1e-6, "back_error": 1e-3, "hidden": 0, "trusted": 0, "detected": 0,
        "flow_known": 0, "t": 1e-6, "look": 1e-3,
    }.items():  # fmt: skip
        error = np.abs(getattr(first, name).astype(float) - getattr(clip, name).astype(float))
        assert error.max() <= precision, name


def test_an_empty_shard_is_a_shard(tmp_path):
    assert read_shard(write_shard(tmp_path, 3, [])) == []


def test_a_damaged_shard_is_named(tmp_path):
    path = write_shard(tmp_path, 0, [a_clip()])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="shard_00000"):
        read_shard(path)
    with pytest.raises(UserError, match="no shard"):
        list(read_clips(tmp_path / "empty"))


def noise_pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    base = cv2.GaussianBlur(rng.integers(0, 255, (120, 160, 3), dtype=np.uint8), (0, 0), 2)
    return [base] * count


def test_flow_starts_anew_after_a_frame_without_a_person():
    detector = FixedDetector(blind=(2,))
    table = observe(noise_pictures(6), np.arange(6) / 30, detector)
    assert table["detected"].tolist() == [True, True, False, True, True, True]
    assert not table["flow_known"][[0, 2, 3]].any() and table["flow_known"][[1, 4, 5]].all()
    assert np.abs(table["moved"][1] - table["xy"][1]).max() < 0.1  # nothing moved
    assert np.array_equal(table["look"][0], table["look"][1], equal_nan=True) and not table["look"][2].any()
    assert detector.resets == 1


def test_another_body_keeps_its_bones_and_stands_on_the_floor():
    old = walking(3, 2.0).astype(float)
    new = reshape(old, np.random.default_rng(4))
    lengths = np.linalg.norm(new - new[:, [max(p, 0) for p in H36M_17.parents]], axis=-1)
    limbs = [J[f"{side}_{part}"] for side in ("left", "right") for part in ("knee", "ankle", "elbow", "wrist")]
    assert np.ptp(lengths[:, limbs], axis=0).max() < 1e-6
    assert np.allclose(lengths[:, J["left_knee"]], lengths[:, J["right_knee"]])
    low_old, low_new = (np.percentile(x[:, [3, 6], 1].min(1), 5) for x in (old, new))
    assert low_new == pytest.approx(low_old)
    assert np.allclose(mirrored(mirrored(old)), old)
    assert np.allclose(resampled(old, 60, np.array([0.5])), old[30:31])


def test_a_scene_is_the_same_picture_every_time_and_hides_what_its_boards_cover():
    a, b = (draw_scene(walking(5), 60.0, [1, 2, 9], "train", 30) for _ in range(2))
    assert np.array_equal(a.image(7), b.image(7)) and len(a) == len(b)
    covered = [scene_hides(draw_scene(walking(5), 60.0, [1, 2, k], "train", 60)) for k in range(8)]
    assert any(covered)


def scene_hides(scene) -> bool:
    inside = [k for event in scene.events for k in range(event.first, event.last)]
    flags = np.array([scene.truth(k)[1].board.any() for k in range(len(scene))])
    assert not flags[[k for k in range(len(scene)) if k not in inside]].any()
    return bool(flags.any())


def test_boards_last_as_long_as_they_should():
    rng = np.random.default_rng(0)
    spans = [span for _ in range(50) for span in draw_spans(300, 30.0, rng)]
    seconds = np.array([last - first for first, last in spans]) / 30
    assert seconds.min() > 0.03 and seconds.max() < 2.1 and 0.4 < np.median(seconds) < 0.9
    one = draw_spans(300, 30.0, rng)
    assert all(a[1] < b[0] for a, b in pairwise(one))


def reference(frames: int, jump_at: int | None = None, unsure: int | None = None):
    grid = np.stack([np.linspace(40, 120, 33), np.linspace(20, 100, 33)], 1).astype(np.float32)
    xy = np.repeat(grid[None], frames, 0)
    score = np.full((frames, 33), 0.9, np.float32)
    if jump_at is not None:
        xy[jump_at, 5] += 30
    if unsure is not None:
        score[:, unsure] = 0.3
    return {
        "xy": xy,
        "score": score,
        "presence": np.full((frames, 33), 0.9, np.float32),
        "detected": np.ones(frames, bool),
    }


def test_only_sure_and_steady_points_of_the_reference_are_trusted():
    good = paste_occluders.trusted(reference(9, jump_at=4, unsure=7), np.array([True] * 8 + [False]))
    assert not good[3:6, 5].any() and not good[:, 7].any() and not good[8].any()
    assert good[:8, 8].all() and good[:3, 5].all()


def test_pasted_boards_cover_exactly_the_points_they_claim():
    table, images = reference(60), noise_pictures(60)
    rng = np.random.default_rng(3)
    boards = paste_occluders.draw_boards(table["xy"], 30.0, images, rng)
    assert boards
    for k in range(60):
        now = [
            replace(b, picture=np.full((160, 160, 3), (255, 0, 255), np.uint8)) for b in boards if b.first <= k < b.last
        ]
        shown = paste_occluders.draw(images[k], now, k, table["xy"])
        claimed = np.any([b.covers(k, table["xy"]) for b in now], axis=0) if now else np.zeros(33, bool)
        for (x, y), flag in zip(table["xy"][k].astype(int), claimed):
            if flag and 1 < x < 158 and 1 < y < 118:
                assert (
                    np.abs(
                        shown[y - 1 : y + 2, x - 1 : x + 2].astype(int) - images[k][y - 1 : y + 2, x - 1 : x + 2]
                    ).max()
                    > 10
                )
        untouched = (shown == images[k]).all(-1)
        assert not claimed.any() or untouched.mean() < 1
        if not now:
            assert untouched.all()


def test_a_pasted_clip_carries_the_reference_as_truth():
    images, table = noise_pictures(40), reference(40)
    table["world"] = np.ones((40, 33, 3), np.float32)
    stretch = Stretch("v.mp4", 0, 40, 30.0, (0, 0, 160, 120), 1.0, ((80.0, 60.0),) * 40)
    clip = paste_occluders.paste(
        stretch, images, np.arange(40) / 30, table, np.ones((40, 33), bool), FixedDetector(), np.random.default_rng(1)
    )
    assert np.array_equal(clip.truth_xy, table["xy"]) and np.isnan(clip.root).all() and clip.subject == "v"
    assert (clip.hidden & BOARD).any() and not (clip.hidden & BOARD).all()
    assert follows(stretch, table["xy"], table["detected"]).all()
    assert not follows(replace(stretch, path=((10.0, 10.0),) * 40), table["xy"], table["detected"]).any()


def test_a_cut_pass_shows_the_upper_body_and_tells_what_lies_below():
    images, table = noise_pictures(40), reference(40)
    table["world"] = np.ones((40, 33, 3), np.float32)
    stretch = Stretch("v.mp4", 0, 40, 30.0, (0, 0, 160, 120), 1.0, ((80.0, 60.0),) * 40)
    given = stretch, images, np.arange(40) / 30, table, np.ones((40, 33), bool), FixedDetector()
    whole, cut = (paste_occluders.paste(*given, np.random.default_rng(3), share) for share in (0.0, 1.0))
    below = table["xy"][0, :, 1] >= cut.height
    assert (whole.height, whole.width, cut.width) == (120, 160, 160) and cut.height < 120
    assert not below[11] and below[32] and not (whole.hidden[:, 17:] & OUTSIDE).any()
    assert np.array_equal((cut.hidden[:, 17:] & OUTSIDE) > 0, np.tile(below, (40, 1)))
    assert np.array_equal(cut.hidden & BOARD, whole.hidden & BOARD)  # the same boards


def test_every_nth_picture_is_shown_and_trusted_by_all_of_them(tmp_path, monkeypatch):
    images, table = noise_pictures(40), reference(40, jump_at=21)
    table["world"] = np.ones((40, 33, 3), np.float32)
    stretch = Stretch("v.mp4", 0, 40, 30.0, (0, 0, 160, 120), 1.0, ((80.0, 60.0),) * 40)
    (tmp_path / "stretches.json").write_text(json.dumps([asdict(stretch)]))
    monkeypatch.setattr(paste_occluders, "_opened", lambda model: FixedDetector())
    monkeypatch.setattr(paste_occluders, "pictures", lambda stretch: images)
    whole = paste_occluders.observe
    monkeypatch.setattr(
        paste_occluders, "observe", lambda shown, t, d: table if len(shown) == 40 else whole(shown, t, d)
    )
    settings = paste_occluders.BoardsSettings(("v.mp4",), 2, 1, every=4)
    assert paste_occluders.paste_shard(settings, 0, tmp_path) == 20
    for clip in read_clips(tmp_path):
        assert clip.fps == 7.5 and np.allclose(clip.t, np.arange(10) * 4 / 30)
        assert np.array_equal(clip.truth_xy, table["xy"][::4])
        assert np.array_equal(clip.trusted, paste_occluders.trusted(table, np.ones(40, bool))[::4])


def test_who_lies_or_has_no_trunk_is_not_cut():
    xy, rng = reference(5)["xy"], np.random.default_rng(1)
    assert 48 + 0.9 * 30 <= paste_occluders.lower_edge(xy, 120, rng) <= 49 + 2.2 * 30
    assert paste_occluders.lower_edge(xy[:, :, ::-1] * [1, -1] + [0, 119], 120, rng) == 120
    assert paste_occluders.lower_edge(xy, 70, rng) == 70  # cut already


def test_settings_lie_beside_the_shards(motion_folder, tmp_path, fast):
    render(motion_folder, tmp_path / "out", frames=12)
    note = json.loads((tmp_path / "out" / SETTINGS).read_text())
    assert note["kind"] == "rendered" and note["seed"] == 0 and note["part"] == "train"


@pytest.mark.mediapipe
def test_the_real_detector_finds_the_rendered_person(tmp_path):
    from realtime.demo import CylinderWorld
    from realtime.demo.anatomy import B
    from trainers.synthesis.run_detector import open_observer

    detector = open_observer()
    found, errors = 0, []
    for seed in range(4):
        world = CylinderWorld(seed, motion="stand", boards=False)
        images, truths = zip(*(world.frame(i) for i in range(0, 20, 2)))
        table = observe(images, np.arange(10) / 15, detector)
        found += int(table["detected"].sum())
        names = ("left_shoulder", "right_shoulder", "left_knee", "right_ankle", "left_wrist", "nose")
        there = np.stack([t.xy[0][[J[n] for n in names]] for t in truths])
        errors.append(np.linalg.norm(table["xy"][:, [B[n] for n in names]] - there, axis=-1)[table["detected"]])
    detector.close()
    assert found >= 38
    assert 1.0 < np.concatenate(errors).mean() < 10.0
