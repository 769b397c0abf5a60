"""Map detector joints to the lifter's inside the network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.skeleton import H36M_17, mapping


class JointMap(nn.Module):
    """Detector joints -> the 17 of the pose: points by weights, reliability by the worst source."""

    weights: Tensor  # (17, J_in)
    unused: Tensor

    def __init__(self, source: str) -> None:
        super().__init__()
        weights = torch.from_numpy(mapping(source, H36M_17.name))
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("unused", (weights == 0).float() * 2.0, persistent=False)

    def points(self, points: Tensor) -> Tensor:  # (…, J_in, D) -> (…, 17, D)
        return torch.matmul(self.weights, points)

    def reliability(self, reliability: Tensor) -> Tensor:  # (…, J_in) -> (…, 17)
        return (reliability.unsqueeze(-2) + self.unused).amin(-1)
