"""Show how a download grows, whichever client fetches: by what lies in the folder it writes into."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_S = 0.1


@contextmanager
def progress(text: str, staging: Path, size: int) -> Iterator[None]:
    """Provide a bar on stderr while the block lasts; `size` in bytes."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn(text), BarColumn(), DownloadColumn())
    done = threading.Event()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("fetch", total=size)
        show: Callable[[int], None] = lambda n: bar.update(task, completed=min(n, size))  # noqa: E731
        watcher = threading.Thread(target=_watch, args=(staging, show, done))
        watcher.start()
        try:
            yield
            bar.update(task, completed=size)
        finally:
            done.set()
            watcher.join()


def _watch(staging: Path, show: Callable[[int], None], done: threading.Event) -> None:
    while not done.wait(LOOK_S):
        show(folder_size(staging))


def folder_size(folder: Path) -> int:
    """Return the size of all files below a folder, bytes; files may vanish meanwhile."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(root, name)).st_size
            except FileNotFoundError:  # moved on between listing and asking
                continue
    return total
