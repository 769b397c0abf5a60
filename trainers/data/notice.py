"""Carry a data folder's licence notice to what is made of it: derived data, checkpoints, model cards."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

NOTICE = "NOTICE.txt"
LIMIT = 4000  # characters of one notice


def notice_of(folders: Iterable[str | Path]) -> str:
    """Return the notices of these folders in one paragraph, each once; of a folder without one, that it has none."""
    return " ".join(dict.fromkeys(words(Path(folder)) for folder in folders)) or "no data"


def words(folder: Path) -> str:
    path = (folder if folder.is_dir() else folder.parent) / NOTICE
    if not path.is_file():
        return f"{folder.name}: no {NOTICE} in it, so the terms of this data are not known."
    return " ".join(path.read_text(encoding="utf-8", errors="replace")[:LIMIT].split())


def keep_notice(sources: Iterable[str | Path], out: Path) -> None:
    """Write the sources' notices beside what is made of them, unless none has one."""
    sources = list(sources)
    folders = [Path(one) if Path(one).is_dir() else Path(one).parent for one in sources]
    if any((folder / NOTICE).is_file() for folder in folders) and not (out / NOTICE).exists():
        (out / NOTICE).write_text(notice_of(sources) + "\n", encoding="utf-8")
