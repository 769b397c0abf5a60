"""Generate the protocol page: topics, messages, field types and joint states."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from generated.tables import cell, comments
from realtime.wire import messages
from realtime.wire.array_codec import Within
from realtime.wire.joint import JointState
from realtime.wire.topics import TOPICS

DOCS = Path(__file__).parents[1]


def protocol() -> str:
    notes = comments(messages)
    public = [(name, topic) for name, topic in TOPICS.items() if topic.public]
    topics = "\n".join(
        f"| `{name}/<source>` | {topic.rate_hz:g} | [{topic.message.__name__}](#{name}) |" for name, topic in public
    )
    parts = {"pose3d": messages.Person3D, "keypoints2d": messages.Person2D}
    sections = ""
    for name, topic in public:
        sections += f"\n## {name}\n\n{message_table(topic.message, notes)}"
        if name in parts:
            sections += f"\n### One of `people`\n\n{message_table(parts[name], notes)}"
    states = "\n".join(f"| {state.value} | `{state.name}` | {cell(meaning)} |" for state, meaning in state_notes())
    return (DOCS / "protocol.head.txt").read_text(encoding="utf-8").format(
        version=messages.VERSION, topics=topics, stamp=message_table(messages.Stamp, notes), states=states
    ) + sections  # fmt: skip


def message_table(kind: Any, notes: dict[tuple[str, str], str]) -> str:
    hints = get_type_hints(kind, include_extras=True)
    rows = [
        f"| `{one.name}` | {wire_type(hints[one.name])} | {cell(notes[kind.__name__, one.name])} |"
        for one in fields(kind)
        if not one.metadata.get("flat") and one.metadata.get("wire", True)
    ]
    about = inspect.getdoc(kind) or ""
    return f"{about.splitlines()[0]}\n\n| field | type | |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def wire_type(hint: Any) -> str:
    """Name a field's type as it travels."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        shape = [str(a) for a in args[1:] if isinstance(a, (str, int))]
        if not shape:
            return f"{wire_type(args[0])}, {bounds_of(args[1])}"
        element = "uint8" if "uint8" in str(args[0]) else "float32"
        if shape[0] == "P":
            return f"list of P: {element} ({', '.join(shape[1:])})"
        return f"{element} ({', '.join(shape)})"
    if origin in (UnionType, Union):
        return " or ".join("null" if a is NoneType else wire_type(a) for a in args)
    if origin is Literal:
        return "text"
    if origin is tuple:
        return f"list of {wire_type(args[0])}" if args[-1] is Ellipsis else f"list of {len(args)} {wire_type(args[0])}"
    if origin is dict:
        return "map"
    return {int: "int", float: "float", str: "text", bool: "bool"}.get(hint, "map")


def bounds_of(one: Within) -> str:
    """Describe the bounds beyond which a reader refuses a value."""
    return f"{one.low:g} to {one.high:g}" if one.high < 2**31 else f"from {one.low:g} on"


def state_notes() -> list[tuple[JointState, str]]:
    lines = inspect.getsource(JointState).splitlines()
    return [(one, next(x for x in lines if x.strip().startswith(one.name)).split("  # ")[1]) for one in JointState]
