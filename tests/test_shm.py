"""Shared memory of both kinds: really there, this user's alone, and it outlives its readers."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys

import pytest

from realtime import shm

KINDS = ["file", "named"]
NAME = f"steadypose-test-{os.getpid()}"


@pytest.fixture(params=KINDS)
def kind(request):
    yield request.param
    shm.unlink(NAME, request.param)


def test_what_is_written_is_read_and_only_read(kind):
    owner = shm.create(NAME, 5000, kind)
    reader = shm.attach(NAME, kind)
    owner.memory[4999] = 7
    assert reader.memory[4999] == 7 and len(reader.memory) >= 5000
    with pytest.raises(TypeError, match="read-only"):
        reader.memory[0] = 1
    reader.close()
    owner.close()


def test_nobody_else_may_read(kind):
    shm.create(NAME, 4096, kind).close()
    assert (shm.FOLDER / NAME).stat().st_mode & 0o777 == 0o600


def test_a_name_is_given_once_and_forgotten_when_unlinked(kind):
    segment = shm.create(NAME, 4096, kind)
    with pytest.raises(FileExistsError):
        shm.create(NAME, 4096, kind)
    assert segment.exists()
    assert shm.unlink(NAME, kind) and not shm.unlink(NAME, kind)
    assert not segment.exists()
    with pytest.raises(FileNotFoundError):
        shm.attach(NAME, kind)
    segment.close()


def test_a_replaced_segment_is_not_taken_for_the_old_one(kind):
    first = shm.create(NAME, 4096, kind)
    shm.unlink(NAME, kind)
    second = shm.create(NAME, 4096, kind)
    assert second.exists() and not first.exists()
    first.close()
    second.close()


def test_a_held_array_outlives_the_segment(kind):
    import numpy as np

    segment = shm.create(NAME, 4096, kind)
    held = np.frombuffer(segment.memory, np.uint8)
    shm.unlink(NAME, kind)
    segment.close()
    assert held.sum() == 0


@pytest.mark.parametrize(
    "name",
    ["", "other", "steadypose-", "steadypose-../../etc/passwd", "/etc/passwd", "steadypose-a/b", "steadypose-a\0b",
     "steadypose-" + "x" * 65],
)  # fmt: skip
def test_a_name_from_a_message_is_never_a_path(kind, name):
    for use in (lambda: shm.attach(name, kind), lambda: shm.create(name, 4096, kind), lambda: shm.unlink(name, kind)):
        with pytest.raises(ValueError, match="no name of a segment"):
            use()


def test_a_link_to_a_file_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (shm.FOLDER / NAME).symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic"):
        shm.attach(NAME, "file")
    shm.unlink(NAME, "file")


def test_another_users_segment_is_refused(monkeypatch):
    shm.create(NAME, 4096, "file").close()
    monkeypatch.setattr(os, "getuid", lambda: os.stat("/dev/shm").st_uid + 4711)
    with pytest.raises(PermissionError):
        shm.attach(NAME, "file")
    monkeypatch.undo()
    shm.unlink(NAME, "file")


def test_full_memory_is_told_in_numbers_and_leaves_nothing(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(shm.NoRoom, match=r"needs 5\.0 MB, has .* MB") as refused:
        shm.create(NAME, 5_000_000, "file")
    assert refused.value.exit_code == 4
    assert not (shm.FOLDER / NAME).exists()


def test_full_memory_is_told_by_the_portable_kind_too():
    with pytest.raises(shm.NoRoom):
        shm.create(NAME, shutil.disk_usage(shm.FOLDER).free * 2, "named")
    assert not (shm.FOLDER / NAME).exists()


def test_the_portable_kind_says_nothing_when_its_process_ends():
    """Python's resource tracker would complain, or delete what others use."""
    code = (
        f"from realtime import shm; s = shm.create({NAME!r}, 4096, 'named'); s.close(); shm.unlink({NAME!r}, 'named')"
    )
    done = subprocess.run([sys.executable, "-Werror", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
