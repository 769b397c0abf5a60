"""Parse the `engines` command: list, inspect, verify, build, bench."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from engines import store
from engines.errors import EngineError
from engines.manifest import Manifest, read_manifest

EXIT_CODES = "exit codes: 0 done, 2 usage, 6 engine missing, damaged, untrusted or not for this machine"


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        command: Callable[[argparse.Namespace], int] = args.main
        return command(args)
    except EngineError as error:
        print(f"engines: {error}", file=sys.stderr)
        return EngineError.exit_code
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        "engines", description="Compiled networks: look, check, build, time.", epilog=EXIT_CODES
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _command(commands, "list", list_engines, "what the store and this user's folder of builds hold")
    one = _command(commands, "inspect", inspect, "contract, sizes, digests, provenance, card")
    one.add_argument("engine", metavar="NAME_OR_DIR")
    one = _command(commands, "verify", verify, "digests, contract and golden outputs, for every batch")
    one.add_argument("engine", metavar="NAME_OR_DIR")
    one.add_argument("--device", choices=store.DEVICES, default="auto", help="what runs the golden sequence")
    _build_arguments(_command(commands, "build", build, "another precision or batch, or an engine for a GPU"))
    one = _command(commands, "bench", bench, "latency of every backend side by side; the last line is JSON")
    one.add_argument("engines", metavar="NAME_OR_DIR", nargs="*", help="default: the whole store and all builds")
    one.add_argument("--device", type=_words, default=("cpu",), metavar="LIST", help="cpu,cuda (default cpu)")
    one.add_argument("--batch", type=_numbers, default=(), metavar="LIST", help="1,4,16 (default: all it has)")
    one.add_argument("--seconds", type=float, default=1.0, help="per row")
    return top


def list_engines(args: argparse.Namespace) -> int:  # noqa: ARG001
    from rich.table import Table

    table = Table("name", "task", "kind", "target", "precision", "batches", "MB", "sha256", "where")
    for folder in [*(store.PRETRAINED / name for name in store.names()), *store.compiled()]:
        table.add_row(*_row(folder), str(folder))
    _print(table)
    return 0


def inspect(args: argparse.Namespace) -> int:
    folder = store.locate(args.engine)
    manifest, contract = read_manifest(folder)
    print(f"{manifest.name}  {folder}")
    for title, values in _facts(manifest).items():
        print(f"{title}: {json.dumps(values, sort_keys=True)}")
    for side, tensors in (("in", contract.inputs(1)), ("out", contract.outputs(1))):
        for name, shape in tensors.items():
            print(f"  {side:>3} {name} {shape}")
    for name, entry in manifest.files.items():
        print(f"  {entry['bytes']:>10} {entry['sha256']} {name}")
    card = folder / "CARD.md"
    print(card.read_text(encoding="utf-8") if card.is_file() else "no card")
    return 0


def verify(args: argparse.Namespace) -> int:
    for line in store.verify(args.engine, args.device):
        print(line)
    return 0


def build(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from engines.build import BuildRequest, build

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, transient=True, console=Console(stderr=True)) as bar:
        task = bar.add_task(args.target, total=None)

        def progress(phase: str, step: int, steps: int) -> None:
            bar.update(task, description=phase, completed=step, total=steps)

        order = BuildRequest(args.target, args.precision, args.batch, args.sm, args.out)
        folder, checked = build(args.model, order, progress)
    print(f"{folder}: {checked}")
    return 0


def bench(args: argparse.Namespace) -> int:
    from rich.table import Table

    from engines.bench import machine, rows

    everything = [*(store.PRETRAINED / name for name in store.names()), *store.compiled()]
    folders = [store.locate(engine) for engine in args.engines] or everything
    found = list(rows(folders, args.device, args.batch, args.seconds))
    table = Table(
        "engine", "kind", "precision", "backend", "threads", "batch", "p50 ms", "p95 ms", "p99 ms", "people/s"
    )
    for row in (row for row in found if "skipped" not in row):
        table.add_row(*(str(value) for key, value in row.items() if key != "runs"))
    _print(table)
    for row in (row for row in found if "skipped" in row):
        print(f"not run: {row['backend']}: {row['skipped']}")
    print(json.dumps({"bench": "engines", "machine": machine(), "rows": found}))
    return 0


def _build_arguments(command: argparse.ArgumentParser) -> None:
    from engines.build import PRECISIONS, TARGETS

    command.add_argument("model", metavar="MODEL.onnx", help="with its manifest beside it; or a name in the store")
    command.add_argument("--target", choices=TARGETS, required=True)
    command.add_argument(
        "--precision", choices=PRECISIONS, default="fp32", help="baked into the network (default fp32)"
    )
    command.add_argument("--sm", type=_numbers, default=(), metavar="LIST", help="GPUs to build for: 75,86,89,120")
    command.add_argument("--batch", type=_numbers, default=(), metavar="LIST", help="1,4,16 (default: the model's own)")
    command.add_argument("--out", type=Path, metavar="DIR", help="default: this user's folder of builds")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Callable[..., int], text: str
) -> argparse.ArgumentParser:
    one = commands.add_parser(name, help=text, description=text, epilog=EXIT_CODES)
    one.set_defaults(main=run)
    return one


def _row(folder: Path) -> list[str]:
    try:
        manifest, contract = read_manifest(folder)
    except EngineError as error:
        return [folder.name, f"unreadable: {error}", *[""] * 6]
    size = sum(int(entry["bytes"]) for entry in manifest.files.values()) / 1e6
    batches = ",".join(map(str, contract.batches))
    kind = [contract.task, contract.kind, manifest.target, manifest.precision]
    return [manifest.name, *kind, batches, f"{size:.1f}", manifest.sha256[:12]]


def _facts(manifest: Manifest) -> dict[str, object]:
    return {
        "contract": manifest.contract,
        "runs on": {"target": manifest.target, "precision": manifest.precision, "sms": manifest.sms},
        "made by": {"opset": manifest.opset, **manifest.versions},
        "tolerance": manifest.tolerance,
        "provenance": manifest.provenance,
    }


def _numbers(text: str) -> tuple[int, ...]:
    words = _words(text)
    if not words or not all(word.isdecimal() and int(word) > 0 for word in words):
        raise argparse.ArgumentTypeError(f"expected numbers such as 1,4,16, found {text!r}")
    return tuple(dict.fromkeys(int(word) for word in words))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _print(table: object) -> None:
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    sys.exit(main())
