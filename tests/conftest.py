"""Every test has a runtime directory of its own and leaves no process, segment, socket, context or thread behind.

A leak fails the test that made it; processes and contexts that leaked are ended first, so that the next test starts
clean.  Shared memory is only told: it may be another run's that has not mapped it yet.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch's threads of several files would spin for each other's cores

RUNTIME_DIR = "STEADYPOSE_RUNTIME_DIR"
SHM = Path("/dev/shm")
TESTS = Path(__file__).parent
GRACE_S = 3.0  # for what was told to stop


LONG = {  # folder of tests -> its mark: what `make test` leaves to `make test-all`
    "faults": "fault",
    "timing": "timing",
    "trainers/recipes": "learning",
    "trainers/training": "learning",
}

ALONE = ("timing", "soak")  # these watch a clock closely: no other test runs beside them; and what is marked `alone`
FIRST = ("test_container.py", "test_install.py")  # minutes each: they begin, so that nobody waits for them at the end


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.parent.relative_to(TESTS).as_posix()
        for place, mark in LONG.items():
            if folder == place or folder.startswith(f"{place}/"):
                item.add_marker(mark)
        if any(item.get_closest_marker(mark) for mark in ALONE):
            item.add_marker("alone")
    items.sort(key=lambda item: (item.path.name not in FIRST, item.get_closest_marker("soak") is not None))


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """What a command that a test calls in this process does to the environment is undone: it marks it as its own."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def runtime_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Short, because socket paths are limited; unique, because it tells our processes from all others."""
    place = Path(tempfile.mkdtemp(prefix="sp-"))
    monkeypatch.setenv(RUNTIME_DIR, str(place))
    monkeypatch.setenv("COLUMNS", "200")  # what is printed wraps the same on every terminal
    segments, threads = shared_memory(), set(threading.enumerate())
    yield place
    leaks = [
        *wait_gone(lambda: processes_of(place), kill),
        *wait_gone(lambda: new_threads(threads), lambda _: None),
        *wait_gone(lambda: sorted(ours(shared_memory() - segments)), lambda _: None),  # told, never deleted
        *wait_gone(lambda: sorted(sockets(place)), lambda _: None),
        *wait_gone(open_contexts, lambda context: context.destroy(linger=0)),
    ]
    shutil.rmtree(place, ignore_errors=True)
    assert not leaks, f"left behind: {', '.join(leaks)}"


def wait_gone(look, remove):
    """Names of what is still there after the grace; then it is removed."""
    end = time.monotonic() + GRACE_S
    while (left := list(look())) and time.monotonic() < end:
        time.sleep(0.02)
    names = [str(one) for one in left]
    for one in left:
        remove(one)
    return names


def processes_of(place: Path) -> list[psutil.Process]:
    """Children, and whoever else carries this test's runtime directory: also those whose parent was killed."""
    found = set(psutil.Process().children(recursive=True))
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(RUNTIME_DIR) == str(place):
                found.add(process)
        except psutil.Error:
            continue
    return [p for p in found if alive(p)]


def alive(process: psutil.Process) -> bool:
    try:
        tracker = "resource_tracker" in " ".join(process.cmdline())  # Python's own; lives as long as this process
        return not tracker and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def kill(process: psutil.Process) -> None:
    try:
        process.kill()
        process.wait(GRACE_S)
    except psutil.Error:
        return


def new_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t not in before and not t.daemon and t.is_alive()]


def shared_memory() -> set[str]:
    return set(os.listdir(SHM)) if SHM.is_dir() else set()


def ours(names: set[str]) -> set[str]:
    """Not those of another run on this machine: its processes have them mapped."""
    suspects = {name for name in names if name.startswith("steadypose")}
    return {name for name in suspects if not mapped_elsewhere(SHM / name)} if suspects else set()


def mapped_elsewhere(segment: Path) -> bool:
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            if int(maps.parent.name) != os.getpid() and str(segment) in maps.read_text():
                return True
        except OSError:
            continue
    return False


def sockets(place: Path) -> Iterator[str]:
    for path in place.rglob("*"):
        if path.is_socket():
            yield str(path)


CONTEXTS: weakref.WeakSet = weakref.WeakSet()


def open_contexts() -> list:
    return [context for context in CONTEXTS if not context.closed]


@pytest.fixture(autouse=True, scope="session")
def counted_contexts() -> Iterator[None]:
    """Remembers every ZeroMQ context that a test opens."""
    import zmq

    made = zmq.Context.__init__

    def remembered(self, *args, **kwargs):
        made(self, *args, **kwargs)
        CONTEXTS.add(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zmq.Context, "__init__", remembered)
        yield
