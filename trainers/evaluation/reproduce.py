"""Reproduce a paper's protocol from a prepared folder to its table (`trainers reproduce CONFIG --data H36M`).

Trains the variant on the paper's training subjects (a run that stopped goes on), tests it on the paper's test subjects
as the paper does, and prints protocols by actions with the published means beside them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from engines.contract import TICK_HZ
from trainers.config import TrainConfig, load
from trainers.evaluation import evaluate
from trainers.training import train

PUBLISHED: dict[str, dict[int, float]] = {  # run -> protocol -> mm, mean over actions
    "pavllo-symmetric.h36m": {1: 46.8, 2: 36.5},
    "pavllo-causal.h36m": {1: 49.0},
    "pavllo-single.h36m": {1: 51.8},
    "cheng2019.h36m": {1: 42.9, 2: 32.8},
    "cheng2020.h36m": {1: 40.1, 2: 30.7},
    "zhang2021.h36m": {1: 45.3, 2: 35.4},
    "roy2024.h36m": {1: 51.0, 2: 39.4, 3: 50.2},
    "roy2024.h36m-semi": {1: 58.2, 2: 46.7, 3: 57.3},
    "roy2024.h36m-tenth": {1: 55.2, 2: 43.5, 3: 55.0},
}
ITS_OWN_TEST = {"roy2024": ["--true-root", "--lifted-only"]}  # recipe -> how its paper tests


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="configs/train/NAME.yaml")
    parser.add_argument("--variant", default="h36m", metavar="NAME", help="the paper's protocol; default h36m")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="made by trainers prepare h36m --cameras"
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--steps", type=int, default=None, help="instead of the paper's")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="the run's folder (default runs/NAME)")


def main(args: argparse.Namespace) -> int:
    config = load(args.config, args.variant)
    out = args.out or Path(f"runs/{config.name}")
    called(train, train_words(args, out))
    for test, words in evaluate_words(config, args.data, out).items():
        called(evaluate, words)
        table = (out / test / "actions.md").read_text()
        Console(width=200).print(Markdown(table + published(config.name)))
    return 0


def train_words(args: argparse.Namespace, out: Path) -> list[str]:
    steps = [] if args.steps is None else ["--steps", str(args.steps)]
    chosen = ["--variant", args.variant] if args.variant else []
    return [args.config, *chosen, "--data", str(args.data), "--device", args.device, "--out", str(out), *steps]


def evaluate_words(config: TrainConfig, data: Path, out: Path) -> dict[str, list[str]]:
    """Map folder of the report -> what `trainers evaluate` is told: as it ships, and as the paper tests if that
    differs."""
    native = ["--native"] if config.settings.hz != TICK_HZ else []
    common = [str(out), "--data", str(data), "--occlusion", "none", "--flip", *native]
    found: dict[str, list[str]] = {"report": []} | (
        {"report-as-published": ITS_OWN_TEST[config.recipe]} if config.recipe in ITS_OWN_TEST else {}
    )
    return {name: [*common, *more, "--out", str(out / name)] for name, more in found.items()}


def called(command: object, words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)  # type: ignore[attr-defined]
    command.main(parser.parse_args(words))  # type: ignore[attr-defined]


def published(name: str) -> str:
    """Return one more row of the table of actions."""
    means = ", ".join(f"protocol {n}: {mm:g}" for n, mm in PUBLISHED.get(name, {}).items())
    return f"\nPublished means over actions, mm: {means or 'none for this variant'}.\n"
