"""A page gets the newest of each kind and, when it stops acknowledging, nothing that piles up."""

from realtime.viewer.outbox import Outbox


def test_only_the_newest_of_a_kind_waits():
    box = Outbox()
    for i in range(5):
        box.put("pose3d/cam0", b"%d" % i)
    box.put("hello/cam0", b"h")
    assert [box.take(), box.take(), box.take()] == [b"4", b"h", None]
    assert box.replaced == {"pose3d": 4}


def test_a_page_that_does_not_acknowledge_gets_no_more():
    box = Outbox(in_flight=3)
    sent = []
    for i in range(10):
        box.put("pose3d/cam0", b"%d" % i)
        sent.append(box.take())
    assert sent == [b"0", b"1", b"2"] + [None] * 7
    box.acknowledge(2)
    assert box.take() == b"9" and box.take() is None and box.room == 1


def test_acknowledging_more_than_was_sent_gives_no_credit():
    box = Outbox(in_flight=2)
    box.acknowledge(1000)
    assert box.room == 2
    box.put("a", b"1")
    box.take()
    box.acknowledge(-5)
    assert box.room == 1


def test_a_replaced_message_goes_behind_the_others():
    box = Outbox()
    box.put("a", b"old")
    box.put("b", b"b")
    box.put("a", b"new")
    assert [box.take(), box.take()] == [b"b", b"new"]
