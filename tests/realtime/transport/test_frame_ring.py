"""FrameRing: whole pictures by reference, for readers that come, go, lag and restart.  Both kinds of memory."""

from __future__ import annotations

import logging
import os

import cv2
import numpy as np
import pytest

from realtime.transport import pose_ring, shared_memory
from realtime.transport.address import memory_key
from realtime.transport.frame_ring import FrameReader, FrameWriter, grey_copy
from realtime.transport.frame_ring_layout import DEFAULT, HEAD, slots_for, stride_of
from realtime.wire.messages import replace
from tests.support.peer import free_address, keypoints, stamp


def picture(seed: int = 0, width: int = 320, height: int = 240) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(params=["file", "named"])
def kind(request):
    return request.param


@pytest.fixture
def writer(kind):
    writer = FrameWriter(free_address(), kind=kind)
    yield writer
    writer.close()


@pytest.fixture
def reader(kind):
    reader = FrameReader(kind)
    yield reader
    reader.close()


def test_a_picture_comes_back_as_it_was_with_its_grey_copy(writer, reader):
    image = picture()
    frame = writer.write(image, stamp(4))
    pixels = reader.read(frame)
    assert (pixels.image == image).all() and (reader.image(frame) == image).all()
    assert (pixels.grey == cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)).all() and pixels.scale == 1
    assert (frame.width, frame.height, frame.stamp.seq) == (320, 240, 4)


def test_a_picture_for_the_detector_is_rgb_in_memory(writer, reader):
    image = picture()
    found = reader.image_of_rgb(writer.write(image, stamp()))
    assert (found == image).all() and found[..., ::-1].flags.c_contiguous


@pytest.mark.parametrize(
    ("width", "height", "grey"),
    [(1920, 1080, (360, 640)), (640, 480, (480, 640)), (641, 3, (3, 640)), (1280, 1, (1, 640)), (1, 1, (1, 1))],
)
def test_the_grey_copy_is_at_most_640_px_wide(writer, reader, width, height, grey):
    image = picture(1, width, height)
    small, scale = reader.grey(writer.write(image, stamp()))
    expected, expected_scale = grey_copy(image)
    assert small.shape == grey and (small == expected).all() and scale == expected_scale == grey[1] / width


def test_a_view_of_a_larger_picture_is_copied_right(writer, reader):
    image = picture(2)[10:50, 20:101, ::-1]
    assert (reader.image(writer.write(image, stamp())) == image).all()


def test_a_reference_from_keypoints_reads_the_same_picture(writer, reader):
    frame = writer.write(picture(3), stamp())
    found = replace(keypoints(), slot=frame.slot, generation=frame.generation, ring=frame.ring)
    assert (reader.image(found) == picture(3)).all()


def test_what_was_read_is_the_reader_s_own(writer, reader):
    first = reader.read(writer.write(picture(0), stamp()))
    for seed in range(1, 30):
        writer.write(picture(seed), stamp())
    assert (first.image == picture(0)).all()


def test_pictures_stay_for_a_whole_round_and_no_longer(writer, reader):
    written = [writer.write(picture(seed), stamp()) for seed in range(writer.slots or DEFAULT)]
    assert all((reader.image(frame) == picture(seed)).all() for seed, frame in enumerate(written))
    writer.write(picture(99), stamp())
    assert reader.image(written[0]) is None and reader.lapped == 1
    assert reader.image(written[1]) is not None


def test_generations_grow_over_restarts(kind, reader):
    bind = free_address()
    before = FrameWriter(bind, kind=kind)
    old = before.write(picture(0), stamp())
    assert reader.image(old) is not None
    after = FrameWriter(bind, kind=kind)  # the first was killed: it removed nothing
    new = after.write(picture(1), stamp())
    assert new.generation > old.generation and new.ring != old.ring
    assert (reader.image(new) == picture(1)).all() and reader.image(old) is None
    after.close()
    before.close()


def test_a_successor_of_the_same_name_is_found(kind, reader):
    bind = free_address()
    first = FrameWriter(bind, kind=kind)
    assert reader.image(first.write(picture(0), stamp())) is not None
    first.close()
    second = FrameWriter(bind, kind=kind)
    frame = second.write(picture(1), stamp())
    assert frame.ring == f"{memory_key(bind)}-frames-0"
    assert (reader.image(frame) == picture(1)).all()
    second.close()


def test_a_removed_segment_is_replaced(writer, reader, kind):
    frame = writer.write(picture(0), stamp())
    shared_memory.unlink(frame.ring, kind)
    writer._look.period_ns = 0
    writer._look.due()
    again = writer.write(picture(1), stamp())
    assert again.ring != frame.ring and (reader.image(again) == picture(1)).all()


@pytest.mark.parametrize(
    "change",
    [{"slot": 999}, {"slot": -1}, {"ring": "steadypose-none"}, {"ring": "../../etc/passwd"}, {"ring": ""},
     {"generation": 2**63 - 1}, {"generation": -1}],
)  # fmt: skip
def test_a_reference_to_nothing_is_none(writer, reader, change):
    frame = writer.write(picture(), stamp())
    assert reader.image(replace(frame, **change)) is None
    assert reader.missing + reader.lapped == 1
    assert reader.image(frame) is not None


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b"\xff" * 5000])
def test_a_segment_that_is_no_ring_is_none(kind, reader, damage):
    name = f"steadypose-test-{os.getpid()}"
    segment = shared_memory.create(name, max(1, len(damage)), kind)
    segment.memory[: len(damage)] = damage
    frame = replace(keypoints(), ring=name, slot=0, generation=1)
    assert reader.image(frame) is None and reader.missing == 1
    shared_memory.unlink(name, kind)
    segment.close()


def test_sizes_that_lie_are_not_followed(writer, reader):
    """A mark that claims more than a slot holds, as in a half-written one."""
    frame = writer.write(picture(), stamp())
    writer._ring.marks[frame.slot]["width"] = 100_000
    assert reader.image(frame) is None


def test_a_picture_half_way_overwritten_is_refused(writer, reader):
    frame = writer.write(picture(), stamp())
    writer._ring.marks[frame.slot]["before"] = frame.generation + 8
    assert reader.read(frame) is None and reader.lapped == 1


def test_memory_of_a_run_at_1080p_stays_below_60_mb():
    slots = slots_for(1920, 1080)
    assert slots >= 5
    assert HEAD + slots * stride_of(1920, 1080) + pose_ring.SIZE <= 60e6


@pytest.mark.parametrize(("size", "slots"), [((640, 480), 8), ((1280, 720), 8), ((3840, 2160), 3)])
def test_the_number_of_slots_follows_the_size(size, slots):
    assert slots_for(*size) == slots


def test_short_memory_means_fewer_slots_and_a_warning(monkeypatch, caplog):
    create = shared_memory.create
    room = HEAD + 4 * stride_of(320, 240)

    def scarce(name, size, kind):
        if size > room:
            raise shared_memory.no_room(size)
        return create(name, size, kind)

    monkeypatch.setattr(shared_memory, "create", scarce)
    writer = FrameWriter(free_address())
    with caplog.at_level(logging.WARNING):
        writer.write(picture(), stamp())
    assert writer.slots == 4 and "has" in caplog.text
    writer.close()
