"""`realtime fetch-model`: download the detector's models into this user's cache."""

from __future__ import annotations

import argparse

from realtime.config.detector_models import DEFAULT, NAMES
from realtime.config.yaml_file import ConfigError
from realtime.detect.model_download import fault, fetch_model, model_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"{', '.join(NAMES)} (default {DEFAULT}); lite and heavy take npm"
    )
    parser.add_argument("--again", action="store_true", help="download it even if it is cached")


def main(args: argparse.Namespace) -> int:
    for name in args.models:
        if name not in NAMES:
            raise ConfigError(f"no model {name!r}; expected {', '.join(NAMES)}: realtime fetch-model {NAMES[0]}")
    for name in dict.fromkeys(args.models or [DEFAULT]):
        if not fault(model_path(name)) and not args.again:
            print(f"already there: {model_path(name)}")
        else:
            print(f"ready: {fetch_model(name)}")
    return 0
