"""`realtime fetch-model`: download the detector's model into this user's cache."""

from __future__ import annotations

import argparse

from realtime.detect.model_download import fault, fetch_model, model_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--again", action="store_true", help="fetch it even if it is there")


def main(args: argparse.Namespace) -> int:
    if not fault(model_path()) and not args.again:
        print(f"already there: {model_path()}")
        return 0
    print(f"ready: {fetch_model()}")
    return 0
