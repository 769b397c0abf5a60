"""Settings as keywords of `realtime.process`."""

from __future__ import annotations

import pytest

from realtime.cli.film import FLAGS as FILM_FLAGS
from realtime.cli.run import SETTINGS
from realtime.config import keywords
from realtime.config.keywords import configured
from realtime.config.schema import DetectorConfig, RunConfig
from realtime.config.yaml_file import ConfigError


def test_keywords_are_the_flags_of_the_command_line():
    assert {f"--{word}": path for word, path in keywords.FLAGS.items()} == {
        flag: SETTINGS[flag][0] for flag in (*FILM_FLAGS, "--seed")
    }


def test_a_keyword_is_a_setting():
    config = configured(None, {"people": 2, "height": 1.78, "held_ms": 3000, "smoothing": "avoid"})
    assert (config.detector.people, config.camera.height_m) == (2, 1.78)
    assert (config.lift.held_ms, config.detector.smoothing) == (3000.0, "avoid")
    assert configured(None, {}) == RunConfig()


def test_keywords_win_over_the_config_and_over_a_file(tmp_path):
    base = RunConfig(detector=DetectorConfig(people=3, min_presence=0.25))
    assert configured(base, {"people": 2}).detector == DetectorConfig(people=2, min_presence=0.25)
    file = tmp_path / "my.yaml"
    file.write_text("detector:\n  people: 3\n  min_presence: 0.25\n")
    assert configured(file, {"people": 2}).detector == DetectorConfig(people=2, min_presence=0.25)
    assert configured("jetson", {}).lift.allow_cpu


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"poeple": 2}, r"poeple=2: unknown setting; nearest is people \(detector.people\)"),
        ({"hight": 1.8}, r"nearest is height \(camera.height_m\)"),
        ({"people": 99}, r"^people: expected 1 to 16 people, found 99"),
        ({"height": 178.0}, r"^height: expected 0.4 to 2.6 m, height of the person, found 178; 100 times too large"),
        ({"people": "two"}, r"^people: expected a whole number \(people\), found 'two'"),
        ({"bind": "tcp://0.0.0.0:1"}, "unknown setting"),  # a film's poses are not published
    ],
)
def test_what_is_wrong_is_named_as_the_caller_wrote_it(given, said):
    with pytest.raises(ConfigError, match=said):
        configured(None, given)
