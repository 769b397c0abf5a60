"""Start `realtime run` as a user does, follow the lines it prints, end it, and see what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

SETTINGS = "pipeline:\n  max_restarts: 1000\npublish:\n  max_age_ms: 150\n"  # it must not give up, nor be patient
END_S = 10.0


class Program:
    """A run in a process and a runtime directory of its own; its newest line of JSON is in `now`."""

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        settings = folder / "soak.yaml"
        settings.write_text(SETTINGS)
        runtime = folder / "runtime"
        runtime.mkdir(mode=0o700)
        command = [sys.executable, "-m", "realtime", "run", "--config", str(settings), "--json", *words]
        self.now: dict[str, Any] = {}
        self.told = 0  # lines so far
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"STEADYPOSE_RUNTIME_DIR": str(runtime)}
        )
        self._reader = threading.Thread(target=self._read, name="lines of the run")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with suppress(json.JSONDecodeError):
                self.now = json.loads(line)
                self.told += 1

    def pids(self) -> dict[str, int | None]:
        """Process -> its number, up to a second old."""
        return dict(self.now.get("pids", {}))

    @property
    def whole(self) -> bool:
        """By its newest line: every process runs and is ready."""
        return bool(self.now.get("ready")) and all(self.pids().values())

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def end(self) -> int:
        """Ctrl-C, as a user would; killed when it does not end.  Its exit code."""
        if self.running:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        return self.process.returncode
