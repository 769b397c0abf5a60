"""Generate the command-line page from the argument parsers."""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect

from engines import cli as engines_cli
from generated.tables import cell
from realtime.cli import main as realtime_cli


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
