"""PoseRing: what was published, byte for byte and in order, and how much was missed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.transport import shared_memory
from realtime.transport.pose_ring import CAPACITY, SLOTS, PoseRingReader, PoseRingWriter, name_of, people_that_fit
from realtime.wire.messages import Pose3D, decode, encode
from tests.support.peer import J2, J3, free_address, keypoints, pose, until


@pytest.fixture(params=["file", "named"])
def kind(request):
    return request.param


@pytest.fixture
def both(kind):
    bind = free_address()
    writer = PoseRingWriter(bind, kind)
    reader = PoseRingReader(bind, kind)
    yield writer, reader
    reader.close()
    writer.close()


def test_messages_come_once_in_order_byte_for_byte(both):
    writer, reader = both
    sent = [encode("pose3d", "cam0", pose(seq)) for seq in range(20)]
    assert all(writer.write(data) for data in sent[:12])
    assert reader.drain() == sent[:12] and reader.drain() == []
    assert all(writer.write(data) for data in sent[12:])
    assert reader.drain() == sent[12:] and reader.lost == 0
    assert decode(Pose3D, sent[0]).stamp.seq == 0


def test_a_reader_starts_with_what_comes_after_it(both, kind):
    writer, _ = both
    writer.write(b"before")
    late = PoseRingReader(f"tcp://127.0.0.1:{writer._name.split('-')[2]}", kind)
    writer.write(b"after")
    assert late.drain() == [b"after"]
    late.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 900), min_size=1, max_size=12))
def test_every_message_is_read_or_counted(bursts):
    bind = free_address()
    writer = PoseRingWriter(bind)
    reader = PoseRingReader(bind)
    sent, read = 0, []
    for pause, burst in enumerate(bursts):
        for _ in range(burst):
            writer.write(b"%d" % sent)
            sent += 1
        if pause % 3 == 2:
            read += reader.drain()
    read += reader.drain()
    numbers = [int(data) for data in read]
    assert numbers == sorted(set(numbers)) and len(numbers) + reader.lost == sent
    assert not sent or numbers[-1] == sent - 1
    reader.close()
    writer.close()


def test_what_does_not_fit_is_told_and_nothing_is_harmed(both):
    writer, reader = both
    assert not writer.write(bytes(CAPACITY + 1)) and writer.too_large == 1
    assert writer.write(b"\7" * CAPACITY)
    assert reader.drain() == [b"\7" * CAPACITY]


def test_a_message_half_way_overwritten_is_skipped_and_counted(both):
    writer, reader = both
    for n in range(3):
        writer.write(b"%d" % n)
    writer._ring.slots[2]["before"] += SLOTS  # being overwritten right now
    assert reader.drain() == [b"0", b"2"] and reader.lost == 1


def test_a_restarted_writer_is_followed(kind):
    bind = free_address()
    first = PoseRingWriter(bind, kind)
    reader = PoseRingReader(bind, kind)
    first.write(b"one")
    assert reader.drain() == [b"one"]
    second = PoseRingWriter(bind, kind)  # the first was killed: it removed nothing
    second.write(b"two")
    assert until(reader.drain) == [b"two"] and reader.restarts == 1
    reader.close()
    second.close()
    first.close()


def test_a_reader_may_come_first(kind):
    bind = free_address()
    reader = PoseRingReader(bind, kind)
    assert not reader.attached and reader.drain() == []
    writer = PoseRingWriter(bind, kind)
    writer.write(b"one")
    assert until(reader.drain) == [b"one"] and reader.attached
    reader.close()
    writer.close()


def test_a_removed_ring_is_made_anew(both, kind):
    writer, reader = both
    shared_memory.unlink(writer._name, kind)
    writer._look.period_ns = 0
    writer._look.due()
    writer.write(b"new")
    assert until(reader.drain) == [b"new"]


@pytest.mark.parametrize("size", [10, 5_000_000, 20_000_000])
def test_a_segment_that_is_no_ring_is_not_read(size):
    bind = free_address()
    segment = shared_memory.create(name_of(bind), size)
    reader = PoseRingReader(bind)
    assert not reader.attached and reader.drain() == []
    shared_memory.unlink(name_of(bind))
    segment.close()


@pytest.mark.parametrize(("joints2d", "joints"), [(J2, J3), (17, 17), (26, 17), (133, 17)])
def test_as_many_people_fit_as_is_said(joints2d, joints):
    people = people_that_fit(joints2d, joints)
    assert people >= 1
    if (joints2d, joints) == (J2, J3):
        assert people == 6
        assert len(encode("keypoints2d", "cam0", keypoints(people=people))) <= CAPACITY
        assert len(encode("pose3d", "cam0", pose(people=people))) <= CAPACITY
