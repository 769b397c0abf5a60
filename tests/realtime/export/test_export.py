"""Export: each format read back by a reader that is not ours, hidden joints marked, nothing invented."""

import csv
import json

import numpy as np
import pytest

from engines.skeleton import H36M_17
from realtime.export.clip import Axis, resampled
from realtime.export.job import ExportOptions, prepared
from realtime.export.rigging.rig import animate, bone_lengths, build_rig, forward, shared_out
from realtime.export.tracks import clips
from realtime.export.writers import bvh, c3d, tables, trc
from realtime.wire.messages import ABSENT, HELD, INFERRED, replace
from tests.support import bvh_reader
from tests.support.people import walker as fake

WRIST, KNEE = H36M_17.index("right_wrist"), H36M_17.index("left_knee")


def hidden(seq):
    if 30 <= seq < 40:
        return {"right_wrist": INFERRED, "left_knee": HELD}
    return {"right_wrist": ABSENT} if 40 <= seq < 50 else {}


@pytest.fixture(scope="module")
def clip():
    return clips(fake.HELLO, fake.walk(90, hidden=hidden))[0]


@pytest.fixture(scope="module")
def open_clip():
    return clips(fake.HELLO, fake.walk(90, noise=0.004))[0]


def room_truth(count=90):
    return np.stack([fake.walker(i / 30) for i in range(count)])


def test_a_clip_stands_upright_on_the_floor(clip):
    truth = room_truth()
    truth[..., 1] -= np.percentile(truth[..., 1].min(-1), 2) - 0.08  # the ankles stand so high above their soles
    moved = clip.xyz - clip.xyz[:, :1] - (truth - truth[:, :1])
    assert np.nanmax(np.abs(moved)) < 1e-5
    assert np.nanmax(np.abs(clip.xyz[..., 1] - truth[..., 1])) < 1e-4
    assert clip.absolute and not clip.metric and clip.rate_hz == pytest.approx(30, rel=1e-6)


def test_a_tilted_camera_gives_the_same_upright_clip(clip):
    c, s = np.cos(0.4), np.sin(0.4)
    tilt = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])

    def tilted(pose):
        people = tuple(
            replace(p, xyz=(p.xyz @ tilt.T).astype(np.float32), root_cam=(tilt @ p.root_cam).astype(np.float32))
            for p in pose.people
        )
        return replace(pose, people=people, up=tuple(tilt @ [0, -1, 0]))

    again = clips(fake.HELLO, [tilted(pose) for pose in fake.walk(90, hidden=hidden)])[0]
    assert np.nanmax(np.abs((again.xyz - again.xyz[:, :1]) - (clip.xyz - clip.xyz[:, :1]))) < 1e-4


def test_absent_is_nan_and_people_get_clips_of_their_own():
    poses = [fake.pose(i, [fake.person(1, fake.in_camera(fake.walker(i / 30)))]) for i in range(10)]
    poses += [fake.pose(i, [fake.person(7, fake.in_camera(fake.walker(i / 30)))]) for i in range(12, 20)]
    poses[4] = fake.pose(4, [])
    one, seven = clips(fake.HELLO, poses)
    assert (one.person, len(one), seven.person, len(seven)) == (1, 10, 7, 8)
    assert np.isnan(one.xyz[4]).all() and (one.state[4] == ABSENT).all() and not np.isnan(one.xyz[5]).any()


def test_a_stream_without_positions_is_told_apart():
    poses = [fake.pose(i, [fake.person(1, fake.in_camera(fake.walker(i / 30)), root=False)]) for i in range(5)]
    clip = clips(fake.HELLO, poses)[0]
    assert not clip.absolute and np.allclose(clip.xyz[:, 0, [0, 2]], 0)


def test_kept_leaves_out_what_is_less_than_asked(clip):
    assert (
        np.isnan(clip.known_xyz("observed")[35, WRIST]).all()
        and not np.isnan(clip.known_xyz("inferred")[35, WRIST]).any()
    )
    assert np.isnan(clip.known_xyz("inferred")[35, KNEE]).all() and not np.isnan(clip.known_xyz("held")[35, KNEE]).any()


def test_a_film_whose_container_counts_milliseconds_keeps_its_rate():
    ideal = np.arange(600) / 30
    assert Axis(ideal.round(3), np.arange(600)).rate_hz == pytest.approx(30, abs=0.01)
    gappy = np.delete(ideal.round(3), [100, 101, 102, 300])
    assert Axis(gappy, np.arange(len(gappy))).rate_hz == pytest.approx(30, abs=0.01)
    assert Axis(np.cumsum([0.020, 0.046] * 30), np.arange(60)).rate_hz == pytest.approx(1 / 0.033, rel=0.5)


def test_a_format_of_one_rate_keeps_time_where_frames_were_dropped(tmp_path):
    poses = fake.walk(90)
    kept = poses[:30] + poses[30::3]
    (clip,), notes = prepared(fake.HELLO, kept, ExportOptions("bvh", tmp_path / "a.bvh"))
    assert any("resampled to 30 Hz" in note for note in notes) and len(clip) == 88
    wrist = clip.joints.index("left_wrist")
    whole = clips(fake.HELLO, poses)[0]
    assert np.abs(clip.xyz[:, wrist] - whole.xyz[:88, wrist]).max() < 0.03
    (clip,), notes = prepared(fake.HELLO, kept, ExportOptions("csv", tmp_path / "a.csv"))
    assert len(clip) == len(kept) and not notes


def test_resampling_is_linear_and_never_crosses_a_gap(clip):
    fast = resampled(clip, 60)
    assert np.allclose(fast.xyz[::2][:90], clip.xyz, equal_nan=True, atol=1e-6) and fast.rate_hz == pytest.approx(60)
    middle = (clip.xyz[10] + clip.xyz[11]) / 2
    assert np.allclose(fast.xyz[21], middle, atol=1e-6)
    poses = fake.walk(60)
    gap = resampled(clips(fake.HELLO, poses[:20] + poses[40:])[0], 30)
    assert len(gap) == 60 and np.isnan(gap.xyz[22:38]).all() and not np.isnan(gap.xyz[:19]).any()


def read_bvh(path):
    nodes, seconds, values = bvh_reader.parse(path.read_text())
    places = [bvh_reader.positions(nodes, row) for row in values]
    return nodes, seconds, {name: np.array([p[name] for p in places]) for name in places[0]}


def test_bvh_follows_the_recording_within_a_centimetre(tmp_path, open_clip):
    bvh.write(tmp_path / "a.bvh", open_clip)
    nodes, seconds, places = read_bvh(tmp_path / "a.bvh")
    errors = [np.linalg.norm(places[j] - open_clip.xyz[:, i], axis=-1) for i, j in enumerate(open_clip.joints)]
    assert seconds == pytest.approx(1 / 30) and np.mean(errors) < 0.01 and np.max(errors) < 0.03
    assert {n.name for n in nodes if not n.end} >= set(open_clip.joints)


def test_what_a_bone_is_too_long_both_ends_share(open_clip):
    breathing = (1 + 0.04 * np.sin(np.arange(len(open_clip))))[:, None, None]
    root = open_clip.xyz[:, :1]
    xyz = root + (open_clip.xyz - root) * breathing
    lengths = bone_lengths(xyz, open_clip.parents)
    moved = shared_out(xyz, open_clip.parents, lengths)
    lengths_found = np.linalg.norm(moved - moved[:, list(open_clip.parents)], axis=-1)[:, 1:]
    assert np.abs(lengths_found - lengths[1:]).max() < 2e-3
    rig = build_rig(open_clip.joints, open_clip.parents, xyz)
    plain, shared = (forward(rig, animate(rig, target)) for target in (xyz, moved))
    errors = [np.linalg.norm(places - xyz[:, list(rig.joint)], axis=-1).mean() for places in (plain, shared)]
    assert errors[1] < 0.9 * errors[0]


def test_bvh_bones_are_constant_and_stand_in_the_rotations(tmp_path, open_clip):
    bvh.write(tmp_path / "a.bvh", open_clip)
    nodes, _, places = read_bvh(tmp_path / "a.bvh")
    for node in nodes:
        if node.parent and not node.end:
            lengths = np.linalg.norm(places[node.name] - places[node.parent.name], axis=-1)
            assert np.ptp(lengths) < 2e-5 and lengths[0] == pytest.approx(np.linalg.norm(node.offset), abs=2e-5)
            assert node.channels == ["Zrotation", "Xrotation", "Yrotation"]
    thigh = next(n for n in nodes if n.name == "left_knee")
    assert np.allclose(thigh.offset, [0, -0.44, 0], atol=0.005)


def test_bvh_rest_pose_is_a_t_pose(open_clip):
    rig = build_rig(open_clip.joints, open_clip.parents, open_clip.xyz)
    motion = animate(rig, open_clip.xyz)
    still = forward(rig, replace(motion, root=np.zeros((1, 3)), local=np.tile(np.eye(3), (1, len(rig.names), 1, 1))))
    at = {name: still[0, i] for i, name in enumerate(rig.names)}
    assert at["left_wrist"][0] > 0.6 and at["right_wrist"][0] < -0.6
    assert at["left_wrist"][1] == pytest.approx(at["left_shoulder"][1]) and at["left_ankle"][1] < -0.8


def test_bvh_angles_do_not_jump(tmp_path, open_clip):
    bvh.write(tmp_path / "a.bvh", open_clip)
    _, _, values = bvh_reader.parse((tmp_path / "a.bvh").read_text())
    assert np.abs(np.diff(values[:, 3:], axis=0)).max() < 60


def test_bvh_keeps_the_last_rotation_of_what_was_not_seen(clip):
    xyz = clip.known_xyz("inferred")
    rig = build_rig(clip.joints, clip.parents, xyz)
    motion = animate(rig, xyz)
    elbow = rig.names.index("right_elbow")
    assert np.isfinite(motion.local).all()
    assert np.allclose(motion.local[40:50, elbow], motion.local[39, elbow]) and np.isnan(xyz[40:50, WRIST]).all()


def test_bvh_scales_to_centimetres(tmp_path, open_clip):
    bvh.write(tmp_path / "m.bvh", open_clip)
    bvh.write(tmp_path / "cm.bvh", open_clip, scale=100.0)
    metres, centimetres = read_bvh(tmp_path / "m.bvh")[2], read_bvh(tmp_path / "cm.bvh")[2]
    assert np.allclose(metres["head"] * 100, centimetres["head"], atol=1e-3)


def test_trc_layout_values_times_and_empty_cells(tmp_path, clip):
    trc.write(tmp_path / "a.trc", clip)
    lines = (tmp_path / "a.trc").read_text().split("\n")
    assert lines[0].split("\t")[:3] == ["PathFileType", "4", "(X/Y/Z)"] and lines[5] == ""
    named = dict(zip(lines[1].split("\t"), lines[2].split("\t")))
    assert named["Units"] == "m" and named["NumMarkers"] == "17" and named["NumFrames"] == "90"
    assert [c for c in lines[3].split("\t")[2:] if c] == list(clip.joints)
    assert lines[4].split("\t")[2:5] == ["X1", "Y1", "Z1"]
    rows = [line.split("\t") for line in lines[6:] if line]
    assert len(rows) == 90 and all(len(row) == 2 + 17 * 3 for row in rows)
    values = np.array([[float(c) if c else np.nan for c in row] for row in rows])
    assert np.allclose(values[:, 0], np.arange(1, 91)) and np.allclose(values[:, 1], clip.times_s, atol=1e-6)
    assert np.allclose(values[:, 2:].reshape(90, 17, 3), clip.known_xyz("inferred"), atol=1e-6, equal_nan=True)
    assert rows[42][2 + WRIST * 3] == "" and rows[35][2 + KNEE * 3] == "" and rows[35][2 + WRIST * 3] != ""


def test_c3d_by_ezc3d(tmp_path, clip):
    ezc3d = pytest.importorskip("ezc3d")
    c3d.write(tmp_path / "a.c3d", clip)
    back = ezc3d.c3d(str(tmp_path / "a.c3d"))
    point = back["parameters"]["POINT"]
    assert point["LABELS"]["value"] == list(clip.joints) and point["UNITS"]["value"] == ["m"]
    assert point["RATE"]["value"][0] == pytest.approx(clip.rate_hz) and point["Y_SCREEN"]["value"] == ["+Y"]
    xyz = back["data"]["points"][:3].transpose(2, 1, 0)
    assert np.allclose(xyz, clip.known_xyz("inferred"), atol=1e-5, equal_nan=True)
    residual = back["data"]["meta_points"]["residuals"][0].T
    assert residual[42, WRIST] == -1 and residual[35, KNEE] == -1 and residual[35, WRIST] == 0 < residual[0, 0]
    assert back["data"]["meta_points"]["camera_masks"][0, 0, 0] == 1
    assert np.allclose(back["data"]["analogs"][0, 0], clip.times_s, atol=1e-5)


def read_by_c3d(path):
    reader_of = pytest.importorskip("c3d").Reader
    with path.open("rb") as file:
        reader = reader_of(file)
        frames = list(reader.read_frames())
        labels = [label.strip() for label in reader.point_labels]
    return reader, labels, np.array([points for _, points, _ in frames]), np.array([a for *_, a in frames])


def test_c3d_by_the_pure_python_reader(tmp_path, clip):
    c3d.write(tmp_path / "a.c3d", clip)
    reader, labels, points, analog = read_by_c3d(tmp_path / "a.c3d")
    assert (
        labels == list(clip.joints)
        and reader.point_rate == pytest.approx(30)
        and reader.analog_labels == ["capture_time"]
    )
    kept = clip.known_xyz("inferred")
    missing = np.isnan(kept).any(-1)
    assert np.array_equal(points[..., 3] == -1, missing) and missing[42, WRIST]
    assert np.allclose(points[~missing][:, :3], kept[~missing], atol=1e-5)
    assert points[0, 0, 3] == pytest.approx(0.015, abs=1e-6) and points[0, 0, 4] == 1  # residual m, camera 1
    assert points[35, WRIST, 3] == points[35, WRIST, 4] == 0  # inferred: no camera saw it
    assert np.allclose(analog[:, 0, 0], clip.times_s, atol=1e-5)


def test_c3d_longer_than_its_header_can_count(tmp_path, clip):
    many = 70_000
    fields = ("sigma", "state", "age_ms", "reliability")
    long = replace(
        clip, axis=Axis(np.arange(many) / 30, np.arange(many)), joints=clip.joints[:1], parents=(-1,),
        **{name: np.resize(getattr(clip, name)[:, :1], (many, 1)) for name in fields},
        xyz=np.resize(clip.xyz[:, :1], (many, 1, 3)),
    )  # fmt: skip
    c3d.write(tmp_path / "long.c3d", long)
    ezc3d = pytest.importorskip("ezc3d")
    assert ezc3d.c3d(str(tmp_path / "long.c3d"))["data"]["points"].shape == (4, 1, many)
    assert read_by_c3d(tmp_path / "long.c3d")[2].shape == (many, 1, 5)


def test_csv_has_units_states_and_empty_cells(tmp_path, clip):
    tables.write_csv(tmp_path / "a.csv", [clip])
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 90 * 17 and {"x_m", "sigma_m", "age_ms", "time_s"} <= set(rows[0])
    absent, held = rows[42 * 17 + WRIST], rows[35 * 17 + KNEE]
    assert absent["state"] == "ABSENT" and absent["x_m"] == absent["sigma_m"] == "" and held["state"] == "HELD"
    assert float(held["y_m"]) == pytest.approx(clip.xyz[35, KNEE, 1], abs=1e-5)


def test_json_is_strict_json_with_null(tmp_path, clip):
    tables.write_json(tmp_path / "a.json", [clip])
    plain = json.loads((tmp_path / "a.json").read_text(), parse_constant=lambda word: pytest.fail(word))
    someone = plain["people"][0]
    assert (
        someone["xyz_m"][42][WRIST] == [None, None, None] and plain["states"][someone["state"][42][WRIST]] == "ABSENT"
    )
    assert plain["units"]["xyz"] == "m" and someone["joints"] == list(clip.joints)
    assert np.allclose(someone["xyz_m"][0], clip.xyz[0], atol=1e-5)


def test_npz_opens_without_pickle(tmp_path, clip):
    tables.write_npz(tmp_path / "a.npz", [clip])
    with np.load(tmp_path / "a.npz", allow_pickle=False) as back:
        assert back["people"].tolist() == [1] and np.isnan(back["xyz_m_1"][42, WRIST]).all()
        assert np.allclose(back["xyz_m_1"], clip.xyz, equal_nan=True, atol=1e-6)
        assert back["joints_1"].tolist() == list(clip.joints)


def test_states_beside_a_format_that_cannot_mark(tmp_path, clip):
    tables.write_states(tmp_path / "a.states.csv", clip)
    with (tmp_path / "a.states.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (rows[42]["right_wrist"], rows[35]["left_knee"], rows[0]["head"]) == ("ABSENT", "HELD", "OBSERVED")
