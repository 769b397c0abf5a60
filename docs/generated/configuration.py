"""Generate the configuration page: every key with default, keyword, bounds and unit."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from generated.tables import cell, comments
from realtime.config import schema
from realtime.config.keywords import keywords

DOCS = Path(__file__).parents[1]


def configuration() -> str:
    page = (DOCS / "configuration.head.txt").read_text(encoding="utf-8")
    notes, words = comments(schema), {path: word for word, path in keywords().items()}
    for section, hint in get_type_hints(schema.RunConfig).items():
        page += f"\n## {section}\n\n| key | default | keyword | |\n|---|---|---|---|\n" + settings(
            hint, section, notes, words
        )
    return page


def settings(kind: Any, path: str, notes: dict[tuple[str, str], str], words: dict[str, str]) -> str:
    rows, hints = "", get_type_hints(kind)
    for one in fields(kind):
        if is_dataclass(hints[one.name]):
            rows += settings(hints[one.name], f"{path}.{one.name}", notes, words)
            continue
        unit = one.metadata.get("unit", "")
        bounds = f"{one.metadata['low']:g} to {one.metadata['high']:g} {unit}" if unit else choices(hints[one.name])
        about = "; ".join(part for part in (bounds, notes[kind.__name__, one.name]) if part)
        word = f"`{words[f'{path}.{one.name}']}`" if f"{path}.{one.name}" in words else ""
        rows += f"| `{path}.{one.name}` | `{plain(one.default)}` | {word} | {cell(about)} |\n"
    return rows


def choices(hint: Any) -> str:
    return "one of " + ", ".join(map(str, get_args(hint))) if get_origin(hint) is Literal else ""


def plain(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) or '""'
