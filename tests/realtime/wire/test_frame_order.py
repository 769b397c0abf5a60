from __future__ import annotations

import logging

from realtime.wire.frame_order import FrameOrder, goes_on, starts_anew
from realtime.wire.messages import Stamp


def stamp(seq: int, stream: int = 1) -> Stamp:
    return Stamp("cam0", stream, seq, seq, seq)


def test_a_new_stream_starts_anew():
    assert starts_anew(None, stamp(0)) and starts_anew(stamp(5), stamp(0, stream=2))
    assert not starts_anew(stamp(5), stamp(6))


def test_time_never_goes_back_within_a_stream():
    assert goes_on(None, stamp(0)) and goes_on(stamp(5), stamp(6)) and goes_on(stamp(5), stamp(0, stream=2))
    assert not goes_on(stamp(5), stamp(5)) and not goes_on(stamp(5), stamp(4))


def test_what_is_ignored_is_counted(caplog):
    order = FrameOrder(logging.getLogger("lift"))
    taken = [order.takes(stamp(seq)) for seq in (0, 1, 1, 3, 2, 4)]
    assert taken == [True, True, False, True, False, True]
    assert order.ignored == 2 and order.last == stamp(4)
    assert len(caplog.records) == 1  # once a second
