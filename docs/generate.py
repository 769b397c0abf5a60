"""Write the pages that the code holds already: protocol, command line, configuration, Python API.

`python docs/generate.py` writes them; a test compares them with what it would write.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import realtime
from engines import cli as engines_cli
from realtime.cli import main as realtime_cli
from realtime.config import schema
from realtime.config.keywords import keywords
from realtime.wire import messages
from realtime.wire.array_codec import Within
from realtime.wire.joint import JointState
from realtime.wire.topics import TOPICS

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))  # this file is run, or loaded by its path

from man_page import man_page  # noqa: E402

NOTE = "<!-- written by `python docs/generate.py`; change it there or in the code -->\n\n"
FIELDS_ELSEWHERE = (
    "Pose",
    "Person",
    "Joint",
    "Hello",
    "Recording",
    "Source",
    "JointState",
)  # their fields are listed there
CALLS = ("PoseClient", "process", "load_recording", "Pose", "Person", "Joint", "JointState", "Hello", "Recording",
         "Source", "Picture", "Stamper")  # fmt: skip
METHODS = {"PoseClient": ("__iter__", "latest", "hello", "joints", "keypoints2d", "truth", "health", "close"),
           "Pose": ("with_joints",), "Person": ("__getitem__",), "Recording": ("joints",),
           "Source": ("read",), "Stamper": ("stamp", "skip")}  # fmt: skip


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


def message_table(kind: Any, notes: dict[tuple[str, str], str]) -> str:
    hints = get_type_hints(kind, include_extras=True)
    rows = [
        f"| `{one.name}` | {wire_type(hints[one.name])} | {cell(notes[kind.__name__, one.name])} |"
        for one in fields(kind)
        if not one.metadata.get("flat") and one.metadata.get("wire", True)
    ]
    about = inspect.getdoc(kind) or ""
    return f"{about.splitlines()[0]}\n\n| field | type | |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def cell(text: str) -> str:
    return text.replace("|", "\\|")


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


def state_notes() -> list[tuple[JointState, str]]:
    lines = inspect.getsource(JointState).splitlines()
    return [(one, next(x for x in lines if x.strip().startswith(one.name)).split("  # ")[1]) for one in JointState]


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


def command_line() -> str:
    codes = realtime_cli.EXIT_CODES.replace("exit codes:", "Exit codes:")
    page = f"# Command line\n\nEach command's own help says the same: `realtime COMMAND --help`.\n\n{codes}. "
    page += "What to do about each: [troubleshooting](troubleshooting.md).\n"
    for name, (module, about) in realtime_cli.COMMANDS.items():
        parser = argparse.ArgumentParser(f"realtime {name}", add_help=False)
        importlib.import_module(module).add_arguments(parser)
        page += f"\n## realtime {name}\n\n{cell(about)}\n\n{argument_tables(name, parser)}"
    page += "\n## trainers\n\n`trainers COMMAND --help` says more.\n\n| command | |\n|---|---|\n" + listed_trainers()
    return page + "\n## engines\n\n| command | |\n|---|---|\n" + listed_engines()


def argument_tables(name: str, parser: argparse.ArgumentParser) -> str:
    """Tabulate a command's arguments; of a command with commands of its own, those of each."""
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
    if not nested:
        return f"| argument | |\n|---|---|\n{arguments(parser)}"
    tables = ""
    for word, one in nested[0].choices.items():
        tables += f"### realtime {name} {word}\n\n{cell(one.description or '')}\n\n"
        tables += f"| argument | |\n|---|---|\n{arguments(one)}\n"
    return tables.removesuffix("\n")


def arguments(parser: argparse.ArgumentParser) -> str:
    rows = ""
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._HelpAction):  # noqa: SLF001
            continue
        name = ", ".join(action.option_strings)
        value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
        stands = f"{name} {value}".strip() if action.nargs != 0 else name
        text = (action.help or "").replace("%(default)s", str(action.default))
        rows += f"| `{cell(stands)}` | {cell(text)} |\n"
    return rows or "| none | |\n"


def listed_trainers() -> str:
    """Read, not imported: torch is not needed to write a page."""
    tree = ast.parse(inspect.getsource(importlib.import_module("trainers.cli")))
    table = next(node.value for node in tree.body if isinstance(node, ast.Assign) and "COMMANDS" in ast.dump(node))
    return "".join(f"| `trainers {name}` | {cell(row[-1])} |\n" for name, row in ast.literal_eval(table).items())


def listed_engines() -> str:
    rows = ""
    for action in engines_cli.parser()._subparsers._group_actions:  # type: ignore[union-attr]  # noqa: SLF001
        for choice in action._choices_actions:  # type: ignore[attr-defined, union-attr]  # noqa: SLF001
            rows += f"| `engines {choice.dest}` | {cell(choice.help or '')} |\n"
    return rows


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


PAGES = {
    "protocol.md": protocol,
    "configuration.md": configuration,
    "cli.md": command_line,
    "python-api.md": python_api,
}


def page(name: str) -> str:
    return NOTE + PAGES[name]().rstrip() + "\n"


if __name__ == "__main__":
    for name in PAGES:
        (DOCS / name).write_text(page(name), encoding="utf-8")
        print(f"docs/{name}")
    (DOCS.parent / "packaging" / "realtime.1").write_text(man_page(), encoding="utf-8")
    print("packaging/realtime.1")
