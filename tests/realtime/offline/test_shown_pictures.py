"""A film's pictures lie where viewers find them, named by their frame's answer; without room the run goes on."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from realtime.capture.source import Picture
from realtime.config.schema import PublishConfig, RunConfig, SourceConfig, ViewConfig
from realtime.offline.chain import Answer
from realtime.offline.stage import ShownPictures
from realtime.transport.frame_ring import FrameReader
from tests.support.people import walker as fake
from tests.support.publisher import free_address


def context(every_frame=False, with_video=False):
    config = RunConfig(
        source=SourceConfig(spec="film.mp4", every_frame=every_frame), view=ViewConfig(with_video=with_video),
        publish=PublishConfig(bind=free_address()),
    )  # fmt: skip
    return SimpleNamespace(config=config, log=logging.getLogger("file"))


def picture(seq, value):
    return Picture(np.full((48, 64, 3), value, np.uint8), fake.stamp(seq))


def answer(seq):
    return Answer(fake.keypoints(seq, ()), fake.pose(seq, []), None)


def test_each_answer_names_the_picture_of_its_frame_also_when_it_comes_late():
    shown, reader = ShownPictures(context()), FrameReader()
    for seq in range(3):
        shown.write(picture(seq, 50 * seq))
    for seq in range(3):
        image = reader.image(shown.referred(answer(seq)).keypoints)
        assert image is not None and (image == 50 * seq).all()
    assert shown.referred(answer(7)).keypoints.ring == ""
    reader.close()
    shown.close()


@pytest.mark.parametrize(
    ("every_frame", "with_video", "wanted"), [(True, False, False), (True, True, True), (False, False, True)]
)
def test_as_fast_as_it_goes_nothing_is_copied_that_nobody_asked_for(every_frame, with_video, wanted):
    shown = ShownPictures(context(every_frame, with_video))
    shown.write(picture(0, 9))
    assert bool(shown.referred(answer(0)).keypoints.ring) is wanted
    shown.close()


def test_without_room_for_pictures_the_run_goes_on_without_them(caplog):
    shown = ShownPictures(context())
    huge = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (200_000, 200_000, 3))  # 120 GB, if it were kept
    shown.write(Picture(huge, fake.stamp(0)))
    assert "viewers get no pictures" in caplog.text
    shown.write(picture(1, 9))
    assert shown.referred(answer(1)).keypoints.ring == ""
