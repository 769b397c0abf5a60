"""The bench itself, short, with the real detector: the ratio, and three times the aims.

Other programs on the machine make figures worse, never better: the better of two attempts counts.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from realtime.bench.report import AIMS
from tests.support.peer import free_address

FACTOR = 3.0
DETECTOR_MS = 10.0  # of the machine the aims were set on; a slower one is given more time, in proportion
RATIO = 0.75  # of the aim's 0.9: turns are short here


def bench() -> dict:
    command = [sys.executable, "-m", "realtime.cli.main", "bench", "--seconds", "5", "--rounds", "2", "--frames", "60"]
    done = subprocess.run(
        [*command, "--bind", free_address()], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def missed(found: dict) -> list[str]:
    slower = max(1.0, found["latency"]["detector"]["p50_ms"] / DETECTOR_MS)
    limits = {name: aim * FACTOR for name, aim in AIMS.items() if name != "throughput_ratio"}
    limits |= {name: limits[name] * slower for name in ("added_p50_ms", "added_p99_ms")}
    wrong = [f"{name} {found[name]} > {limit:g}" for name, limit in limits.items() if not found[name] <= limit]
    return wrong + [f"throughput_ratio {found['throughput_ratio']}"] * (found["throughput_ratio"] < RATIO)


@pytest.mark.mediapipe
@pytest.mark.slow
@pytest.mark.timeout(420)
def test_the_pipeline_adds_little_to_its_detector():
    first = bench()
    assert first["answered"] > 100
    assert not (wrong := missed(first)) or not (wrong := missed(bench())), wrong
