"""`realtime init-config`: a file of settings to change, with every key, its unit and its default."""

from __future__ import annotations

import argparse
from pathlib import Path

from realtime.config.shipped import RUN
from realtime.config.yaml_file import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", default="steadypose.yaml", metavar="FILE", help="default: steadypose.yaml")
    parser.add_argument(
        "--like", default="live", choices=RUN.names(), help="which settings (default: live, all of them)"
    )


def main(args: argparse.Namespace) -> int:
    write(Path(args.file), Path(RUN.locate(args.like)).read_text(encoding="utf-8"))
    print(f"{args.file}: written; next: realtime run --config {args.file}")
    return 0


def write(path: Path, text: str) -> None:
    """Write a new file; refuse to replace one that exists."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path}: exists already; choose another name: realtime init-config FILE") from None
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror}; choose another: realtime init-config FILE"
        ) from None
