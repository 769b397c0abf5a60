"""The soak: it counts what it says, and a run under kills and stops keeps its promises."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from realtime.soak import endurance
from realtime.soak.endurance import Endurance, Endured
from realtime.soak.harm import Harm, choose, inflict
from realtime.soak.report import ShutdownResult, figures, lines, promises
from realtime.soak.usage import ProcessMemory, Usage, growth
from realtime.soak.witness import Counts, add
from tests.support.peer import free_address

MS = 1_000_000


def heard(counts: Counts, seq: int, **other) -> None:
    """One pose of frame `seq`, published 50 ms after it was captured."""
    at = seq * 33 * MS
    plain: dict = {"status": "OK", "people": [], "t_capture_ns": at, "t_publish_ns": at + 50 * MS, "stream": 1}
    plain |= {"seq": seq, "dropped": 0} | other
    add(counts, plain, plain["t_publish_ns"], 150.0, undisturbed=True)


def broken(counts: Counts, endured: Endured | None = None, end: ShutdownResult | None = None) -> list[str]:
    return [
        p.name
        for p in promises(endured or Endured(samples=[FLAT] * 8), counts, end or ShutdownResult(130, 0, 0))
        if not p.holds
    ]


FLAT = Usage(0.0, (ProcessMemory("supervisor", 1, 300.0),), 100, 30, 2, 4)


def test_a_clean_stream_keeps_all_promises():
    counts = Counts()
    for seq in range(20):
        heard(counts, seq)
    assert (counts.poses, counts.streams) == (20, 1)
    assert broken(counts) == []


def test_what_the_publisher_tells_of_is_no_loss_and_what_it_does_not_is():
    counts = Counts()
    heard(counts, 0)
    heard(counts, 4, dropped=3)
    assert (counts.dropped, counts.lost) == (3, 0)
    heard(counts, 7, dropped=3)
    assert (counts.dropped, counts.lost) == (3, 2)
    assert broken(counts) == ["frames lost and not told while nothing was done"]


@pytest.mark.parametrize(
    ("wrong", "promise"),
    [
        ({"t_publish_ns": 10**12}, "old poses that passed for current, on the wire"),
        ({"people": [{"xyz": np.array([np.nan], "<f4").tobytes()}]}, "arrays with numbers that are not finite"),
        ({"seq": 0}, "frames out of order"),
    ],
)
def test_each_broken_promise_is_seen(wrong, promise):
    counts = Counts()
    heard(counts, 0)
    heard(counts, **({"seq": 1} | wrong))
    assert promise in broken(counts)


def test_a_stale_message_is_no_answer():
    counts = Counts()
    heard(counts, 0, status="STALE")
    assert (counts.poses, counts.announced_stale) == (0, 1)


def test_an_answer_that_says_it_is_late_is_told_and_a_silence_that_says_so_is_none():
    counts = Counts()
    heard(counts, 0)
    heard(counts, 1, status="STALE")
    heard(counts, 2, status="STALE")
    heard(counts, 2, status="STALE")  # nothing came: the last frame's stamp once more
    heard(counts, 4, dropped=1)
    assert (counts.poses, counts.announced_stale, counts.late) == (2, 3, 2)
    assert (counts.dropped, counts.lost, counts.out_of_order) == (1, 0, 0)
    heard(counts, 7, status="STALE", dropped=1)
    assert counts.lost == 2  # a late answer hides no loss
    assert counts.longest_gap_ms < 100


@pytest.mark.parametrize("name", ["memory_mb", "descriptors", "threads", "segments", "processes"])
def test_growth_is_seen(name):
    more = larger(FLAT, 25).memory if name == "memory_mb" else getattr(FLAT, name) + 25
    grown = replace(FLAT, **{name.removesuffix("_mb"): more})
    assert broken(Counts(), Endured(samples=[FLAT] * 6 + [grown] * 2)) == [f"growth of {name}"]


def larger(usage: Usage, megabytes: float) -> Usage:
    """The last of its processes holds so much more."""
    *others, last = usage.memory
    return replace(usage, memory=(*others, replace(last, megabytes=last.megabytes + megabytes)))


def lives(*ages: float) -> list[Usage]:
    """Samples of one supervisor and of an estimate of these ages: 0 for one that was started again."""
    samples, pid, began = [], 2, 0.0
    for at, age in enumerate(ages):
        if age == 0:
            pid, began = pid + 1, 100.0 * at
        memory = (ProcessMemory("supervisor", 1, 46.0), ProcessMemory("estimate", pid, 330.0 if age else 280.0))
        samples.append(replace(FLAT, at_s=began + age, memory=memory))
    return samples


def test_a_process_that_grows_up_is_no_leak_and_one_that_is_larger_at_its_age_is():
    young, early, late = (0, 0, 0, 0), (0, 0, 0, 15), (0, 15, 16, 17)
    samples = lives(*young, *early, *young, *late)
    memory = growth(samples)[0]
    assert memory.early == memory.late == 46.0 + (280.0 + 330.0) / 2
    leaky = samples[:12] + [larger(usage, 25) for usage in samples[12:]]
    assert broken(Counts(), Endured(samples=leaky)) == ["growth of memory_mb"]


def test_a_process_without_a_like_age_counts_with_its_medians():
    memory = growth(lives(0, 0, 0, 0, 0, 0, 15, 16))[0]
    assert (memory.early, memory.late) == (326.0, 376.0)


def test_what_is_left_behind_is_seen():
    assert broken(Counts(), end=ShutdownResult(1, 2, 3)) == [
        "exit code beside 0 and 130", "processes left behind", "segments of shared memory left behind",
    ]  # fmt: skip


def test_harm_is_drawn_from_what_runs_and_is_done():
    class Draw:
        choice, uniform = staticmethod(lambda names: names[-1]), staticmethod(lambda low, high: low)
        random = staticmethod(lambda: 0.9)

    assert choose(Draw, {"capture": 1, "publish": None}) == Harm("capture", "stop", 0.2)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    inflict(Harm("sleeper", "stop", 0.01), sleeper.pid)
    assert sleeper.poll() is None
    inflict(Harm("sleeper", "kill"), sleeper.pid)
    assert sleeper.wait(5) == -signal.SIGKILL
    inflict(Harm("sleeper", "kill"), sleeper.pid)  # gone already


class LateKill:
    """A run whose supervisor kills a stage that has answered again: seen one line later, whole again after three."""

    running = True
    calls = 0

    @property
    def told(self) -> int:
        self.calls += 1
        return self.calls // 3

    @property
    def whole(self) -> bool:
        return self.told not in (1, 2, 3)


class NoClient:
    def latest(self) -> SimpleNamespace:
        return SimpleNamespace(stamp=SimpleNamespace(t_capture_ns=0), status="STALE")

    def limit_ms(self) -> float:
        return 150.0


def soak_of(program: object, monkeypatch: pytest.MonkeyPatch) -> Endurance:
    monkeypatch.setattr(endurance, "TURN_S", 0.0)
    monkeypatch.setattr(endurance, "SETTLE_S", 0.0)
    witness = SimpleNamespace(counts=Counts(), undisturbed=False)
    return Endurance(program, witness, NoClient(), random.Random(0))  # type: ignore[arg-type]


def test_a_harm_lasts_until_a_line_told_since_says_that_all_processes_are_there(monkeypatch):
    program = LateKill()
    soak_of(program, monkeypatch).settle()
    assert program.told > 3


def test_a_loss_is_told_with_what_was_done_before(monkeypatch):
    soak = soak_of(LateKill(), monkeypatch)
    soak.look()
    soak.witness.counts.lost = 5
    soak.look()
    soak.look()
    assert len(soak.endured.losses) == 1
    assert soak.endured.losses[0].startswith("5 frames, 0.0 s after: the first pose")


def test_recoveries_are_told_by_what_was_done():
    taken = {"stop publish": [3.0], "kill capture": [0.5, 0.7], "kill publish": [0.6]}
    found = Endured(
        harms=Counter({name: len(times) for name, times in taken.items()}), samples=[FLAT] * 8, recoveries_s=taken
    )
    text = lines(found, Counts(), ShutdownResult(130, 0, 0))
    rows = {row[:31].strip(): row[31:].split() for row in text if row[31:].split()[:1] in (["1"], ["2"], ["3"], ["4"])}
    assert list(rows) == ["kill capture", "kill publish", "stop publish", "any kill", "any stop", "anything"]
    assert rows["kill capture"][0] == "2" and rows["any kill"] == ["3", "0.60", "0.69", "0.70"]
    assert rows["any stop"] == ["1", "3.00", "3.00", "3.00"] and rows["anything"][0] == "4"
    told = figures(found, Counts(), ShutdownResult(130, 0, 0))["recovery_s"]
    assert told["any kill"]["p50"] == 0.6 and set(told) == set(rows)
    nothing = lines(Endured(samples=[FLAT] * 8), Counts(), ShutdownResult(130, 0, 0))
    assert "nothing was done to it" in nothing
    lost = Endured(harms=Counter({"kill capture": 1}), samples=[FLAT] * 8, not_recovered=["kill capture"])
    assert "nothing was done to it" not in lines(lost, Counts(), ShutdownResult(130, 0, 0))


@pytest.mark.soak
@pytest.mark.mediapipe
@pytest.mark.timeout(400)
def test_a_minute_under_kills_and_stops_keeps_every_promise():
    minutes = os.environ.get("SOAK_MINUTES", "1")
    words = ["soak", "--minutes", minutes, "--bind", free_address(), "--", "--demo", "--size", "320x240"]
    done = subprocess.run([sys.executable, "-m", "realtime", *words], capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, f"{found['broken']}\n{done.stdout}\n{done.stderr[-2000:]}"
    assert sum(found["harms"].values()) >= 5
    assert found["poses"] > 300
