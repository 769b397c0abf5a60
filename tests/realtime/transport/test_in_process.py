from __future__ import annotations

import threading
import time
from contextlib import closing

from realtime.pipeline import APART, LIVE
from realtime.transport.bus import Bus, TopicPublisher
from realtime.transport.in_process import GroupBus, Slot, SlotPublisher
from realtime.transport.runtime_dir import run_directory
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


def test_a_message_reaches_the_stage_inside_as_the_object_itself():
    with run_directory(free_address()) as directory, closing(GroupBus(Bus(directory), LIVE, "estimate")) as bus:
        reader, publisher = bus.latest("keypoints"), bus.publisher("keypoints")
        sent = keypoints(3)
        publisher.send(sent)
        assert reader.get(0) is sent


def test_a_message_reaches_another_process_as_bytes():
    with run_directory(free_address()) as directory:
        inside = GroupBus(Bus(directory), LIVE, "estimate")
        outside = GroupBus(Bus(directory), LIVE, "publish")
        with closing(inside), closing(outside):
            publisher, far = inside.publisher("keypoints_lifted"), outside.latest("keypoints_lifted")
            sent = keypoints(3)
            heard = until_heard(lambda: publisher.send(sent), lambda: far.get(10))
            assert heard.stamp == sent.stamp and heard is not sent


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
