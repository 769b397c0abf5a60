"""Generate the Python API page from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import realtime

DOCS = Path(__file__).parents[1]
FIELDS_ELSEWHERE = (  # their fields are listed there
    "Pose",
    "Person",
    "Joint",
    "Hello",
    "Recording",
    "Source",
    "JointState",
)
CALLS = ("PoseClient", "process", "load_recording", "Pose", "Person", "Joint", "JointState", "Hello", "Recording",
         "Source", "Picture", "Stamper")  # fmt: skip
METHODS = {"PoseClient": ("__iter__", "latest", "hello", "joints", "keypoints2d", "truth", "health", "close"),
           "Pose": ("with_joints",), "Person": ("__getitem__",), "Recording": ("joints",),
           "Source": ("read",), "Stamper": ("stamp", "skip")}  # fmt: skip


def python_api() -> str:
    page = (DOCS / "python-api.head.txt").read_text(encoding="utf-8")
    for name in CALLS:
        thing = getattr(realtime, name)
        page += f"\n## {name}\n\n```python\n{head(name, thing)}\n```\n\n{prose(inspect.getdoc(thing) or '')}\n"
        for method in METHODS.get(name, ()):
            page += member(name, thing, method)
    return page


def member(name: str, thing: Any, method: str) -> str:
    found = inspect.getattr_static(thing, method)
    if isinstance(found, property):
        return f"\n**`{name}.{method}`**: {prose(inspect.getdoc(found) or '')}\n"
    call = {"__iter__": f"for pose in {name}", "__getitem__": f"{name}[name]"}.get(method)
    title, about = call or f"{name}.{method}", prose(inspect.getdoc(found) or "")
    return f"\n### {title}\n\n```python\n{method}{signature(found)}\n```\n\n{about}\n"


def head(name: str, thing: Any) -> str:
    return f"class {name}" if name in FIELDS_ELSEWHERE else f"{name}{signature(thing)}"


def signature(thing: Any) -> str:
    """How a function is called, one argument a line where they are long."""
    given = inspect.signature(thing)
    parts = [argument(one) for one in given.parameters.values() if one.name != "self"]
    answer = known_as(given.return_annotation)
    arrow = "" if answer in ("None", "") else f" -> {answer}"
    short = f"({', '.join(parts)}){arrow}"
    return short if len(short) < 80 else "(\n    " + ",\n    ".join(parts) + f",\n){arrow}"


def argument(one: inspect.Parameter) -> str:
    stars = "**" if one.kind is one.VAR_KEYWORD else "*" if one.kind is one.VAR_POSITIONAL else ""
    default = "" if one.default is one.empty else f" = {one.default!r}"
    return f"{stars}{one.name}: {known_as(one.annotation)}{default}"


def known_as(annotation: Any) -> str:
    """Write an annotation in the public names."""
    text = "" if annotation is inspect.Signature.empty else str(annotation)
    return text.replace("'", "").replace("Person3D", "Person").replace("Pose3D", "Pose")


def prose(text: str) -> str:
    """Convert a docstring to Markdown: its sections become lists."""
    out = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped in ("Args:", "Returns:", "Raises:", "Yields:", "Attributes:"):
            out.append(f"\n**{stripped[:-1]}**\n")
        elif line.startswith("    ") and not line.startswith("     ") and re.match(r"[\w, ]+: ", stripped):
            word, _, rest = stripped.partition(": ")
            out.append(f"* `{word}`: {rest}")
        else:
            out.append(f"  {stripped}" if line.startswith("     ") else stripped)
    return "\n".join(out)
