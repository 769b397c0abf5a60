"""Write the manual page realtime(1) from the command line itself: `python docs/generate.py` does, a test compares."""

from __future__ import annotations

import argparse
import importlib

from realtime import __version__
from realtime.cli.completion import nested
from realtime.cli.main import COMMANDS, EXIT_CODES

FILES = (
    (
        "~/.cache/steadypose",
        "the detector's models, as they were fetched ($XDG_CACHE_HOME/steadypose where that is set)",
    ),
    ("$XDG_RUNTIME_DIR/steadypose", "locks and sockets of runs; STEADYPOSE_RUNTIME_DIR names another place"),
    ("/dev/shm/steadypose-*", "pictures and poses in memory while a run lasts"),
    ("~/.config/steadypose/environment", "arguments of the systemd unit steadypose.service"),
)


def text(words: str) -> str:
    """Plain words as troff takes them."""
    safe = words.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in safe.splitlines())


def option(action: argparse.Action) -> str:
    name = ", ".join(action.option_strings)
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    stands = f"{name} {value}".strip() if action.nargs != 0 else name
    about = (action.help or "").replace("%(default)s", str(action.default))
    return f".TP\n.B {text(stands)}\n{text(about)}\n"


def options(parser: argparse.ArgumentParser) -> str:
    shown = [one for one in parser._actions if not isinstance(one, argparse._SubParsersAction)]  # noqa: SLF001
    return "".join(option(one) for one in shown)


def command(name: str, module: str, about: str) -> str:
    parser = argparse.ArgumentParser(f"realtime {name}", add_help=False)
    importlib.import_module(module).add_arguments(parser)
    page = f".SS realtime {text(name)}\n{text(about)}.\n{options(parser)}"
    for inner, one in nested(parser).items():
        page += f".SS realtime {text(name)} {text(inner)}\n{text(one.description or '')}.\n{options(one)}"
    return page


def man_page() -> str:
    page = f'.\\" written by `python docs/generate.py`\n.TH REALTIME 1 "" "steadypose {__version__}" "User Commands"\n'
    page += ".SH NAME\nrealtime \\- live 3D human poses from one webcam\n"
    page += ".SH SYNOPSIS\n.B realtime\n.I COMMAND\n[options]\n.br\n.B realtime \\-\\-version\n"
    page += ".SH DESCRIPTION\nOne webcam in, live 3D human poses out; every joint says whether the camera saw it.\n"
    page += "Try\n.B realtime run \\-\\-demo \\-\\-view\n.br\nWhat this machine lacks:\n.B realtime doctor\n"
    page += ".SH COMMANDS\n" + "".join(command(name, module, about) for name, (module, about) in COMMANDS.items())
    page += f".SH EXIT STATUS\n{text(EXIT_CODES.removeprefix('exit codes: '))}.\n.SH FILES\n"
    page += "".join(f".TP\n.I {text(place)}\n{text(about)}.\n" for place, about in FILES)
    return page + ".SH SEE ALSO\nThe documents of steadypose: quickstart, protocol, configuration, troubleshooting.\n"
