"""PoseClient: fresh or told, on this machine, on another one and for files; it comes and goes as it likes."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time

import pytest
import zmq

from realtime import clock
from realtime.client import background_reader, pose_client
from realtime.client.pose_client import NoStream, PoseClient
from realtime.transport.tap import Tap
from realtime.wire.messages import Health, encode, replace
from tests.realtime.wire.test_messages import TRUTH
from tests.support.peer import free_address, hello, keypoints, pose, raw_socket, stamp, until, until_heard


class Station:
    """Publishes what it is told, as a pipeline on this machine would."""

    def __init__(self, socket, address) -> None:
        self.socket, self.address = socket, address

    def say(self, topic, message) -> None:
        self.socket.send(encode(topic, "cam0", message))

    def pose(self, seq, **about) -> None:
        self.say("pose3d", pose(seq, **about))


@pytest.fixture
def station():
    address = free_address()
    with raw_socket(zmq.PUB) as socket:
        socket.bind(address)
        yield Station(socket, address)


@pytest.fixture
def client(station):
    with PoseClient(station.address) as client:
        yield client


def current(client, station, seq, **about):
    """The pose with this seq, said until it is heard."""
    return until_heard(
        lambda: station.pose(seq, **about), lambda: (p := client.latest()).stamp.seq == seq and p.status == "OK" and p
    )


def introduce(client, station, **about):
    """Hello, said until it is heard."""
    until_heard(lambda: station.say("hello", hello(**about)), client._hellos.newest)


def test_the_latest_pose_with_its_arrays_and_joint_names(client, station):
    introduce(client, station)
    told = current(client, station, 4)
    assert told.people[0]["j3"].name == "j3" and told.people[0].joints == client.joints
    assert told.people[0].xyz.shape == (17, 3) == (len(client.joints), 3)
    assert client.hello().engine == "hold"


def test_iteration_holds_poses_back_until_their_joints_have_names(client, station):
    told = iter(client)
    current(client, station, 1)
    assert next(told).status == "STALE"
    introduce(client, station)
    current(client, station, 2)
    assert next(told).people[0]["j3"].name == "j3"


def test_names_of_another_source_are_not_a_pose_s_own(client, station):
    introduce(client, station, source="cam1")
    assert current(client, station, 1).people[0].joints == ()


def test_iteration_goes_on_without_names_where_nobody_says_hello(client, station, monkeypatch):
    monkeypatch.setattr(pose_client, "HELLO_MS", 10.0)
    told = iter(client)
    assert next(told).status == "STALE"
    current(client, station, 1)
    assert next(told).status == "OK"


def test_a_pose_grows_stale(client, station):
    current(client, station, 4)
    assert client.latest(max_age_ms=60_000).status == "OK"
    told = until(lambda: (p := client.latest(max_age_ms=150)).status == "STALE" and p, timeout_s=1)
    assert told.stamp.seq == 4 and told.people == ()
    assert client.latest(max_age_ms=60_000).status == "OK"


def test_the_publisher_s_own_limit_holds_unless_the_client_has_one(station):
    with PoseClient(station.address) as client, PoseClient(station.address, max_age_ms=150) as strict:
        introduce(client, station, max_age_ms=60_000.0)
        assert current(client, station, 6, age_ms=400).people
        until(lambda: strict.latest().stamp.seq == 6)
        assert strict.latest().status == "STALE" and client.latest(max_age_ms=150).status == "STALE"
        assert client.keypoints2d(max_age_ms=0) is None


def test_a_pose_that_came_before_the_hello_it_contradicts_is_not_handed_out(client, station):
    current(client, station, 4)
    names = tuple(f"j{n}" for n in range(5))
    introduce(client, station, joints=names, parents=(-1, 0, 1, 2, 3))
    assert client.latest(max_age_ms=60_000).status == "STALE"


def test_what_the_lifter_looks_ahead_is_granted(client, station):
    current(client, station, 4)
    until_heard(lambda: station.pose(5, age_ms=400), lambda: client.latest().stamp.seq == 5)
    assert client.latest().status == "STALE"
    assert current(client, station, 6, age_ms=400, look_ahead_ms=60_000).people


def test_before_the_first_pose_there_is_a_status(client):
    told = client.latest()
    assert told.status == "STALE" and told.stamp.seq == -1
    assert next(iter(client)).status == "STALE"


def test_iteration_gives_each_new_pose_and_ends_with_close(client, station):
    introduce(client, station)
    stop, seen = threading.Event(), []

    def talk():
        seq = 0
        while not stop.wait(0.02):
            station.pose(seq := seq + 1)

    talker = threading.Thread(target=talk)
    talker.start()
    for told in client:
        seen.append(told.stamp.seq)
        if len(seen) == 20:
            stop.set()
            client.close()
    talker.join()
    heard = [seq for seq in seen if seq >= 0]
    assert heard == sorted(set(heard)) and len(heard) >= 18


def test_iteration_says_stale_within_500_ms_whatever_the_listener_does(client, station):
    introduce(client, station)
    current(client, station, 1)
    told, spent = iter(client), time.monotonic()
    next(told)
    time.sleep(0.2)  # a listener at work: its time counts as silence too
    answer = next(told)
    assert answer.status == "STALE" and answer.stamp.seq == 1
    assert time.monotonic() - spent < 0.6


def test_an_old_pose_is_not_given_twice_as_new(station):
    with PoseClient(station.address, max_age_ms=60_000) as client:
        introduce(client, station)
        current(client, station, 1)
        told = iter(client)
        heard = [next(told).status]
        while heard[-1] != "STALE":  # until it was heard it may have been said several times
            heard.append(next(told).status)
        assert heard[0] == "OK" and [next(told).status for _ in range(2)] == ["STALE", "STALE"]


def test_on_another_machine_the_time_since_receipt_counts(client, station):
    foreign = replace(hello(), clock="another")
    until_heard(lambda: station.say("hello", foreign), client._hellos.newest)
    far = -(10**15)  # its clock is days ahead of ours

    def say(seq, took_ms):
        published = clock.now_ns() - far
        there = replace(stamp(seq), t_capture_ns=published - int(took_ms * 1e6))
        station.say("pose3d", replace(pose(seq), stamp=there, t_publish_ns=published))

    until_heard(lambda: say(1, 20), lambda: client.latest().stamp.seq == 1 and client.latest().status == "OK")
    until(lambda: client.latest().status == "STALE", timeout_s=1)
    until_heard(lambda: say(2, 160), lambda: client.latest().stamp.seq == 2)
    assert client.latest().status == "STALE"


def test_stamps_from_the_future_are_another_machine_s_behind_a_tunnel(client, station):
    """ssh -L makes a far publisher look near until its hello comes."""
    ahead = clock.now_ns() + 10**15

    def say():
        station.say("pose3d", replace(pose(1), stamp=replace(stamp(1), t_capture_ns=ahead), t_publish_ns=ahead + 10**6))

    until_heard(say, lambda: client.latest().status == "OK")
    until(lambda: client.latest().status == "STALE", timeout_s=1)


def test_a_file_s_pose_is_as_old_as_its_publication(client, station):
    def say():
        station.say("pose3d", replace(pose(1, age_ms=90_000), live=False))
        station.say("keypoints2d", keypoints(1, age_ms=90_000))

    client.keypoints2d()
    until_heard(say, lambda: client.latest().status == "OK" and client.keypoints2d())
    until(lambda: client.latest().status == "STALE" and client.keypoints2d() is None, timeout_s=1)


def test_a_client_that_was_stopped_does_not_take_what_lay_there_for_new(client, station, monkeypatch):
    current(client, station, 1)
    monkeypatch.setattr(background_reader, "PAUSE_MS", -1.0)  # every turn is one after a pause
    time.sleep(2 * background_reader.TURN_MS / 1000)
    for _ in range(10):
        station.pose(2)
        time.sleep(0.01)
    assert client.latest().stamp.seq == 1


def test_keypoints_and_truth_are_recent_or_none(client, station):
    assert client.keypoints2d() is None and client.truth() is None

    def say():
        station.say("keypoints2d", keypoints(3))
        station.say("truth", replace(TRUTH, stamp=stamp(3)))

    until_heard(say, lambda: client.keypoints2d() and client.truth())
    assert client.keypoints2d(60_000).people[0].reliability.shape == (33,)
    assert client.truth(60_000).xyz_cam.shape == (2, 17, 3)
    until(lambda: client.keypoints2d() is None and client.truth() is None, timeout_s=1)


def test_health_of_each_stage_as_of_late(client, station, monkeypatch):
    assert client.health() == {}

    def say():
        for name in ("lift", "detect"):
            station.say("health", Health(name, "READY"))

    until_heard(say, lambda: len(client.health()) == 2)
    now_ns = clock.now_ns
    monkeypatch.setattr(clock, "now_ns", lambda: now_ns() + 4 * clock.NS_PER_S)
    assert client.health() == {}


def test_without_a_publisher_the_command_to_start_one_is_told():
    with PoseClient(free_address()) as client, pytest.raises(NoStream, match="realtime run --demo"):
        client.hello(timeout_s=0.1)


def test_one_source_of_several(station):
    with PoseClient(station.address, source="cam1") as client:

        def say():
            station.socket.send(encode("pose3d", "cam0", pose(1)))
            station.socket.send(encode("pose3d", "cam1", pose(2, source="cam1")))
            station.socket.send(encode("pose3d", "cam0", pose(3)))

        assert until_heard(say, lambda: (p := client.latest()).stamp.seq >= 0 and p).stamp.source == "cam1"


def test_what_is_no_message_is_counted(client, station):
    until_heard(lambda: station.socket.send(b"pose3d/cam0\0nonsense"), lambda: client.refused["msgpack"])
    assert current(client, station, 7)


def test_a_forgotten_client_ends_its_threads(station):
    before = threading.active_count()
    client = PoseClient(station.address)
    assert threading.active_count() > before
    del client
    gc.collect()
    assert threading.active_count() == before


def test_a_program_that_forgets_to_close_still_ends(station):
    code = f"from realtime import PoseClient; c = PoseClient({station.address!r}); print(c.latest().status)"
    done = subprocess.run(
        [sys.executable, "-Werror", "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "STALE\n" and done.stderr == ""


def test_a_tap_gives_everything_in_order_and_as_it_was_sent(station):
    tap = Tap(station.address, ("pose3d", "hello"))
    until_heard(lambda: station.pose(0), lambda: list(tap.read(20)))
    until_heard(lambda: station.say("hello", hello()), lambda: [h for h in tap.read(20) if h.topic == "hello"])
    sent = [encode("pose3d", "cam0", pose(seq)) for seq in range(1, 101)]
    for data in sent:
        station.socket.send(data)
    heard = []
    until(lambda: heard.extend(h for h in tap.read(20) if h.message.stamp.seq > 0) or len(heard) == 100)
    assert [h.data for h in heard] == sent and tap.refused == 0
    tap.close()
