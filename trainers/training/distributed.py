"""Train data-parallel under `torchrun`: every process draws its own batch, gradients are averaged, one writes.

torchrun --nproc-per-node 2 -m trainers train configs/train/NAME.yaml --data DIR --device cuda
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

RANK_SEED = 7_919_000_003  # apart from every step's seed


@dataclass(frozen=True)
class Group:
    """This process among those that train together."""

    rank: int = 0
    world: int = 1

    @property
    def writes(self) -> bool:
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self.world == 1


ALONE = Group()


def join(device: str) -> tuple[Group, str]:
    """Return the group that torchrun's environment names, and this process's device; without one, alone."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world <= 1:
        return ALONE, device
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return Group(dist.get_rank(), world), device


def leave(group: Group) -> None:
    if not group.alone:
        dist.barrier()
        dist.destroy_process_group()


def average(tensors: Iterable[Tensor], group: Group) -> None:
    """Replace each tensor by its mean over the processes, in one message."""
    found = list(tensors)
    if group.alone or not found:
        return
    flat = torch.cat([t.flatten() for t in found])
    dist.all_reduce(flat)
    flat /= group.world
    for tensor, mean in zip(found, flat.split([t.numel() for t in found])):
        tensor.copy_(mean.view_as(tensor))


def average_gradients(parameters: Iterable[nn.Parameter], group: Group) -> None:
    """Parameters without a gradient are the same ones everywhere: recipes do not depend on the rank."""
    if not group.alone:
        average((p.grad for p in parameters if p.grad is not None), group)


def average_statistics(model: nn.Module, group: Group) -> None:
    """Average the running statistics of batch normalisation over all processes."""
    if not group.alone:
        with torch.no_grad():
            average((b for b in model.buffers() if b.is_floating_point()), group)


def agreed(flag: bool, group: Group) -> bool:
    """Return what the first process says, for all."""
    if group.alone:
        return flag
    told = torch.tensor(float(flag), device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.broadcast(told, 0)
    return bool(told)
