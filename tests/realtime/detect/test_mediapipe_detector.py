"""The real detector on the rendered man, and what is undone of its smoothing."""

import gc
import zipfile

import numpy as np
import pytest

from realtime.config.schema import DetectorConfig
from realtime.demo.world import CylinderWorld
from realtime.detect.mediapipe_detector import LOW_PASS, Detection, Unfilter, _picture, open_detector
from realtime.detect.model_download import ModelError
from realtime.transport.frame_ring import rgb_copy
from realtime.wire.keypoints import box_size

WORLD = CylinderWorld(3, size=(320, 240), boards=False)
FRAMES = range(60, 84)


def detection(score):
    return Detection(np.zeros((33, 2), "f4"), score.astype("f4"), np.ones(33, "f4"), None)


def filtered(raw):
    """What MediaPipe's low-pass makes of visibilities (T, J)."""
    seen = [raw[0]]
    for now in raw[1:]:
        seen.append(LOW_PASS * now + (1 - LOW_PASS) * seen[-1])
    return np.float32(seen)


def test_low_pass_is_undone_exactly_and_anew_after_a_frame_without_a_person():
    raw = np.random.default_rng(0).uniform(0, 1, (2, 40, 33))
    unfilter = Unfilter()
    for track in raw:
        undone = [unfilter([detection(v)])[0].score for v in filtered(track)]
        assert np.abs(undone - track).max() < 1e-5
        assert unfilter([]) == []


@pytest.fixture(scope="module")
def answers():
    """Pictures, answers of a production detector, and of one whose smoothing is kept."""
    images = [WORLD.frame(i)[0] for i in FRAMES]
    found = {}
    for smoothing in ("undo", "keep"):
        detector = open_detector(DetectorConfig(smoothing=smoothing))
        found[smoothing] = [detector.detect(image, 33 * i) for i, image in enumerate(images)]
        if smoothing == "undo":
            found["nobody"] = detector.detect(np.zeros_like(images[0]), 0)  # a clock that jumped back
            detector.reset()
            found["again"] = [detector.detect(image, 33 * i) for i, image in enumerate(images)]
            found["joints"] = detector.joints
        detector.close()
    return found


@pytest.mark.mediapipe
def test_pixels_that_are_rgb_in_memory_are_handed_over_as_they_are():
    image = WORLD.frame(60)[0]
    handed = [_picture(one) for one in (image, rgb_copy(image))]
    assert all((one.numpy_view() == image[..., ::-1]).all() for one in handed)


@pytest.mark.mediapipe
def test_finds_the_rendered_man_where_he_is(answers):
    for i, people in zip(FRAMES, answers["undo"]):
        (person,) = people
        points = WORLD.camera.project(WORLD.people(i)[0].points)
        error = np.linalg.norm(person.xy - points, axis=1)[11:] / box_size(points.astype("f4"))
        assert np.median(error) < 0.03
        assert person.score.shape == person.presence.shape == (33,) and person.world.shape == (33, 3)
    assert answers["joints"].name == "blazepose33"


@pytest.mark.mediapipe
def test_world_axes_are_the_cameras_and_lie_between_the_hips(answers):
    (person,) = answers["undo"][-1]
    at = {name: person.world[answers["joints"].index(name)] for name in answers["joints"].joints}
    assert np.abs(at["left_hip"] + at["right_hip"]).max() < 0.05
    assert at["nose"][1] < -0.3 < 0.4 < at["left_ankle"][1]  # y down, metres
    body = WORLD.people(FRAMES[-1])[0].points
    assert np.corrcoef(person.world[:, 2], body[:, 2])[0, 1] > 0.5  # z away from the camera


@pytest.mark.mediapipe
def test_mediapipes_filter_is_the_one_that_is_undone(answers):
    """With another constant, or none, the undone values would not lie between 0 and 1."""
    kept = np.array([people[0].score for people in answers["keep"]])
    raw = (kept[1:] - (1 - LOW_PASS) * kept[:-1]) / LOW_PASS
    assert raw.min() > -1e-4 and raw.max() < 1 + 1e-4
    assert np.abs(np.diff(raw, axis=0)).max() > 3 * np.abs(np.diff(kept, axis=0)).max()
    undone = np.array([people[0].score for people in answers["undo"]])
    assert np.abs(undone[1:] - raw).max() < 1e-4


@pytest.mark.mediapipe
def test_an_empty_picture_and_a_clock_that_jumps_back_are_answered(answers):
    assert answers["nobody"] == [] or len(answers["nobody"]) == 1
    for first, second in zip(answers["undo"], answers["again"]):
        assert np.array_equal(first[0].xy, second[0].xy)  # reset: nothing of the first run is left


def test_a_missing_model_file_is_named_with_the_command(tmp_path):
    with pytest.raises(ModelError, match=r"gone\.task is no model's name and no file.*realtime fetch-model"):
        open_detector(DetectorConfig(model=str(tmp_path / "gone.task")))


def test_a_file_that_is_no_bundle_is_refused(tmp_path):
    (tmp_path / "page.task").write_text("<html>not found</html>")
    with pytest.raises(ModelError, match=r"no whole MediaPipe pose bundle.*realtime fetch-model"):
        open_detector(DetectorConfig(model=str(tmp_path / "page.task")))


@pytest.mark.mediapipe
def test_a_bundle_of_garbage_is_refused_without_noise(tmp_path, capfd):
    with zipfile.ZipFile(tmp_path / "bad.task", "w") as archive:
        archive.writestr("pose_detector.tflite", b"\x08\0\0\0TFL3" + bytes(64))
        archive.writestr("pose_landmarks_detector.tflite", bytes(6_400_000))
    with pytest.raises(ModelError, match=r"MediaPipe refuses .*bad\.task.*realtime fetch-model"):
        open_detector(DetectorConfig(model=str(tmp_path / "bad.task")))
    assert capfd.readouterr().err == ""
    gc.collect()  # MediaPipe's thread ends with what failed to open
