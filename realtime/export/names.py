"""Clean names of a recording before they are written: no control characters, no spreadsheet formulas."""

from __future__ import annotations

import re

FORMULA = ("=", "+", "-", "@")
LONGEST = 60


def plain(text: str) -> str:
    """Escape control characters (`\\x1b`) and put `'` before what a spreadsheet would compute."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[:LONGEST])
    return f"'{shown}" if shown.startswith(FORMULA) else shown


def identifier(text: str) -> str:
    """Convert a name to one ASCII word, as BVH, TRC, C3D and glTF readers take it."""
    return re.sub(r"[^A-Za-z0-9_.:-]", "_", text[:LONGEST]).lstrip("-") or "_"
