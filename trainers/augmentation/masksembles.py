"""Generate structured node masks that overlap as asked (Roy 2024, section 3.3.1, after Masksembles).

Every mask has `ones(...)` nodes; every node is in some mask; the larger alpha, the less two masks have in common.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

TRIES = 20  # sets drawn at one scale before the next is tried


def ones(nodes: int, masks: int, alpha: float) -> int:
    """beta: how many nodes each mask keeps, so that `masks` masks of overlap alpha are expected to cover the nodes."""
    return int(nodes / (alpha * (1 - (1 - 1 / alpha) ** masks)))


def structured(nodes: int, masks: int, alpha: float, generator: Generator) -> tuple[Tensor, float]:
    """(masks, nodes) bool and the scale that gave exactly so many nodes.

    Masks choose beta of scale * beta places; places that no mask chose fall away.  The scale is searched upwards from
    the smallest that leaves enough.
    """
    kept = ones(nodes, masks, alpha)
    for places in range(nodes, 4 * nodes):
        for _ in range(TRIES):
            found = drawn(places, masks, kept, generator)
            used = found.any(0)
            if int(used.sum()) == nodes:
                return found[:, used], places / kept
    raise ValueError(f"no scale gives {masks} masks of {kept} ones exactly {nodes} nodes; alpha {alpha} is too large")


def drawn(places: int, masks: int, ones: int, generator: Generator) -> Tensor:
    """Draw masks (masks, places) bool, each with so many ones at random."""
    order = torch.rand(masks, places, generator=generator).argsort(1)
    return order < ones
