"""Break the product on purpose, one safeguard at a time, and see that a test notices: `make mutants`.

Each mutant is applied to a copy of the tree; the tests meant to catch it run there and must fail.  They are run on the
untouched copy first: a test that fails by itself catches nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
COPIED = ("realtime", "engines", "tests", "pyproject.toml", "configs")


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]  # as pytest is given them


MUTANTS = (
    Mutant(
        "parent-death signal", "realtime/supervise/parent_death.py",
        "PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0", "PR_SET_PDEATHSIG, 0, 0, 0, 0",
        ("tests/faults/test_h_running.py::test_h21_a_stopped_child_dies_with_a_killed_supervisor",),
    ),
    Mutant(
        "forgiveness", "realtime/supervise/supervisor.py", "worker.forgive(paused_s)", "pass",
        ("tests/faults/test_h_running.py::test_h22_nobody_is_killed_for_the_silence_of_a_paused_supervisor",),
    ),
    Mutant(
        "checksum", "realtime/recording/file_format.py", " or checksum(kind, payload) != crc", "",
        ("tests/realtime/recording/test_file_format.py",),
    ),
    Mutant(
        "pacing", "realtime/supervise/worker.py", "min(PACING_S * 2**again, PACING_MAX_S)", "0.0",
        ("tests/realtime/supervise/test_worker.py",),
    ),
    Mutant(
        "stale detection", "realtime/publish/publisher.py",
        "<= max_age_ms + pose.look_ahead_ms", "<= 1e12", ("tests/realtime/publish",),
    ),
    Mutant(
        "digest", "engines/store.py", "if found != wanted:", "if False:",
        ("tests/faults/engines/test_e_engines.py", "-k", "e2 or e3"),
    ),
    Mutant(
        "NaN guard", "realtime/wire/array_codec.py",
        'if array.dtype.kind == "f" and not np.logical_and.reduce(np.isfinite(array), None):', "if False:",
        ("tests/realtime/wire/test_messages.py",),
    ),
    Mutant(
        "owner check", "engines/trust.py", "if owners and status.st_uid not in owners:", "if False:",
        ("tests/faults/engines/test_e_engines.py", "-k", "e12"),
    ),
    Mutant(
        "bounds", "realtime/wire/codec.py", "if not bounds.low <= number <= bounds.high:", "if False:",
        ("tests/faults/test_h_messages.py", "-k", "h10_nonsense_that"),
    ),
    Mutant(
        "enforced domain", "realtime/transport/authenticator.py",
        "    socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)", "    pass",
        ("tests/faults/test_g_keys.py", "-k", "g5_without_its_authenticator"),
    ),
    Mutant(
        "allow-list", "realtime/transport/authenticator.py", "if name else (b", "if frames else (b",
        ("tests/faults/test_g_keys.py", "-k", "unlisted or camera_s"),
    ),
    Mutant(
        "mode of a secret", "realtime/transport/keys.py", "0o077 if secret else 0o022", "0o002",
        ("tests/faults/test_g_keys.py", "-k", "g6"),
    ),
    Mutant(
        "JPEG size", "realtime/capture/remote/jpeg.py", "if size != jpeg_size(data) or", "if",
        ("tests/realtime/capture/test_remote.py", "-k", "jpeg or lies"),
    ),
    Mutant(
        "send window", "realtime/capture/remote/send_window.py",
        "self.size = max(FEWEST, self.size - 1)", "self.size = MOST",
        ("tests/realtime/capture/test_remote.py", "-k", "too_narrow"),
    ),
    Mutant(
        "ring sequence", "realtime/transport/frame_ring.py",
        'return made if int(mark["before"]) == wanted.generation else None', "return made",
        ("tests/faults/test_c_shared_memory.py", "-k", "c5"),
    ),
    Mutant(
        "Host", "realtime/web/access.py",
        'if self.listen.loopback and host_of(headers.get("Host", "")) not in HERE:', "if False:",
        ("tests/realtime/web/test_access.py",),
    ),
    Mutant(
        "Origin", "realtime/web/access.py",
        "if own or origin in self.origins or (self.programs and not origin):", "if True:",
        ("tests/realtime/web/test_access.py",),
    ),
    Mutant(
        "token", "realtime/web/access.py", "return bool(wanted) and hmac.compare_digest(", "return True or bool(",
        ("tests/realtime/web/test_access.py",),
    ),
    Mutant(
        "turn limit", "realtime/bridges/avatar/turn_limit.py",
        "return np.where((angle > most)[:, None, None], start @ part, end)", "return end",
        ("tests/realtime/bridges/test_avatars.py", "-m", "not slow and not soak", "-k", "limit or trackers_turn"),
    ),
    Mutant(
        "subscription limit", "realtime/transport/publishers.py",
        "if self._subscriptions > SUBSCRIPTIONS:", "if False:",
        ("tests/faults/test_b_transport.py", "-k", "b8_endless"),
    ),
)  # fmt: skip


def main(names: list[str]) -> int:
    """Answer 0 when each mutant is caught by its tests."""
    chosen = [m for m in MUTANTS if not names or m.name in names]
    with tempfile.TemporaryDirectory(prefix="sp-mutants-") as name:
        copy = Path(name)
        for part in COPIED:
            source = ROOT / part
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, copy / part, ignore=ignore) if source.is_dir() else shutil.copy2(source, copy)
        results = [tried(mutant, copy) for mutant in chosen]
    print(f"{sum(results)} of {len(chosen)} mutants are caught")
    return 0 if all(results) else 1


def tried(mutant: Mutant, copy: Path) -> bool:
    """One line about one mutant; the copy is as before afterwards."""
    path = copy / mutant.file
    whole = path.read_text(encoding="utf-8")
    if whole.count(mutant.old) != 1:
        print(
            f"{mutant.name}: {mutant.file} holds {mutant.old!r} {whole.count(mutant.old)} times, expected once",
            flush=True,
        )
        return False
    if not passes(mutant.tests, copy):
        print(f"{mutant.name}: {' '.join(mutant.tests)} fails without it too", flush=True)
        return False
    path.write_text(whole.replace(mutant.old, mutant.new), encoding="utf-8")
    caught = not passes(mutant.tests, copy)
    path.write_text(whole, encoding="utf-8")
    print(f"{mutant.name}: {'caught' if caught else 'NOT CAUGHT'} by {' '.join(mutant.tests)}", flush=True)
    return caught


def passes(tests: tuple[str, ...], copy: Path) -> bool:
    """Do they, in the copy?  An error in collecting them is no answer."""
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", *tests]
    env = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=copy, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(tests)}: pytest ended with {done.returncode}\n{done.stdout[-2000:]}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
