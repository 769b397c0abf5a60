"""`trainers export RUN --out DIR`: export a checkpoint as ONNX, manifest, golden sequence and model card."""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from engines import golden
from engines.contract import Contract
from engines.engine import Engine
from engines.manifest import TOLERANCE, write_manifest
from engines.skeleton import Array
from trainers.deploy.package_commit import package_commit
from trainers.errors import UserError

OPSET = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", help="a run's folder, its checkpoint file, or `hold` (needs no training)")
    parser.add_argument(
        "--data", action="append", default=[], metavar="DIR", help="rendered validation people: sigma of `hold`"
    )
    parser.add_argument(
        "--about", type=Path, metavar="FILE", help="for the card: data, time, figures, limits, in words"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="for the store: engines/pretrained/NAME")


def main(args: argparse.Namespace) -> int:
    from trainers.deploy.load_trained import load_trained

    model, provenance, figures = load_trained(args.checkpoint, args.data)
    command = " ".join(["trainers", *sys.argv[1:]])
    provenance |= {"export": command, "commit": package_commit()}
    export(model, Path(args.out), provenance, figures, words(args.about) if args.about else "")
    print(f"{args.out}: written; next: engines verify {args.out}")
    return 0


class StepGraph(nn.Module):
    """A model under the contract: tensors in the contract's order in, and out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.contract = model, model.contract()  # type: ignore[operator]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(self.contract.inputs(1), tensors))
        state = {name: given.pop(f"state_{name}") for name, _ in self.contract.state}
        answers, after = self.model.run(given, state)  # type: ignore[operator]
        return (*answers, *(after[name] for name, _ in self.contract.state))


class TorchEngine:
    """The trained model itself behind the engines' protocol: golden answers are torch's, not the export's."""

    def __init__(self, model: nn.Module) -> None:
        self.graph, self.contract, self.batch = StepGraph(model), model.contract(), 1  # type: ignore[operator]
        self.zero_state()

    def zero_state(self) -> None:
        self.state = [torch.zeros(1, *shape) for _, shape in self.contract.state]

    def run(self, inputs: Mapping[str, Array], commit: bool = True) -> dict[str, Array]:
        given = [torch.from_numpy(np.ascontiguousarray(inputs[n])) for n in self._plain()]
        with torch.no_grad():
            out = self.graph(*given, *self.state)
        answers = len(out) - len(self.state)
        if commit:
            self.state = list(out[answers:])
        return {name: value.numpy() for name, value in zip(self.contract.outputs(1), out[:answers])}

    def _plain(self) -> list[str]:
        return [n for n in self.contract.inputs(1) if not n.startswith("state_")]


def export(model: nn.Module, out: Path, provenance: dict[str, Any], figures: dict[str, float], about: str = "") -> None:
    """Write the folder whole or not at all."""
    model = model.eval().float().cpu()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as made:
        folder = Path(made) / out.name
        folder.mkdir(mode=0o755)
        contract = write_onnx(StepGraph(model), folder / "model.onnx")
        parameters = sum(p.numel() for p in model.parameters())
        (folder / "CARD.md").write_text(card(out.name, contract, parameters, provenance, figures, about))
        sequence = golden.record(cast(Engine, TorchEngine(model)), golden.inputs(contract))
        write_manifest(
            folder, contract, ["CARD.md"], TOLERANCE, provenance, sequence, name=out.name,
            versions={"torch": torch.__version__, "opset": str(OPSET)},
        )  # fmt: skip
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)


def write_onnx(graph: StepGraph, path: Path) -> Contract:
    contract = graph.contract
    tensors = tuple(torch.rand(shape) for shape in contract.inputs(2).values())
    batch = torch.export.Dim("batch", min=1, max=4096)
    for name in ("torch.onnx", "torch.onnx._internal.exporter._registration"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph.eval(), tensors, None, input_names=list(contract.inputs(1)), output_names=list(contract.outputs(1)),
            dynamo=True, dynamic_shapes=(tuple({0: batch} for _ in tensors),), opset_version=OPSET, verbose=False,
        )  # fmt: skip
    if program is None:
        raise UserError(f"{path}: torch {torch.__version__} wrote no graph; expected torch 2.6 or newer")
    for part in (program.model, program.model.graph, *program.model.graph, *program.model.graph.inputs):
        part.metadata_props.clear()  # stack traces of the exporting machine
    program.save(path, include_initializers=True, keep_initializers_as_inputs=False, external_data=False)
    return cast(Contract, contract)


def words(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--about {path}: {error}; expected a text in Markdown") from None


def card(
    name: str, contract: Contract, parameters: int, provenance: dict[str, Any], figures: dict[str, float], about: str
) -> str:
    rows = "\n".join(f"| {key} | {value:.4g} |" for key, value in figures.items())
    table = f"\n## Figures on validation subjects\n\n| measure | value |\n|---|---|\n{rows}\n" if rows else ""
    made = "\n".join(f"* {key}: {value}" for key, value in provenance.items())
    return (
        f"# {name}\n\n{contract.task}, {contract.kind}, {contract.joints_in} to {contract.joints_out}, receptive field "
        f"{contract.receptive_field} ticks of 1/{contract.tick_hz:g} s, look-ahead {contract.look_ahead}, "
        f"{parameters:,} parameters.\n{table}\n## How it was made\n\n{made}\n" + (f"\n{about}\n" if about else "")
    )
