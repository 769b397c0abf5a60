"""Turn camera axes toward a person, so that a network sees everybody from the front of the lens."""

from __future__ import annotations

import torch
from torch import Tensor

from engines.skeleton import H36M_17

PELVIS, THORAX = H36M_17.index("pelvis"), H36M_17.index("thorax")


def toward(centre: Tensor) -> Tensor:
    """Return smallest rotation that takes the optical axis to the ray (x, y, 1): (…, 2) -> (…, 3, 3)."""
    ray = torch.cat([centre, torch.ones_like(centre[..., :1])], -1)
    u = ray / ray.square().sum(-1, keepdim=True).sqrt()
    aside, ahead = u[..., :2], u[..., 2:]
    bent = (aside / (1.0 + ahead)).unsqueeze(-1) * aside.unsqueeze(-2)  # (…, 2, 2)
    upper = torch.cat([torch.eye(2, dtype=u.dtype, device=u.device) - bent, aside.unsqueeze(-1)], -1)
    return torch.cat([upper, torch.cat([-aside, ahead], -1).unsqueeze(-2)], -2)
