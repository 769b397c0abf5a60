"""A camera on another machine: clocks, the bound on what is under way, JPEGs that lie, and both ends on loopback."""

from __future__ import annotations

import itertools
import threading
from collections import deque

import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime import clock
from realtime.capture.remote.clock_offset import ClockOffset
from realtime.capture.remote.jpeg import jpeg_size, read_jpeg, write_jpeg
from realtime.capture.remote.remote_source import RemoteSource
from realtime.capture.remote.send_window import FEWEST, MOST, SendWindow
from realtime.capture.source import BadPicture, Picture
from realtime.config import loader
from realtime.config.schema import SourceConfig
from realtime.config.yaml_file import ConfigError
from realtime.transport.keys import client_keys
from realtime.transport.picture_link import CameraEnd
from realtime.wire.array_codec import MessageError
from realtime.wire.messages import Stamp
from realtime.wire.remote import ClockAnswer, ClockQuestion, Here, Receipt, RemotePicture, read_note, write_note
from tests.support.keyed import make_folders
from tests.support.peer import free_address, until

MS = 1_000_000
YEAR_NS = 365 * 86400 * 10**9


@settings(deadline=None)
@given(
    offset=st.integers(-YEAR_NS, YEAR_NS),
    ways=st.lists(st.tuples(st.integers(0, 500 * MS), st.integers(0, 500 * MS)), min_size=1, max_size=90),
)
def test_the_offset_is_within_its_bound_whatever_the_ways_take(offset, ways):
    estimate, t1 = ClockOffset(), YEAR_NS * 2
    for there, back in ways:
        t2 = t1 + there + offset
        t3 = t2 + 40_000
        t4 = t1 + there + 40_000 + back
        estimate.add(t1, t2, t3, t4)
        best = estimate.best(t4)
        assert abs(best.offset_ns - offset) <= best.error_ns(t4) + 1
        t1 += 500 * MS


def test_the_least_delay_counts_until_it_is_old():
    estimate = ClockOffset()
    estimate.add(0, 1 * MS, 1 * MS, 2 * MS)  # exact: 0
    estimate.add(10 * MS, 60 * MS, 60 * MS, 70 * MS)  # off by 20 ms
    assert estimate.best(100 * MS).offset_ns == 0
    assert "+0.0000 s ± 1.0 ms" in estimate.describe(2 * MS)
    later = 1_000_000 * MS  # clocks may have parted by 50 ms since
    estimate.add(later, later + 50 * MS, later + 50 * MS, later + 60 * MS)
    assert estimate.best(later + 60 * MS).offset_ns == 20 * MS


@pytest.mark.parametrize("bad", [(10, 0, 0, 5), (0, 5, 4, 10), (0, 0, 50, 10)])
def test_an_answer_that_cannot_be_is_none(bad):
    estimate = ClockOffset()
    estimate.add(*bad)
    assert len(estimate) == 0 and estimate.best(0) is None


def simulated(frames: int, fps: float, way_s: float, picture_s: float, window: SendWindow) -> tuple[list[float], int]:
    """Ages on arrival (s) after a link whose queue takes all, and how many pictures left; the newest waits its turn."""
    receipts: deque[tuple[float, int]] = deque()
    free_s, ages, sent, pending = 0.0, [], 0, None
    for step in range(int(frames / fps * 1000)):
        now = step / 1000
        while receipts and receipts[0][0] <= now:
            at, seq = receipts.popleft()
            window.receipt(1, seq, int(at * 1e9))
        if step % round(1000 / fps) == 0:
            pending = (step, now)
        if pending and window.is_open(int(now * 1e9)):
            seq, captured = pending
            pending, free_s = None, max(free_s, now) + picture_s
            window.left(1, seq, int(now * 1e9))
            receipts.append((free_s + 2 * way_s, seq))
            ages.append(free_s + way_s - captured)
            sent += 1
    return ages, sent


def test_a_link_that_is_too_narrow_holds_at_most_a_few():
    window = SendWindow()
    ages, _ = simulated(300, 30, 0.005, 0.1, window)  # ten pictures a second fit
    assert window.size <= 3 and max(ages[10:]) < 0.36


def test_a_link_that_is_long_but_wide_carries_every_picture():
    window = SendWindow()
    ages, sent = simulated(300, 30, 0.08, 0.001, window)  # 160 ms there and back: five under way
    assert window.size >= 5 and sent > 270 and max(ages) < 0.2


def test_what_gets_no_receipt_is_given_up():
    window = SendWindow()
    for n in itertools.takewhile(lambda _: window.is_open(0), range(MOST)):
        window.left(1, n, 0)
    assert len(window) == FEWEST and not window.is_open(1000 * MS)
    assert window.is_open(1600 * MS) and window.given_up == FEWEST
    window.receipt(1, 0, 1700 * MS)  # too late: it counts for nothing
    assert window.size == FEWEST


def test_a_jpeg_tells_its_size_before_memory_is_taken():
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    data = write_jpeg(image, 90)
    assert jpeg_size(data) == (64, 48)
    assert read_jpeg(data, (64, 48)).shape == (48, 64, 3)
    at = data.index(b"\xff\xc0")
    bomb = data[: at + 5] + b"\xff\xff\xff\xff" + data[at + 9 :]
    assert jpeg_size(bomb) == (65535, 65535)
    for bad, size in (
        (data, (640, 480)),
        (bomb, (64, 48)),
        (bomb, (65535, 65535)),
        (data[:40], (64, 48)),
        (b"", (0, 0)),
    ):
        with pytest.raises(BadPicture):
            read_jpeg(bad, size)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_size_or_none(data):
    assert jpeg_size(b"\xff\xd8\xff" + data) is None or len(data) > 5


@settings(deadline=None)
@given(st.sampled_from([b"here", b"picture", b"clock?", b"clock", b"receipt", b"x"]), st.binary(max_size=300))
def test_random_notes_are_refused_as_messages(kind, body):
    with pytest.raises(MessageError):
        read_note(kind, b"\x81" + body)


def test_notes_come_back_as_they_were():
    for note in (Here("c", 30.0), ClockQuestion(5), ClockAnswer(1, 2, 3), Receipt(7, 8)):
        assert read_note(*write_note(note)) == note


class Camera:
    """The camera's machine, whose clock is ahead by `ahead_ns`; sends when it is told to."""

    def __init__(self, address: str, ahead_ns: int = 0, keys=None) -> None:
        self.context = zmq.Context()
        self.end, self.ahead_ns = CameraEnd(self.context, address, keys), ahead_ns
        self.receipts: list[int] = []
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def _answer(self) -> None:
        here, silent = clock.Pace(0.1), clock.Deadline(1000)
        while not self._stop.wait(0.002):
            with self._lock:
                if here.due():
                    self.end.send(Here(f"clock{self.ahead_ns}"))
                if silent.passed():  # as the send stage does: libzmq gives a refused connection up
                    self.end.renew()
                    silent = clock.Deadline(1000)
                while note := self.end.receive():
                    silent = clock.Deadline(1000)
                    now = clock.now_ns() + self.ahead_ns
                    if isinstance(note, ClockQuestion):
                        self.end.send(ClockAnswer(note.sent_ns, now, now))
                    elif isinstance(note, Receipt):
                        self.receipts.append(note.seq)

    def send(self, seq: int, shade: int = 100, size: tuple[int, int] | None = None) -> int:
        """When it was captured, on the clock of the poses' machine."""
        at = clock.now_ns()
        image = np.full((48, 64, 3), shade, np.uint8)
        with self._lock:
            sent = self.end.send(
                RemotePicture(Stamp("there", 9, seq, at + self.ahead_ns, 0), *(size or (64, 48))), write_jpeg(image, 90)
            )
        return at if sent else 0

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.end.close()
        self.context.term()


class Receiver:
    """Reads a RemoteSource in a thread, as the grabber does."""

    def __init__(self, spec: str, keys=None, **config) -> None:
        self.source = RemoteSource(SourceConfig(spec=spec, **config), keys)
        self.pictures: list[Picture] = []
        self.damaged = 0
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                picture = self.source.read()
            except BadPicture:
                self.damaged += 1
                continue
            if picture is None:
                return
            self.pictures.append(picture)

    def close(self) -> None:
        self.source.interrupt()
        self._thread.join()
        self.source.close()


@pytest.fixture
def ends():
    opened = []

    def keep(one):
        opened.append(one)
        return one

    yield keep
    for one in reversed(opened):
        one.close()


def known(receiver: Receiver) -> bool:
    return "±" in receiver.source.note()


@pytest.mark.parametrize("ahead_ns", [0, YEAR_NS, -3 * 10**9])
def test_stamps_are_of_this_machine_s_clock_whatever_the_other_one_says(ends, ahead_ns):
    address = free_address()
    receiver = ends(Receiver(address.replace("tcp", "remote")))
    assert receiver.source.note() == f"waiting for a camera at {address}"
    camera = ends(Camera(address, ahead_ns))
    until(lambda: known(receiver) and "clock_error_ms" in receiver.source.info(), 20)
    captured = camera.send(3)
    picture = until(lambda: receiver.pictures and receiver.pictures[-1])
    bound_ns = receiver.source.info()["clock_error_ms"] * MS
    assert abs(picture.stamp.t_capture_ns - captured) <= bound_ns + MS
    assert abs(receiver.source.info()["clock_offset_ms"] * MS - ahead_ns) <= bound_ns + MS
    assert picture.stamp.source == "cam0" and picture.stamp.seq == 3 and picture.image.shape == (48, 64, 3)
    until(lambda: camera.receipts == [3])


def test_only_the_newest_of_those_that_wait_is_shown_and_stamps_always_grow(ends):
    address = free_address()
    receiver = ends(Receiver(address.replace("tcp", "remote")))
    camera = ends(Camera(address))
    until(lambda: known(receiver), 20)
    for seq in range(40):
        until(lambda seq=seq: camera.send(seq))  # the queue is short
    later = itertools.count(40)  # on a busy machine those of the burst may be too old to be shown
    until(lambda: camera.send(next(later)) and receiver.pictures and receiver.pictures[-1].stamp.seq >= 39, 20)
    until(lambda: camera.receipts and camera.receipts[-1] >= 39)  # in order; a few may find no place
    assert camera.receipts == sorted(set(camera.receipts))
    stamps = [picture.stamp for picture in receiver.pictures]
    assert [s.seq for s in stamps] == sorted({s.seq for s in stamps}) and len({s.stream for s in stamps}) == 1
    assert all(a.t_capture_ns < b.t_capture_ns <= clock.now_ns() for a, b in itertools.pairwise(stamps))


def test_a_picture_that_lies_about_its_size_is_damaged_and_the_next_one_is_shown(ends):
    address = free_address()
    receiver = ends(Receiver(address.replace("tcp", "remote")))
    camera = ends(Camera(address))
    until(lambda: known(receiver), 20)
    camera.send(1, size=(640, 480))
    until(lambda: receiver.damaged == 1)
    camera.send(2)
    until(lambda: receiver.pictures)


def test_a_second_camera_is_refused_until_the_first_is_silent(ends):
    address = free_address()
    receiver = ends(Receiver(address.replace("tcp", "remote")))
    first = Camera(address)
    try:
        until(lambda: known(receiver), 20)
        second = ends(Camera(address))
        until(lambda: receiver.source.turned_away > 3)
        assert "second camera refused" in receiver.source.note()
        first.send(1, 20)
        until(lambda: receiver.pictures)
    finally:
        first.close()
    until(lambda: second.send(2, 200) and receiver.pictures[-1].image.mean() > 150, 10)
    assert len({picture.stamp.stream for picture in receiver.pictures}) == 2


def test_a_receiver_that_comes_back_is_found_again(ends):
    address = free_address()
    camera = ends(Camera(address))
    for seq in range(2):
        receiver = Receiver(address.replace("tcp", "remote"))
        try:
            until(lambda receiver=receiver: known(receiver), 8)
            camera.send(seq)
            until(lambda receiver=receiver: receiver.pictures)
        finally:
            receiver.close()


def test_with_keys_a_listed_camera_alone_is_let_in(ends, runtime_dir, caplog):
    folders, address = make_folders(runtime_dir), free_address()
    receiver = ends(Receiver(address.replace("tcp", "remote"), str(folders["publisher"])))
    strangers = {"unlisted": "listed", "wrong key": "wrong", "no keys": ""}  # `listed` may read, not send
    for why, who in strangers.items():
        one = Camera(address, keys=client_keys(folders[who]) if who else None)
        try:
            until(lambda why=why: f"refused, {why}" in caplog.text, 20)
        finally:
            one.close()
    assert receiver.source.note().startswith("waiting") and not receiver.pictures
    camera = ends(Camera(address, keys=client_keys(folders["camera"])))
    until(lambda: known(receiver), 20)
    camera.send(1)
    until(lambda: receiver.pictures)


@pytest.mark.parametrize(
    "flags",
    [
        {"source.spec": "remote://192.0.2.1:5600"},
        {"remote.to": "tcp://192.0.2.1:5600"},
        {"remote.to": "tcp://box:5600"},
    ],
)
def test_pictures_cross_a_network_with_keys_only(flags):
    flags = {key: (f"--{key}", value) for key, value in flags.items()}
    with pytest.raises(ConfigError, match="realtime keys allow DIR NAME --camera"):
        loader.load(None, flags)
    assert loader.load(None, flags | {"publish.keys": ("--keys", "somewhere")})
    assert loader.load(None, flags | {"publish.insecure": ("--insecure", True)})
