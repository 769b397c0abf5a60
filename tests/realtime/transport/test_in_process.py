from __future__ import annotations

import threading
import time
from contextlib import closing

from realtime.pipeline import APART, LIVE
from realtime.transport.bus import Bus, TopicPublisher
from realtime.transport.in_process import GroupBus, Slot, SlotPublisher
from realtime.transport.runtime_dir import run_directory
from realtime.wire.messages import replace
from tests.support.peer import free_address, keypoints, until_heard


def test_a_slot_keeps_the_newest_and_gives_it_once():
    slot = Slot()
    slot.put("old")
    slot.put("new")
    assert slot.get(0) == "new"
    assert slot.get(0) is None


def test_a_waiting_reader_wakes_at_once():
    slot, got = Slot(), []
    reader = threading.Thread(target=lambda: got.append((slot.get(5000), time.monotonic())))
    reader.start()
    time.sleep(0.05)
    put_at = time.monotonic()
    slot.put("now")
    reader.join(5)
    assert got[0][0] == "now" and got[0][1] - put_at < 1


def test_a_message_reaches_the_stage_inside_and_the_process_outside():
    with run_directory(free_address()) as directory:
        inside = GroupBus(Bus(directory), LIVE, "estimate")
        outside = GroupBus(Bus(directory), LIVE, "publish")
        with closing(inside), closing(outside):
            near, far, publisher = (
                inside.latest("keypoints"),
                outside.latest("keypoints"),
                inside.publisher("keypoints"),
            )
            assert isinstance(near, Slot) and not isinstance(far, Slot)
            sent = keypoints(3)
            heard = until_heard(lambda: publisher.send(sent), lambda: far.get(10))
            assert heard.stamp == sent.stamp
            assert near.get(0) is sent  # the object itself


def test_a_topic_of_one_process_never_becomes_bytes_and_one_of_two_does():
    with run_directory(free_address()) as directory:
        for table, kind in ((LIVE, SlotPublisher), (APART, TopicPublisher)):
            with closing(GroupBus(Bus(directory), table, "estimate" if table is LIVE else "detect")) as bus:
                assert isinstance(bus.publisher("keypoints_raw"), kind)


def test_a_stage_waits_for_all_that_it_is_handed_at_once():
    with run_directory(free_address()) as directory, closing(GroupBus(Bus(directory), LIVE, "estimate")) as bus:
        taken, keypoints_raw, other = bus.latest("taken"), bus.latest("keypoints_raw"), bus.latest("keypoints")
        assert taken.bell is keypoints_raw.bell is not other.bell
        began = time.monotonic()
        waiting = threading.Timer(0.05, lambda: bus.publisher("keypoints_raw").send("found"))
        waiting.start()
        bus.wait_any((taken, keypoints_raw), 5000)
        assert time.monotonic() - began < 2
        assert (taken.get(0), keypoints_raw.get(0)) == (None, "found")
        waiting.join()


def test_what_is_not_finite_stays_where_it_was_made():
    with run_directory(free_address()) as directory, closing(GroupBus(Bus(directory), LIVE, "estimate")) as bus:
        near, publisher = bus.latest("keypoints"), bus.publisher("keypoints")
        sent = keypoints(3)
        bad = replace(sent.people[0], score=sent.people[0].score * float("nan"))
        publisher.send(replace(sent, people=(bad,)))
        assert near.get(0) is None
