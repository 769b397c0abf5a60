"""Files and flags become checked settings; flags win; errors say where the value came from."""

from __future__ import annotations

import pytest

from realtime.config.loader import ConfigError, load, load_intrinsics, nearest
from realtime.config.schema import RunConfig

CALIBRATION = "fx: 600\nfy: 601.5\ncx: 320\ncy: 240\nwidth: 640\nheight: 480\ndistortion: [-0.1, 0.01, 0, 0, 0]\n"


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "settings.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return written


def test_a_file_changes_what_it_names_and_nothing_else(write):
    config = load(write("source:\n  fps: 25\nocclusion:\n  cues:\n    flow: false\n"))
    assert (config.source.fps, config.occlusion.cues.flow) == (25.0, False)
    assert config.detector == RunConfig().detector
    assert config.occlusion.cues.swap


def test_a_flag_wins_over_the_file(write):
    config = load(write("source: {fps: 25, width: 320}"), {"source.fps": ("--fps", 50.0)})
    assert (config.source.fps, config.source.width) == (50.0, 320)


def test_a_bad_flag_is_named_by_its_flag():
    with pytest.raises(ConfigError, match=r"^--fps: expected 1 to 480 Hz, found -3"):
        load(None, {"source.fps": ("--fps", -3.0)})


def test_whole_numbers_are_numbers_and_null_is_unset(write):
    config = load(write("camera: {fov_deg: 70, height_m: null}\nsource:\n"))
    assert (config.camera.fov_deg, config.camera.height_m) == (70.0, None)
    assert isinstance(config.camera.fov_deg, float)


def test_the_nearest_key_is_a_neighbour_first_then_the_same_word_elsewhere():
    assert nearest(("source", "fsp"), ["fps", "spec"], RunConfig) == "source.fps"
    assert nearest(("fps",), ["source", "camera"], RunConfig) == "source.fps"
    assert nearest(("camera", "threshold"), ["fov_deg"], RunConfig) == "occlusion.threshold"


def test_intrinsics_are_typed_and_complete(write):
    camera = load_intrinsics(write(CALIBRATION))
    assert (camera.fx, camera.width, camera.distortion) == (600.0, 640, (-0.1, 0.01, 0.0, 0.0, 0.0))
    with pytest.raises(ConfigError, match="fy, cy missing"):
        load_intrinsics(write(CALIBRATION.replace("fy: 601.5\n", "").replace("cy: 240\n", "")))
    with pytest.raises(ConfigError, match=r"settings\.yaml:1: fx: expected a number \(px\), found 'wide'"):
        load_intrinsics(write(CALIBRATION.replace("600", "wide")))
    with pytest.raises(ConfigError, match=r"distortion\[1\]"):
        load_intrinsics(write(CALIBRATION.replace("0.01", "much")))


@pytest.mark.parametrize(
    "bind", ["tcp://127.0.0.1:5555", "tcp://localhost:5555", "tcp://[::1]:5555", "tcp://127.3.2.1:1"]
)
def test_loopback_needs_no_permission(bind):
    assert load(None, {"publish.bind": ("--bind", bind)}).publish.bind == bind
