from __future__ import annotations

import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime.capture import opencv
from realtime.capture.source import BadPicture, Stamper
from realtime.config.schema import SourceConfig
from realtime.config.source_spec import SourceError
from tests.faults.test_a_source import write_video


def test_cameras_are_opened_by_their_platforms_backends():
    assert opencv.backends("linux") == (cv2.CAP_V4L2,)
    assert opencv.backends("darwin") == (cv2.CAP_AVFOUNDATION,)
    assert opencv.backends("win32") == (cv2.CAP_DSHOW, cv2.CAP_MSMF)


def test_windows_does_not_wait_for_hardware_transforms(monkeypatch):
    name = "OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS"
    monkeypatch.delenv(name, raising=False)
    opencv.prepare("linux")
    assert name not in os.environ
    opencv.prepare("win32")
    assert os.environ[name] == "0"
    monkeypatch.delenv(name)


class Driver:
    """What cv2.VideoCapture offers, in memory."""

    def __init__(self, images: list, properties: dict | None = None) -> None:
        self.images, self.properties = list(images), properties or {}
        self.asked: list[tuple[int, float]] = []

    def set(self, prop: int, value: float) -> bool:
        self.asked.append((prop, value))
        return True

    def get(self, prop: int) -> float:
        return self.properties.get(prop, 0.0)

    def grab(self) -> bool:
        return bool(self.images)

    def retrieve(self):
        image = self.images.pop(0)
        return image is not None, image

    def release(self) -> None: ...


def live(images: list, spec: str = "0", properties: dict | None = None, **config) -> opencv.LiveVideo:
    return opencv.LiveVideo(Driver(images, properties), SourceConfig(spec=spec, **config), Stamper("cam0"))


def test_mjpg_is_asked_for_before_size_and_rate():
    driver = Driver([])
    opencv.ask(driver, SourceConfig(width=1280, height=720, fps=60))
    asked = dict(driver.asked)
    assert driver.asked[0] == (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    assert asked[cv2.CAP_PROP_FRAME_WIDTH] == 1280 and asked[cv2.CAP_PROP_FPS] == 60


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (4, 6, 4)])
def test_every_picture_has_three_channels(shape):
    assert live([np.zeros(shape, np.uint8)]).read().image.shape == (4, 6, 3)


@pytest.mark.parametrize(("rotate", "at"), [(0, (0, 0)), (90, (0, 3)), (180, (3, 5)), (270, (5, 0))])
def test_pictures_are_turned_clockwise(rotate, at):
    image = np.zeros((4, 6, 3), np.uint8)
    image[0, 0] = 255
    turned = live([image], rotate=rotate).read().image
    assert tuple(np.argwhere(turned[..., 0])[0]) == at


def test_a_damaged_picture_is_a_gap_in_the_numbers():
    image = np.zeros((4, 6, 3), np.uint8)
    source = live([image, None, image])
    first = source.read().stamp
    with pytest.raises(BadPicture):
        source.read()
    assert source.read().stamp.seq == first.seq + 2
    with pytest.raises(BadPicture):
        source.read()  # nothing grabbed


def test_packets_of_an_mjpg_stream_are_decoded_here():
    image = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    packet = cv2.imencode(".jpg", image)[1].reshape(1, -1)
    mjpg = {cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"MJPG")}
    source = live([packet, packet[:, : packet.size // 2], packet], "http://camera/", mjpg)
    assert source.read().image.shape == (16, 16, 3)
    with pytest.raises(BadPicture):
        source.read()
    assert source.read().stamp.seq == 2


def test_sizes_nobody_knows_are_zero():
    assert live([], properties={cv2.CAP_PROP_FRAME_WIDTH: math.nan}).size == (0, 0)


@pytest.mark.parametrize(
    ("last", "told", "found"),
    [
        (0.0, 40.0, 40.0),
        (0.0, 55.0, 55.0),  # a variable rate
        (40.0, 40.0, 80.0),  # stands still
        (80.0, 0.0, 120.0),  # jumps back
        (0.0, math.nan, 40.0),
        (0.0, 1e9, 40.0),
    ],
)
def test_media_time_always_grows(last, told, found):
    assert opencv.next_media_ms(last, told, 25) == pytest.approx(found)


def test_a_file_gives_every_frame_in_media_time(tmp_path: Path):
    path = tmp_path / "my clip.avi"
    write_video(path, frames=12, fps=25)
    source = opencv.open_file(SourceConfig(spec=str(path)), Stamper("cam0"))
    stamps = []
    while picture := source.read():
        stamps.append(picture.stamp)
    source.close()
    assert [s.seq for s in stamps] == list(range(12))
    assert np.allclose(np.diff([s.t_capture_ns for s in stamps]), 40e6, atol=1e3)
    assert not source.live and source.fps == 25 and source.size == (64, 48)


def test_what_is_no_video_is_refused(tmp_path: Path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"not a video" * 100)
    with pytest.raises(SourceError, match="not a video that OpenCV can read"):
        opencv.open_file(SourceConfig(spec=str(path)), Stamper("cam0"))


def test_a_stream_nobody_serves_is_refused_without_its_password():
    from tests.support.live import free_port

    with pytest.raises(SourceError) as error:
        opencv.open_live(SourceConfig(spec=f"http://me:secret@127.0.0.1:{free_port()}/x.mjpg"), Stamper("cam0"))
    assert "no video there" in str(error.value) and "secret" not in str(error.value)
