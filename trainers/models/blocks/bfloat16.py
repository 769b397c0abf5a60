"""Tell where products in bfloat16 are faster; a processor without them emulates each, many times slower."""

from __future__ import annotations

import functools

import torch


def products(device: str, wanted: bool) -> torch.autocast:
    """Return a context in which products are in bfloat16, where that is wanted and pays."""
    return torch.autocast(device, torch.bfloat16, enabled=wanted and pays(device))


@functools.cache
def pays(device: str) -> bool:
    """Return whether a device ("cpu", "cuda", "cuda:1") multiplies in bfloat16 by itself."""
    if device != "cpu":
        return True
    told = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # there is no public way to ask
    return bool(told and told())
