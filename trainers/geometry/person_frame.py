"""Turn camera axes toward a person, so that a network sees everybody from the front of the lens."""

from __future__ import annotations

import torch
from torch import Tensor

from engines.skeleton import H36M_17

PELVIS, THORAX = H36M_17.index("pelvis"), H36M_17.index("thorax")


def toward(centre: Tensor) -> Tensor:
    """Smallest rotation that takes the optical axis to the ray (x, y, 1): (…, 2) -> (…, 3, 3)."""
    ray = torch.cat([centre, torch.ones_like(centre[..., :1])], -1)
    u = ray / ray.square().sum(-1, keepdim=True).sqrt()
    x, y, z = u.unbind(-1)
    k = 1.0 / (1.0 + z)
    rows = [1 - x * x * k, -x * y * k, x, -x * y * k, 1 - y * y * k, y, -x, -y, z]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))
