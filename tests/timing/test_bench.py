"""The bench itself, short, with the real detector: ratios to the bare loop beside it, which ran on the same machine.

Other programs on the machine make figures worse, never better: the better of two attempts counts.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.peer import free_address

LIMITS = {  # looser than the aims: turns are short here and the machine is shared
    "added_to_detector": 0.6,
    "cpu_beyond_detector": 0.6,
    "memory_mb": 500.0,
    "dropped_share": 0.15,
}
RATIO = 0.75  # of the bare loop's rate


def bench() -> dict:
    command = [sys.executable, "-m", "realtime.cli.main", "bench", "--seconds", "5", "--rounds", "2", "--frames", "60"]
    done = subprocess.run(
        [*command, "--bind", free_address()], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def missed(found: dict) -> list[str]:
    wrong = [f"{name} {found[name]} > {limit:g}" for name, limit in LIMITS.items() if not found[name] <= limit]
    return wrong + [f"throughput_ratio {found['throughput_ratio']}"] * (found["throughput_ratio"] < RATIO)


@pytest.mark.mediapipe
@pytest.mark.slow
@pytest.mark.timeout(420)
def test_the_pipeline_adds_little_to_its_detector():
    first = bench()
    assert first["answered"] > 100
    assert not (wrong := missed(first)) or not (wrong := missed(bench())), wrong
