"""The file stage tells how many frames a film declares, for the progress of `--every-frame`."""

import cv2
import numpy as np
import pytest

from realtime.capture.open_source import open_source
from realtime.config.schema import RunConfig, SourceConfig
from realtime.offline.stage import film


@pytest.fixture
def seven_frames(tmp_path):
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (64, 48))
    for _ in range(7):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    return str(path)


def told(spec, every_frame):
    config = SourceConfig(spec=spec, every_frame=every_frame, width=64, height=48)
    source = open_source(RunConfig(source=config))
    try:
        return film(config, source)
    finally:
        source.close()


def test_a_film_tells_its_frames_where_each_is_answered(seven_frames):
    assert told(seven_frames, every_frame=True) == {"frames_total": 7}
    assert told(seven_frames, every_frame=False) == {}


def test_the_demo_has_no_length():
    assert told("demo", every_frame=True) == {"frames_total": 0}
