from __future__ import annotations

import logging
import subprocess
import sys

from realtime.supervise.logs import Calm


def record(text: str, *args: object, name: str = "lift") -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, "", 0, text, args, None)


def test_each_kind_passes_once_per_period():
    calm = Calm(period_s=60)
    assert calm.filter(record("late by %d ms", 5))
    assert not calm.filter(record("late by %d ms", 6))
    assert calm.filter(record("another %d", 1))
    assert calm.filter(record("late by %d ms", 5, name="detect"))


def test_what_was_held_back_is_counted_in_the_next_line():
    calm = Calm(period_s=0)
    calm.period_s = 60
    calm.filter(record("late by %d ms", 1))
    for n in range(9):
        calm.filter(record("late by %d ms", n))
    calm.period_s = 0
    line = record("late by %d ms", 7)
    assert calm.filter(line)
    assert line.getMessage() == "late by 7 ms (and 9 more like it)"


def test_kinds_without_end_take_no_memory_without_end():
    calm = Calm(period_s=60)
    for n in range(5000):
        calm.filter(record(f"every line another {n}"))
    assert len(calm._passed) <= 1000


def test_lines_name_their_stage_on_stderr():
    code = "import logging, realtime.supervise.logs as l; l.start_logging(); logging.getLogger('lift').warning('late')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "lift: late\n" and done.stdout == ""
