"""What clients are told: the publish stage on a real bus, and the rules behind it with a clock moved by hand."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
import zmq

from realtime import clock
from realtime.config.schema import PublishConfig, RunConfig, SourceConfig
from realtime.publish import publisher
from realtime.publish import stage as publish_stage
from realtime.publish.age_limit import AgeLimit, limit_for
from realtime.publish.publisher import Publication, hello_of, nothing_yet
from realtime.transport.bus import Bus
from realtime.transport.pose_ring import PoseRingReader
from realtime.transport.runtime_dir import boot_id, run_directory
from realtime.wire.messages import (
    Health,
    Hello,
    Keypoints2D,
    Pose3D,
    Truth,
    decode,
    encode,
    plain,
    prefix,
    replace,
    split,
)
from realtime.wire.topics import TOPICS
from tests.realtime.wire.test_messages import TRUTH
from tests.support.peer import free_address, hello, keypoints, pose, raw_socket, stamp, until

FACTS = {
    "joints": ["a", "b"], "parents": [-1, 0], "joints2d": ["c"], "parents2d": [-1], "reliability_source": "eq2",
    "threshold": 0.3, "engine": "hold", "engine_sha256": "0", "detector": "fake", "look_ahead_ms": 0.0,
    "provider": "cpu",
}  # fmt: skip


class Kept:
    """A port and a store that keep what they are given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, object]] = []
        self.stored: list[bytes] = []
        self.full = False

    def send_on(self, topic, source, message):
        self.sent.append((topic, message))
        return topic.encode()

    def send_plain(self, topic, source, body):
        self.sent.append((topic, decode(TOPICS[topic].message, prefix(topic, source) + bytes(body))))
        return topic.encode()

    def tend(self): ...

    def write(self, data):
        self.stored.append(data)
        return not self.full

    def poses(self) -> list[Pose3D]:
        return [message for topic, message in self.sent if topic == "pose3d"]  # type: ignore[misc]


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def pass_ms(monkeypatch):
    """Moves the clock on."""
    now = [clock.now_ns()]
    for module in (clock, publisher):
        monkeypatch.setattr(module, "now_ns", lambda: now[0])
    return lambda ms: now.__setitem__(0, now[0] + int(ms * 1e6))


def live(kept, max_age_ms=150.0):
    limit = None if max_age_ms is None else AgeLimit(PublishConfig(max_age_ms=max_age_ms))
    return Publication("cam0", kept, kept, limit, nothing_yet("cam0"))


def test_a_fresh_pose_goes_out_with_the_time_of_its_publication(kept, pass_ms):
    sent = pose(5)
    pass_ms(40)
    live(kept).pose(sent)
    (told,) = kept.poses()
    assert told == replace(sent, t_publish_ns=clock.now_ns()) and told.stamp == sent.stamp
    assert told.t_publish_ns - told.stamp.t_capture_ns >= 40e6


@pytest.mark.parametrize(("age", "look_ahead", "status"), [(140, 0, "OK"), (160, 0, "STALE"), (160, 33, "OK"),
                                                           (190, 33, "STALE")])  # fmt: skip
def test_a_pose_that_comes_too_late_is_stale_and_shows_nobody(kept, pass_ms, age, look_ahead, status):
    sent, publication = pose(5, look_ahead_ms=look_ahead), live(kept)
    pass_ms(age)
    publication.pose(sent)
    (told,) = kept.poses()
    assert told.status == status and told.stamp == sent.stamp and len(told.people) == (status == "OK")
    assert publication.too_old == (status == "STALE")


@pytest.mark.parametrize(("age", "look_ahead"), [(20, 0), (140, 0), (160, 0), (160, 33), (190, 33)])
def test_relaying_bytes_says_what_encoding_the_pose_again_would(kept, pass_ms, age, look_ahead):
    sent, again = pose(5, look_ahead_ms=look_ahead), Kept()
    pass_ms(age)
    live(again).pose(sent)
    relaying = live(kept)
    relaying.relay_pose(plain(encode("pose", "cam0", sent)))
    assert encode("pose3d", "cam0", kept.poses()[0]) == encode("pose3d", "cam0", again.poses()[0])
    pass_ms(450)
    relaying.silence()
    assert kept.poses()[1].status == "STALE" and kept.poses()[1].stamp == sent.stamp
    assert kept.poses()[1].people == ()


def test_relayed_keypoints_are_the_same_bytes_under_the_public_name(kept):
    sent = keypoints(3)
    live(kept).relay_keypoints(encode("keypoints", "cam0", sent))
    assert kept.stored == [b"keypoints2d"]
    assert encode("keypoints2d", "cam0", kept.sent[0][1]) == encode("keypoints2d", "cam0", sent)


def test_a_file_s_poses_are_never_too_late_and_say_so(kept, pass_ms):
    sent, publication = pose(5), live(kept, max_age_ms=None)
    pass_ms(5000)
    publication.pose(sent)
    assert kept.poses()[0].status == "OK" and not kept.poses()[0].live


def test_silence_is_told_within_500_ms_again_and_again(kept, pass_ms):
    publication = live(kept)
    publication.pose(pose(5))
    for _ in range(40):
        pass_ms(50)
        publication.silence()
    stale = kept.poses()[1:]
    assert len(stale) == 5 and all(one.status == "STALE" and one.people == () for one in stale)
    assert {one.stamp for one in stale} == {kept.poses()[0].stamp}
    assert stale[0].t_publish_ns - kept.poses()[0].t_publish_ns <= 500e6


def test_there_is_a_status_before_the_first_pose(kept, pass_ms):
    publication = Publication("cam0", kept, kept, AgeLimit(PublishConfig()), nothing_yet("cam0", 3, 77))
    pass_ms(401)
    publication.silence()
    (told,) = kept.poses()
    assert told.status == "STALE" and (told.stamp.stream, told.stamp.seq) == (3, 77)


def test_nobody_in_view_is_not_silence(kept, pass_ms):
    publication = live(kept)
    for seq in range(20):
        publication.pose(pose(seq, people=0))
        pass_ms(33)
        publication.silence()
    assert [one.status for one in kept.poses()] == ["NO_PERSON"] * 20


def test_poses_keypoints_and_hello_are_kept_in_the_ring_and_nothing_else(kept):
    publication = live(kept)
    publication.keypoints(keypoints(1))
    publication.pose(pose(1))
    publication.truth(TRUTH)
    publication.each_second(hello(), [Health("lift", "READY")])
    assert kept.stored == [b"keypoints2d", b"pose3d", b"hello"]
    assert [topic for topic, _ in kept.sent] == ["keypoints2d", "pose3d", "truth", "hello", "health"]


def test_what_the_ring_cannot_keep_is_published_and_told(kept, caplog):
    kept.full = True
    with caplog.at_level(logging.WARNING):
        live(kept).pose(pose(1))
    assert len(kept.sent) == 1 and "larger than a slot" in caplog.text


def test_hello_waits_for_the_info():
    told = hello_of("b0", "cam0", "c0", 150, FACTS)
    assert isinstance(told, Hello) and told.joints == ("a", "b") and told.clock == clock.identity()
    assert told.model_choice == ""
    assert (
        hello_of("b0", "cam0", "c0", 150, FACTS | {"model_choice": "auto took lite"}).model_choice == "auto took lite"
    )
    for missing in FACTS.keys() - {"provider"}:
        assert hello_of("b0", "cam0", "c0", 150, {k: v for k, v in FACTS.items() if k != missing}) is None


class FakeContext(SimpleNamespace):
    """What the supervisor gives to a stage."""

    last_answered = (0, -1)

    def beat(self):
        self.beats += 1

    def ready(self):
        self.is_ready.set()

    def idle(self): ...

    def set_info(self, **info): ...

    def info(self):
        return FACTS

    def health(self):
        return [Health(name, "READY") for name in ("capture", "detect", "lift")]

    def states(self):
        return [(1, b"")]

    def answered(self, stamp, took_ns, people=0):
        self.answers.append((stamp.seq, took_ns, people))
        return 40 + len(self.answers)


@pytest.fixture
def stage():
    """The publish stage in a thread, and the bus of those before it."""
    bind = free_address()
    with run_directory(bind) as directory:
        bus, ours = Bus(directory), Bus(directory)
        ctx = FakeContext(
            bus=bus, directory=directory, boot=boot_id(directory),
            config=RunConfig(source=SourceConfig(name="cam7"), publish=PublishConfig(bind)),
            stop=threading.Event(), is_ready=threading.Event(), beats=0, answers=[],
        )  # fmt: skip
        thread = threading.Thread(target=publish_stage.main, args=(ctx,))
        thread.start()
        assert ctx.is_ready.wait(5)
        yield SimpleNamespace(bind=bind, ctx=ctx, bus=ours)
        ctx.stop.set()
        thread.join(5)
        bus.close()
        ours.close()


def test_the_stage_relays_stamps_introduces_and_keeps(stage):
    senders = {topic: stage.bus.publisher(topic) for topic in ("pose", "keypoints_lifted", "truth")}
    ring = PoseRingReader(stage.bind)
    heard: dict[str, list] = {topic: [] for topic in TOPICS}
    seq = [0]

    def turn():
        seq[0] += 1
        senders["truth"].send(replace(TRUTH, stamp=stamp(seq[0])))
        senders["keypoints_lifted"].send(keypoints(seq[0]))
        senders["pose"].send(pose(seq[0]))
        while subscriber.poll(10):
            (part,) = subscriber.recv_multipart()
            topic, source, _ = split(part)
            heard[topic].append(decode(TOPICS[topic].message, part))
            assert source == "cam7"
        return all(heard[topic] for topic in ("pose3d", "keypoints2d", "truth", "hello")) and len(heard["health"]) >= 3

    with raw_socket(zmq.SUB) as subscriber:
        subscriber.connect(stage.bind)
        subscriber.subscribe("")
        until(turn)
    told = heard["pose3d"][-1]
    assert told.status == "OK" and told.dropped > 40 and told.t_publish_ns > told.stamp.t_capture_ns
    assert isinstance(heard["keypoints2d"][0], Keypoints2D) and isinstance(heard["truth"][0], Truth)
    assert [one.stage for one in heard["health"][:3]] == ["capture", "detect", "lift"]
    kept = [split(data)[0] for data in ring.drain()]
    assert {"pose3d", "keypoints2d", "hello"} == set(kept)
    assert stage.ctx.answers[-1][1] > 0 and stage.ctx.answers[-1][2] == 1
    ring.close()


def test_the_stage_never_goes_back_in_time(stage):
    poses, ring = stage.bus.publisher("pose"), PoseRingReader(stage.bind)
    seen = []

    def has_come(seq, stream=1):
        poses.send(pose(seq, stream=stream))
        seen.extend(decode(Pose3D, d) for d in ring.drain() if split(d)[0] == "pose3d")
        return any((one.stamp.stream, one.stamp.seq) == (stream, seq) for one in seen)

    until(lambda: has_come(10))
    for late in (10, 9, 3):
        poses.send(pose(late))
        until(lambda seq=late: has_come(11 + 10 - seq))
    until(lambda: has_come(1, stream=2))
    fresh = [one.stamp for one in seen if one.status == "OK"]
    assert [s.seq for s in fresh if s.stream == 1] == sorted({s.seq for s in fresh if s.stream == 1})
    assert 3 not in {s.seq for s in fresh} and fresh[-1].stream == 2
    ring.close()


def test_the_stage_beats_and_says_stale_when_nothing_comes(stage):
    ring, before = PoseRingReader(stage.bind), stage.ctx.beats
    poses = until(lambda: [decode(Pose3D, data) for data in ring.drain() if split(data)[0] == "pose3d"])
    assert poses[0].status == "STALE" and poses[0].stamp.seq == -1 and stage.ctx.beats > before
    ring.close()


def test_the_stage_starts_without_opencv():
    """A killed publisher is back within two seconds: a third of its start-up was an import it does not use."""
    code = "import sys, realtime.publish.stage; sys.exit('cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == 0


@pytest.mark.parametrize(("p95", "limit"), [(20, 150), (75, 150), (76, 200), (240, 500), (900, 1000)])
def test_the_limit_is_twice_the_95th_percentile_in_steps_and_within_bounds(p95, limit):
    assert limit_for(p95) == limit


def aged(limit, ages, began_s=100.0, every_s=0.1):
    """The limit after poses of these ages, in ms."""
    for n, age in enumerate(ages):
        limit.measure(age, int((began_s + n * every_s) * 1e9))
    limit.refresh(int((began_s + len(ages) * every_s) * 1e9))
    return limit.ms


def test_auto_follows_a_slow_machine_and_comes_back():
    limit = AgeLimit(PublishConfig())
    assert aged(limit, [200.0] * 10) == 150.0  # a second is too little
    assert aged(limit, [200.0] * 30) == 400.0
    assert aged(limit, [40.0] * 110, began_s=103) == 150.0


def test_a_pause_does_not_make_old_poses_current():
    """Three seconds of nothing, then the few poses that lay waiting."""
    limit = AgeLimit(PublishConfig())
    assert aged(limit, [40.0] * 90) == 150.0
    assert aged(limit, [3000.0, 2000.0, 900.0, 40.0], began_s=112.0) == 150.0


def test_a_limit_that_was_given_stays():
    assert aged(AgeLimit(PublishConfig(max_age_ms=90.0)), [300.0] * 60) == 90.0


def test_poses_of_a_slow_machine_are_current_once_their_age_is_measured_and_hello_says_so(kept, pass_ms):
    publication = Publication("cam0", kept, kept, AgeLimit(PublishConfig()), nothing_yet("cam0"))
    for seq in range(40):
        sent = stamp(seq)
        pass_ms(240)
        publication.relay_pose(plain(encode("pose", "cam0", replace(pose(seq), stamp=at(sent, 240)))))
        if seq % 4 == 3:
            publication.each_second(None, ())
    statuses = [one.status for one in kept.poses()]
    assert statuses[0] == "STALE" and set(statuses[16:]) == {"OK"}
    assert publication.limit.ms == 500.0


def at(sent, age_ms):
    """The same stamp, of a frame captured so long ago by the clock moved by hand."""
    return replace(sent, t_capture_ns=clock.now_ns() - int(age_ms * 1e6))
