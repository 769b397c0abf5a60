"""Read the comments of a module's fields, and fit texts into cells of a Markdown table."""

from __future__ import annotations

import ast
import inspect
from typing import Any


def comments(module: Any) -> dict[tuple[str, str], str]:
    """(class, field) -> the comment on the field's line."""
    text = inspect.getsource(module)
    lines, found = text.splitlines(), {}
    for node in (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)):
        for one in node.body:
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
                _, _, comment = lines[one.lineno - 1].partition("  # ")
                found[node.name, one.target.id] = comment
    return found


def cell(text: str) -> str:
    return text.replace("|", "\\|")
