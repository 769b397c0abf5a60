"""`realtime bridge TO` as its user starts it, and what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time


class BridgeCommand:
    """Runs until the block ends; `said` waits for a line."""

    def __init__(self, *words: object, **environment: str) -> None:
        self.words, self.environment = [str(word) for word in words], environment
        self.lines: list[str] = []
        self._news = threading.Condition()

    def __enter__(self) -> BridgeCommand:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "realtime.cli.main", "bridge", *self.words], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ | self.environment,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.rstrip())
                self._news.notify_all()

    def said(self, pattern: str, since: int = 0, timeout_s: float = 40.0) -> str:
        """The first line since that number in which the pattern is found."""
        end = time.monotonic() + timeout_s
        with self._news:
            while time.monotonic() < end:
                if found := next((line for line in self.lines[since:] if re.search(pattern, line)), None):
                    return found
                self._news.wait(0.2)
        raise AssertionError(f"nothing like {pattern!r} among {self.lines}")

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(15)

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._thread.join()
        assert self.process.stderr
        self.process.stderr.close()
