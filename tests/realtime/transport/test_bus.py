"""The bus between processes: newest only, whole, checked; nobody who is slow, silent or gone is waited for."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import zmq

from realtime.transport.address import BadPlace, Busy
from realtime.transport.bus import Bus, TopicReader, wait_any
from realtime.transport.runtime_dir import run_directory
from realtime.wire.messages import Frame, Health, encode, replace
from tests.support.peer import frame, free_address, keypoints, pose, raw_socket, stamp, until, until_heard


@pytest.fixture
def bind():
    return free_address()


@pytest.fixture(params=["ipc", "tcp"])
def buses(bind, request):
    """Two processes' worth, over both transports."""
    with run_directory(bind, request.param) as directory:
        here, there = Bus(directory), Bus(directory)
        yield here, there
        there.close()
        here.close()


def test_a_reader_gets_the_newest_and_each_only_once(buses):
    here, there = buses
    frames, reader = here.publisher("frame"), there.latest("frame")
    until_heard(lambda: frames.send(frame(0)), lambda: reader.get(20))
    for seq in range(1, 201):
        frames.send(frame(seq))
    time.sleep(0.2)  # ZeroMQ may keep back what arrives in the very moment of a read until the next message comes
    until(lambda: (got := reader.get(20)) and got.stamp.seq == 200)
    assert reader.get(0) is None


def test_fields_of_a_topic_that_another_message_has_too(buses):
    here, there = buses
    points, reader = here.publisher("keypoints2d"), there.latest("keypoints2d")
    sent = keypoints(7)
    got = until_heard(lambda: points.send(sent), lambda: reader.get_fields(Frame, 20))
    assert got == Frame(sent.stamp, sent.slot, sent.generation, sent.width, sent.height, sent.ring)


def test_get_waits_no_longer_than_told(buses):
    reader = buses[1].latest("frame")
    began = time.monotonic()
    assert reader.get(80) is None
    assert 0.07 <= time.monotonic() - began < 0.5


def test_topics_do_not_starve_each_other(buses):
    here, there = buses
    frames, poses = here.publisher("frame"), here.publisher("pose")
    readers = there.latest("frame"), there.latest("pose")
    until_heard(lambda: frames.send(frame(1)), lambda: readers[0].get(20))
    until_heard(lambda: poses.send(pose(1)), lambda: readers[1].get(20))
    poses.send(pose(2))
    for seq in range(2, 100):
        frames.send(frame(seq))
    assert until(lambda: readers[1].get(20)).stamp.seq == 2


def test_what_was_published_is_there_byte_for_byte(buses):
    here, there = buses
    poses, reader = here.publisher("pose"), there.latest("pose")
    sent = []
    _, data = until_heard(
        lambda: sent.append(poses.send(pose(3))), lambda: (heard := reader.get_with_bytes(20))[0] and heard
    )
    assert data in sent


def test_waiting_for_any_of_several_ends_with_the_first(buses):
    here, there = buses
    frames = here.publisher("frame")
    readers = [there.latest("pose"), there.latest("frame")]
    until_heard(lambda: frames.send(frame(0)), lambda: readers[1].get(20))
    timer = threading.Timer(0.1, lambda: frames.send(frame(1)))
    timer.start()
    began = time.monotonic()
    assert wait_any(readers, 5000) == readers[1:]
    assert time.monotonic() - began < 2 and readers[1].get(0).stamp.seq == 1
    timer.join()


def test_a_restarted_publisher_is_heard_again(buses):
    here, there = buses
    first = Bus(here._directory)
    frames, reader = first.publisher("frame"), there.latest("frame")
    until_heard(lambda: frames.send(frame(1)), lambda: reader.get(20))
    first.close()
    frames = here.publisher("frame")
    until_heard(lambda: frames.send(frame(2)), lambda: reader.get(20), timeout_s=2)


def test_a_reader_that_hears_nothing_takes_a_new_socket(buses, monkeypatch):
    monkeypatch.setattr("realtime.transport.bus.SILENCE_S", 0.05)
    reader = buses[1].latest("frame")
    until(lambda: reader.get(20) or reader.renewed >= 2)
    frames = buses[0].publisher("frame")
    assert until_heard(lambda: frames.send(frame(2)), lambda: reader.get(20))


def test_a_number_that_is_not_finite_never_leaves(buses, caplog):
    here, _ = buses
    poses = here.publisher("pose")
    person = pose(1).people[0]
    bad = replace(pose(1), people=(replace(person, sigma=np.full(17, np.nan, np.float32)),))
    assert [poses.send(bad) for _ in range(50)] == [b""] * 50
    assert poses.refused["finite"] == 50 and poses.sent == 0
    assert len(caplog.records) == 1 and "not finite" in caplog.text


def test_a_wrong_shape_is_a_fault_of_ours_and_raises(buses):
    person = pose(1).people[0]
    with pytest.raises(ValueError, match="sigma: shape"):
        buses[0].publisher("pose").send(replace(pose(1), people=(replace(person, sigma=np.zeros(16)),)))


def test_every_stage_s_health_arrives(bind):
    with run_directory(bind) as directory:
        bus = Bus(directory)
        port = bus.public(bind)
        context = zmq.Context()
        reader = TopicReader(context, bind, "health")
        until_heard(lambda: port.send_on("health", "cam0", Health("first", "READY")), lambda: reader.get(20))
        for n in range(40):
            port.send_on("health", "cam0", Health(f"s{n}", "READY"))
        stages = [until(lambda: reader.get(100)).stage for _ in range(40)]
        assert [s for s in stages if s != "first"] == [f"s{n}" for n in range(40)][: 40 - stages.count("first")]
        reader.close()
        context.term()
        bus.close()


def test_another_source_and_another_topic_are_not_heard(bind):
    with run_directory(bind) as directory, raw_socket(zmq.PUB) as stranger:
        stranger.bind(bind)
        bus = Bus(directory)
        reader = TopicReader(bus._context, bind, "pose3d", "cam0")
        wanted = encode("pose3d", "cam0", pose(1))
        others = [
            encode("pose3d", "cam01", pose(2)),
            encode("pose3d2", "cam0", pose(3)),
            encode("hello", "cam0", pose(4)),
        ]

        def send():
            for data in [*others, wanted, *others]:
                stranger.send(data)

        assert until_heard(send, lambda: reader.get(20)).stamp.seq == 1
        assert reader.refused.total() == 0
        reader.close()
        bus.close()


@pytest.mark.parametrize(
    "open_bind", ["tcp://0.0.0.0:5999", "tcp://[::]:5999", "tcp://192.0.2.1:5999", "tcp://a.example:1"]
)
def test_g3_a_public_address_beyond_this_machine_is_refused(tmp_path, open_bind):
    bus = Bus(tmp_path)
    with pytest.raises(BadPlace, match="--insecure"):
        bus.public(open_bind)
    bus.close()


def test_it_is_allowed_when_asked_for(tmp_path, bind):
    bus = Bus(tmp_path)
    bus.public(bind.replace("127.0.0.1", "0.0.0.0"), insecure=True)
    bus.close()


def test_a_public_port_in_use_is_told_by_number(tmp_path, bind):
    bus = Bus(tmp_path)
    with raw_socket(zmq.PUB) as other:
        other.bind(bind)
        with pytest.raises(Busy, match=bind.rpartition(":")[2]):
            bus.public(bind)
    bus.close()


def test_a_bus_leaves_the_sockets_of_running_threads_alone(tmp_path):
    bus, go_on, made = Bus(tmp_path), threading.Event(), threading.Event()

    def stage():
        bus.latest("frame")
        made.set()
        go_on.wait(5)

    thread = threading.Thread(target=stage)
    thread.start()
    made.wait(5)
    bus.close()
    assert not bus._context.closed
    go_on.set()
    thread.join()
    bus.close()
    assert bus._context.closed


def test_messages_keep_their_stamps(buses):
    here, there = buses
    found, reader = here.publisher("keypoints_raw"), there.latest("keypoints_raw")
    sent = replace(keypoints(), stamp=stamp(9, stream=7))
    heard = until_heard(lambda: found.send(sent), lambda: reader.get(20))
    assert heard.stamp == sent.stamp and heard.people[0].id == 1
