"""Hand the viewer's address to a browser without telling it to anybody else.

A browser's command line is readable by every user of the machine, so it names a file of this user alone, which leads
on to the address with its token.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realtime.transport.runtime_dir import base_directory, private_directory

PAGE = '<!doctype html><meta charset="utf-8"><title>steadypose</title><meta http-equiv="refresh" content="0;url={url}">'


@contextmanager
def doorway(address: str, port: int) -> Iterator[Path]:
    """Write a page that leads to `address`, readable by this user only; it is removed with the block."""
    path = private_directory(base_directory()) / f"viewer-{port}.html"
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(PAGE.format(url=html.escape(address)))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
