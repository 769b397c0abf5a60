"""The stages of one process start in threads of their own, and import one after another."""

from __future__ import annotations

import sys
import threading
import time

from realtime.supervise import stage_runner

FILES = {
    "twined/__init__.py": "from twined import inner\n",
    "twined/inner.py": "",
    "stage_a.py": "import twined\ndef main(ctx): ...\n",
    "stage_b.py": "import twined.inner\ndef main(ctx): ...\n",
}


class SlowDisk:
    """A finder that takes its time over the package, so that a second thread comes in between."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def find_spec(self, name, path=None, target=None):
        if name == "twined":
            self.asked.set()
            time.sleep(1.0)


def test_stages_that_import_the_same_package_at_once_do_not_wait_for_each_other(tmp_path, monkeypatch):
    """Python 3.12 and newer end one start in many with a deadlock of import locks: all stages import `engines`."""
    (tmp_path / "twined").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    disk = SlowDisk()
    monkeypatch.setattr(sys, "meta_path", [disk, *sys.meta_path])
    loaded: list[str] = []

    def start(stage: str) -> None:
        loaded.append(stage_runner.load(f"{stage}:main").__module__)

    threads = [threading.Thread(target=start, args=(stage,)) for stage in ("stage_a", "stage_b")]
    for thread in threads:
        thread.start()
        assert disk.asked.wait(30)
    for thread in threads:
        thread.join()
    for name in ("twined", "twined.inner", "stage_a", "stage_b"):
        sys.modules.pop(name, None)
    assert sorted(loaded) == ["stage_a", "stage_b"]
