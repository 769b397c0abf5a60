"""Shared memory of both kinds: really there, this user's alone, and it outlives its readers."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys

import pytest

from realtime.transport import shared_memory

KINDS = ["file", "named"]
NAME = f"steadypose-test-{os.getpid()}"


@pytest.fixture(params=KINDS)
def kind(request):
    yield request.param
    shared_memory.unlink(NAME, request.param)


def test_what_is_written_is_read_and_only_read(kind):
    owner = shared_memory.create(NAME, 5000, kind)
    reader = shared_memory.attach(NAME, kind)
    owner.memory[4999] = 7
    assert reader.memory[4999] == 7 and len(reader.memory) >= 5000
    with pytest.raises(TypeError, match="read-only"):
        reader.memory[0] = 1
    reader.close()
    owner.close()


def test_nobody_else_may_read(kind):
    shared_memory.create(NAME, 4096, kind).close()
    assert (shared_memory.FOLDER / NAME).stat().st_mode & 0o777 == 0o600


def test_a_name_is_given_once_and_forgotten_when_unlinked(kind):
    segment = shared_memory.create(NAME, 4096, kind)
    with pytest.raises(FileExistsError):
        shared_memory.create(NAME, 4096, kind)
    assert segment.exists()
    assert shared_memory.unlink(NAME, kind) and not shared_memory.unlink(NAME, kind)
    assert not segment.exists()
    with pytest.raises(FileNotFoundError):
        shared_memory.attach(NAME, kind)
    segment.close()


def test_a_replaced_segment_is_not_taken_for_the_old_one(kind):
    first = shared_memory.create(NAME, 4096, kind)
    shared_memory.unlink(NAME, kind)
    second = shared_memory.create(NAME, 4096, kind)
    assert second.exists() and not first.exists()
    first.close()
    second.close()


def test_a_held_array_outlives_the_segment(kind):
    import numpy as np

    segment = shared_memory.create(NAME, 4096, kind)
    held = np.frombuffer(segment.memory, np.uint8)
    shared_memory.unlink(NAME, kind)
    segment.close()
    assert held.sum() == 0


@pytest.mark.parametrize(
    "name",
    ["", "other", "steadypose-", "steadypose-../../etc/passwd", "/etc/passwd", "steadypose-a/b", "steadypose-a\0b",
     "steadypose-" + "x" * 65],
)  # fmt: skip
def test_a_name_from_a_message_is_never_a_path(kind, name):
    for use in (
        lambda: shared_memory.attach(name, kind),
        lambda: shared_memory.create(name, 4096, kind),
        lambda: shared_memory.unlink(name, kind),
    ):
        with pytest.raises(ValueError, match="no name of a segment"):
            use()


def test_a_link_to_a_file_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (shared_memory.FOLDER / NAME).symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic"):
        shared_memory.attach(NAME, "file")
    shared_memory.unlink(NAME, "file")


def test_another_users_segment_is_refused(monkeypatch):
    shared_memory.create(NAME, 4096, "file").close()
    monkeypatch.setattr(os, "getuid", lambda: os.stat("/dev/shm").st_uid + 4711)
    with pytest.raises(PermissionError):
        shared_memory.attach(NAME, "file")
    monkeypatch.undo()
    shared_memory.unlink(NAME, "file")


def test_full_memory_is_told_in_numbers_and_leaves_nothing(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(shared_memory.NoRoom, match=r"needs 5\.0 MB, has .* MB") as refused:
        shared_memory.create(NAME, 5_000_000, "file")
    assert refused.value.exit_code == 4
    assert not (shared_memory.FOLDER / NAME).exists()


def test_full_memory_is_told_by_the_portable_kind_too():
    with pytest.raises(shared_memory.NoRoom):
        shared_memory.create(NAME, shutil.disk_usage(shared_memory.FOLDER).free * 2, "named")
    assert not (shared_memory.FOLDER / NAME).exists()


def test_the_portable_kind_says_nothing_when_its_process_ends():
    """Python's resource tracker would complain, or delete what others use."""
    code = (
        "from realtime.transport import shared_memory as shm; "
        f"s = shm.create({NAME!r}, 4096, 'named'); s.close(); shm.unlink({NAME!r}, 'named')"
    )
    done = subprocess.run([sys.executable, "-Werror", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
