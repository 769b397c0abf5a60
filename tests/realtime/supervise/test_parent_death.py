from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from multiprocessing import Pipe

import pytest

from realtime.supervise import parent_death

CHILD_OF_A_KILLED_PARENT = """
import os, signal, subprocess, sys
from realtime.supervise.parent_death import die_with
if len(sys.argv) > 1:
    die_with(int(sys.argv[1]))
    print(os.getpid(), flush=True)
    signal.pause()
child = subprocess.Popen([sys.executable, *sys.orig_argv[1:], str(os.getpid())])
signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl")
def test_the_kernel_kills_a_child_with_its_parent(tmp_path):
    import psutil

    script = tmp_path / "parent.py"
    script.write_text(CHILD_OF_A_KILLED_PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=with_path())
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    child.wait(2)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl")
def test_a_child_whose_parent_died_before_it_could_ask_ends_itself():
    code = "from realtime.supervise.parent_death import die_with; die_with(1); print('alive')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=with_path())
    assert done.returncode == parent_death.ORPHANED and done.stdout == ""


def with_path() -> dict[str, str]:
    import os

    return os.environ | {"PYTHONPATH": os.pathsep.join(p for p in (os.getcwd(), os.environ.get("PYTHONPATH")) if p)}


def test_a_word_on_the_pipe_means_stop():
    ours, theirs = Pipe()
    stop = threading.Event()
    listener = threading.Thread(target=parent_death.obey, args=(theirs, stop))
    listener.start()
    ours.send_bytes(b"stop")
    assert stop.wait(5)
    listener.join()
    ours.close(), theirs.close()


def test_the_end_of_the_pipe_means_that_the_supervisor_is_gone():
    code = (
        "import threading; from multiprocessing import Pipe; from realtime.supervise.parent_death import obey; "
        "ours, theirs = Pipe(); ours.close(); obey(theirs, threading.Event())"
    )
    done = subprocess.run([sys.executable, "-c", code], env=with_path())
    assert done.returncode == parent_death.ORPHANED


class Kernel32:
    """Windows' functions, as far as a job needs them."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses, self.limits, self.joined = refuses, None, None

        class Function:
            def __init__(self, call) -> None:
                self.call = call

            def __call__(self, *arguments):
                return self.call(*arguments)

        self.CreateJobObjectW = Function(lambda *_: 42)
        self.GetCurrentProcess = Function(lambda: 7)

    def SetInformationJobObject(self, job, kind, limits, size) -> int:
        self.limits = (job.value, kind, limits._obj.flags, size)  # type: ignore[assignment]
        return 1

    def AssignProcessToJobObject(self, job, process) -> int:
        self.joined = (job.value, process.value)  # type: ignore[assignment]
        return 0 if self.refuses else 1


def test_windows_puts_this_process_into_a_job_that_dies_with_it():
    kernel = Kernel32()
    assert parent_death._join_job(kernel).value == 42
    assert kernel.joined == (42, 7)
    assert kernel.limits[:3] == (42, 9, 0x2000)
    if ctypes.sizeof(ctypes.c_void_p) == 8:
        assert kernel.limits[3] == 144  # of JOBOBJECT_EXTENDED_LIMIT_INFORMATION on 64 bits


def test_windows_without_a_job_is_an_error():
    with pytest.raises(OSError, match="refused a job object"):
        parent_death._join_job(Kernel32(refuses=True))


def test_elsewhere_it_is_nothing():
    with parent_death.kill_children_with_this_process():
        pass
