from __future__ import annotations

import numpy as np

from realtime.detect.census import FEWER_MS, Census, strangers

FRAME_MS, LOOK_MS = 33, 500


def run(census: Census, there, frames: int, start_ms: int = 0) -> tuple[list[int], int]:
    """What was asked for in each frame, and the looks, before a detector that finds whom it is asked for."""
    asked, looks = [], 0
    for t_ms in range(start_ms, start_ms + frames * FRAME_MS, FRAME_MS):
        asked.append(census.wanted)
        found = min(there(t_ms), census.wanted)
        census.tracked(found, t_ms)
        if census.is_look_due(found, t_ms):
            looks += 1
            census.looked(min(there(t_ms), census.most), t_ms)
    return asked, looks


def test_one_person_is_searched_for_twice_a_second_and_not_in_every_frame():
    asked, looks = run(Census(4), lambda t: 1, 300)
    assert set(asked) == {1}
    assert 15 <= looks <= 300 * FRAME_MS / LOOK_MS + 1


def test_who_comes_is_asked_for_within_half_a_second_and_who_leaves_no_longer():
    census = Census(4)
    asked, _ = run(census, lambda t: 1 if t < 1000 else 3, 90)
    assert asked[1000 // FRAME_MS] == 1
    assert asked[(1000 + LOOK_MS) // FRAME_MS + 2] == 4  # there may be more still
    assert asked[(1000 + LOOK_MS + FEWER_MS) // FRAME_MS + 4] == asked[-1] == 3
    asked, _ = run(census, lambda t: 2, 40, start_ms=3000)
    assert asked[FEWER_MS // FRAME_MS - 1] == 3
    assert asked[-1] == 2


def test_an_empty_room_needs_no_looks_for_the_detector_searches_itself():
    asked, looks = run(Census(4), lambda t: 0, 60)
    assert (set(asked), looks) == ({1}, 0)


def test_no_more_are_asked_for_than_the_run_allows():
    census = Census(2)
    asked, _ = run(census, lambda t: 9, 60)
    assert max(asked) == 2
    assert run(census, lambda t: 9, 60, start_ms=5000)[1] == 0


def test_a_clock_that_jumps_back_does_not_end_the_looks():
    census = Census(2)
    run(census, lambda t: 1, 10, start_ms=10**9)
    assert run(census, lambda t: 1, 40)[1] >= 2


def test_without_looks_all_are_asked_for_in_every_frame():
    assert run(Census(4, look_ms=0), lambda t: 1, 60) == ([4] * 60, 0)


def test_a_search_that_finds_two_of_four_counts_those_who_are_not_tracked():
    body = np.random.default_rng(0).uniform(0, 1, (33, 2)).astype(np.float32) * (60, 200)
    at = [body + (150 * k, 0) for k in range(4)]
    assert strangers([at[2], at[0] + 3], at[:2]) == 1
    assert strangers([at[0] + 3, at[1] - 3], at[:2]) == 0
    assert strangers([at[3], at[2]], at[:2]) == 2
    assert strangers(at[:1], []) == 1
