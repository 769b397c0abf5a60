"""Multiply in bfloat16 while networks train (`loop.bf16`); poses, losses and validation stay in float32."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from trainers.models.blocks.joint_graphs import DynamicSpatial, DynamicTemporal, FixedSpatial, FixedTemporal
from trainers.models.blocks.tcn import TCN
from trainers.models.papers.cheng2019 import TwinTCN
from trainers.models.papers.cheng2020 import Branch, Embedding
from trainers.models.papers.roy2024_nets import LNet, RelationGCN

PRODUCTS: dict[type[nn.Module], tuple[str, ...]] = {  # network -> methods whose matrix products may be coarse
    TCN: ("forward", "strided"),
    TwinTCN: ("forward",),
    LNet: ("forward",),
    RelationGCN: ("forward",),
    Embedding: ("forward",),
    Branch: ("clip",),
    FixedSpatial: ("forward",),
    FixedTemporal: ("forward",),
    DynamicSpatial: ("forward",),
    DynamicTemporal: ("forward",),
}


def coarse(model: nn.Module, device: str) -> int:
    """Let the model's networks multiply in bfloat16 in training mode; how many there are."""
    kind, count = device.split(":")[0], 0
    for module in model.modules():
        for name in PRODUCTS.get(type(module), ()):
            setattr(module, name, in_bfloat16(module, getattr(module, name), kind))
            count += 1
    return count


def in_bfloat16(module: nn.Module, method: Callable[..., Tensor], kind: str) -> Callable[..., Tensor]:
    @functools.wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Tensor:
        if not module.training:
            return method(*args, **kwargs)
        with torch.autocast(kind, torch.bfloat16):
            found = method(*args, **kwargs)
        return found.float()

    return wrapped
