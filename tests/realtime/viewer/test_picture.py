"""Pictures for the page: whole, small enough, at the width a page shows; a picture that is gone is counted."""

import cv2
import msgpack
import numpy as np
import pytest

from realtime.transport.frame_ring import FrameWriter
from realtime.viewer.picture import Pictures, jpeg, narrowed
from realtime.wire.messages import replace, split
from tests.support.people.walker import stamp
from tests.support.publisher import free_address


@pytest.mark.parametrize(
    ("width", "wanted", "got"),
    [(640, 600, 640), (640, 300, 320), (640, 10, 160), (320, 300, 320), (1920, 640, 960), (1280, 640, 640),
     (1280, 291, 291), (1768, 291, 291), (96, 300, 96), (1920, 99999, 1280),
     (1920, 1000, 1000), (1280, 960, 1280), (3840, 1280, 1280)],
)  # fmt: skip
def test_a_picture_is_as_wide_as_is_shown_and_never_too_wide(width, wanted, got):
    image = np.zeros((width * 3 // 4, width, 3), np.uint8)
    assert narrowed(image, wanted).shape == (round(got * 3 / 4), got, 3)


def test_the_message_holds_the_picture_of_its_frame():
    pictures, address = Pictures(), free_address()
    writer = FrameWriter(address)
    image = np.full((48, 64, 3), (10, 200, 90), np.uint8)
    frame = writer.write(image, stamp(5))
    topic, source, body = split(pictures.encode(frame, 300))
    plain = msgpack.unpackb(body)
    back = cv2.imdecode(np.frombuffer(plain["jpeg"], np.uint8), cv2.IMREAD_COLOR)
    assert (topic, source, plain["seq"], plain["stream"]) == ("picture", "cam0", 5, 1)
    assert np.abs(back.astype(int) - image).max() < 12
    assert pictures.encode(replace(frame, generation=frame.generation - 1), 300) is None and pictures.missed == 1
    assert pictures.encode(replace(frame, ring=""), 300) is None and pictures.missed == 1
    pictures.close()
    writer.close()


def test_a_jpeg_is_small():
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (30, 40, 3), np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
    assert len(jpeg(image, 640)) < 60_000 and len(jpeg(image, 300)) < 25_000
