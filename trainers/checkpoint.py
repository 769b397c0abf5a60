"""Save and load checkpoints: weights, optimizer states, step, settings' fingerprint in one safetensors file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from trainers.config import TrainConfig
from trainers.errors import UserError
from trainers.recipe import Recipe

FILE = "checkpoint.safetensors"


def save(out: Path, config: TrainConfig, recipe: Recipe, optimizers: list[Any], step: int, figures: Any) -> None:
    """Weights, optimizer state and step in one file, replaced at once."""
    tensors = {f"model.{k}": v.detach().cpu().contiguous() for k, v in recipe.model.state_dict().items()}
    for i, optimizer in enumerate(optimizers):
        for p, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer{i}.{p}.{k}": torch.as_tensor(v).detach().cpu() for k, v in state.items()}
    meta = {
        "step": str(step), "fingerprint": config.fingerprint(), "name": config.name, "recipe": config.recipe,
        "figures": json.dumps(figures), "settings": json.dumps(asdict(config.settings)),
        "command": config.command, "notice": config.notice,
    }  # fmt: skip
    part = out / "checkpoint.part"
    save_file(tensors, part, metadata=meta)
    os.replace(part, out / FILE)


def resume(out: Path, config: TrainConfig, recipe: Recipe, optimizers: list[Any], device: str) -> int:
    """Load the checkpoint to resume from and return its step; 0 where there is none."""
    path = out / FILE
    if not path.exists():
        return 0
    meta = metadata(path)
    if meta["fingerprint"] != config.fingerprint():
        raise UserError(
            f"{path}: trained with other settings ({meta['fingerprint']}, not {config.fingerprint()}); "
            "give another --out, or --fresh to start anew"
        )
    tensors = load_file(path, device=device)
    recipe.model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    for i, optimizer in enumerate(optimizers):
        plain = optimizer.state_dict()
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(f"optimizer{i}."):
                _, p, name = key.split(".", 2)
                states.setdefault(int(p), {})[name] = value.cpu() if name == "step" else value
        optimizer.load_state_dict({"state": states, "param_groups": plain["param_groups"]})
    return int(meta["step"])


def metadata(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a checkpoint of this trainer: {error}") from None


def weights(run: str | Path) -> dict[str, Tensor]:
    """Return the weights of a run's folder, or of a checkpoint file."""
    path = Path(run)
    path = path / FILE if path.is_dir() else path
    metadata(path)
    return {k[6:]: v for k, v in load_file(path).items() if k.startswith("model.")}
