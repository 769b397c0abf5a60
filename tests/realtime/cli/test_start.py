"""A start is quick because of what it leaves out: figures, a second OpenCV, whatever only other commands need."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.peer import free_address

FIRST_LINE_S = 1.2  # of processor time; on a machine that does nothing else it is also the time that passes
HEAVY = ("cv2", "mediapipe", "onnxruntime", "matplotlib", "websockets", "asyncio", "torch", "scipy", "PIL")
FIGURES = ("matplotlib", "PIL", "scipy", "pandas", "sounddevice", "torch", "IPython", "tkinter")


def loaded(code: str, names: tuple[str, ...]) -> list[str]:
    """Which of these modules a fresh interpreter holds after this code."""
    asked = f"import sys\n{code}\nprint('loaded:', *(n for n in {names!r} if n in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
        capture_output=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].removeprefix("loaded:").split()


def test_import_realtime_loads_next_to_nothing():
    assert loaded("import realtime", (*HEAVY, "numpy", "zmq", "yaml", "msgpack")) == []


def test_a_client_loads_no_detector_and_no_pictures():
    assert loaded("from realtime import PoseClient; PoseClient", HEAVY) == []


@pytest.mark.mediapipe  # a run wants the detector's model
def test_what_starts_a_run_loads_neither_networks_nor_pictures():
    """Up to the moment at which its processes start."""
    code = f"""
from realtime.cli import main
from realtime.supervise import supervisor
supervisor.run = lambda config, report: 0
assert main.main(["run", "--demo", "--bind", "{free_address()}"]) == 0
"""
    assert loaded(code, HEAVY) == []


@pytest.mark.mediapipe
def test_the_detector_s_process_loads_one_opencv_and_nothing_that_draws_figures():
    code = """
import numpy as np
from realtime.config.schema import DetectorConfig
from realtime.detect import stage
from realtime.detect.mediapipe_detector import open_detector
from realtime.occlude import stage, optical_flow
from realtime.lift import stage
detector = open_detector(DetectorConfig())
detector.detect(np.zeros((64, 64, 3), np.uint8), 40)
detector.close()
"""
    assert loaded(code, (*FIGURES, "cv2")) == ["cv2"]


def test_there_is_one_opencv():
    assert len(set(packages_distributions().get("cv2", []))) == 1


@pytest.mark.mediapipe
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processor time of a child that runs is read in /proc")
def test_the_first_line_comes_within_its_time():
    command = [sys.executable, "-m", "realtime", "run", "--demo", "--bind", free_address()]
    took = []
    for _ in range(3):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout.readline().startswith("poses on tcp://")
            stat = Path(f"/proc/{run.pid}/stat").read_text().rpartition(")")[2].split()
            took.append((int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK"))
            run.terminate()
            run.wait(20)
    assert min(took) <= FIRST_LINE_S
