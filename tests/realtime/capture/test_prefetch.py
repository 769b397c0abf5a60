from __future__ import annotations

import threading

import pytest

from realtime.capture.prefetch import DEPTH, ahead


def test_the_same_items_in_the_same_order():
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert list(ahead(iter([]))) == []
    assert list(ahead(iter([None, ValueError, None]))) == [None, ValueError, None]


def test_it_reads_ahead_and_no_further_than_its_depth():
    read, far_enough = [], threading.Event()

    def source():
        for n in range(50):
            read.append(n)
            if n == DEPTH + 1:
                far_enough.set()
            yield n

    items = ahead(source())
    assert next(items) == 0
    assert far_enough.wait(5)
    assert len(read) <= DEPTH + 2
    items.close()


def test_what_the_source_raises_comes_behind_what_it_gave():
    def source():
        yield 1
        raise OSError("the disk has gone")

    items = ahead(source())
    assert next(items) == 1
    with pytest.raises(OSError, match="the disk has gone"):
        next(items)


def test_a_reader_that_stops_ends_the_thread():
    items = ahead(iter(range(1000)))
    next(items)
    items.close()
    assert not [t for t in threading.enumerate() if t.name == "ahead"]
