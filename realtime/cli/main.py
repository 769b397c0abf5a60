"""Parse the `realtime` command line and run the chosen command; only that one is imported.

Each module offers `add_arguments(parser)` and `main(args) -> exit code`; only the chosen one is imported.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Any

from realtime import __version__
from realtime.detect.native_library import mark_command
from realtime.supervise.descriptors import raise_descriptor_limit

COMMANDS = {
    "run": ("realtime.cli.run", "estimate 3D poses live from a camera, stream, file or the demo"),
    "doctor": (
        "realtime.doctor.command",
        "check this machine: what it has, what is wrong, and the command that fixes it",
    ),
    "init-config": ("realtime.cli.init_config", "write a settings file to edit, every key with its unit"),
    "fetch-model": ("realtime.cli.fetch_model", "download a detector model into this user's cache"),
    "view": ("realtime.cli.view", "watch a stream in the browser"),
    "health": ("realtime.doctor.health", "show the health of a stream's stages; exit 0 where poses are current"),
    "keys": ("realtime.cli.keys", "make keys for streams that leave this machine, and say who may connect"),
    "record": ("realtime.cli.record", "write a stream to a file"),
    "replay": ("realtime.cli.replay", "publish a recording as a stream"),
    "info": ("realtime.cli.info", "summarise a recording"),
    "process": ("realtime.cli.relift", "lift a recording again with another engine or camera"),
    "export": (
        "realtime.cli.export",
        "convert a recording or film to bvh, glb, trc, c3d, mot, angles, csv, json or npz",
    ),
    "render": ("realtime.cli.render", "draw the skeletons on a film, a recording or a running stream"),
    "batch": ("realtime.cli.batches.batch", "process many films into recordings, exports and films with skeletons"),
    "bridge": ("realtime.cli.bridge", "send poses to other tools"),
    "bench": ("realtime.cli.bench", "measure this machine: latency, throughput, memory, start-up"),
    "soak": ("realtime.cli.soak", "test endurance: kill and stop stages for hours; count what is lost and what grows"),
    "completion": ("realtime.cli.completion", "print a script that completes commands and flags in your shell"),
}

EXIT_CODES = (
    "exit codes: 0 ended or stopped, 2 usage, settings or source, 3 already running or port taken, 4 memory, "
    "5 a stage keeps crashing, 6 engine, detector model or device, 130 Ctrl-C"
)


def parser_for(command: str | None) -> argparse.ArgumentParser:
    """Build the parser of all commands; only the chosen one gets its arguments, so that --help is quick."""
    parser = argparse.ArgumentParser("realtime", description="Live 3D human poses from one webcam.", epilog=EXIT_CODES)
    parser.add_argument("--version", action="version", version=version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, text) in COMMANDS.items():
        one = commands.add_parser(name, help=text, description=text, epilog=EXIT_CODES)
        if name == command:
            room = importlib.import_module(module)
            room.add_arguments(one)
            one.set_defaults(main=room.main)
    return parser


def version() -> str:
    return f"steadypose {__version__}"


def chosen(argv: list[str]) -> str | None:
    return next((word for word in argv if word in COMMANDS), None)


def exit_code(error: Exception) -> int | None:
    """Return the exit code of an error that a user can meet; None: a bug."""
    code: Any = getattr(error, "exit_code", None)
    return code if isinstance(code, int) else None


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    raise_descriptor_limit()
    mark_command()
    try:
        args = parser_for(chosen(argv[:1])).parse_args(argv)
        return int(args.main(args))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; the interpreter would complain about it at exit
        return 0
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        print(f"realtime: {error}", file=sys.stderr)
        return code


if __name__ == "__main__":
    sys.exit(main())
