"""Causal temporal convolutions with their history as explicit state."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class CausalConv(nn.Module):
    """Kernel 3, dilation d: taps at now, d and 2d ticks ago; before a reset stands the activation of the reset."""

    def __init__(self, channels_in: int, channels_out: int, dilation: int) -> None:
        super().__init__()
        self.dilation, self.channels_in = dilation, channels_in
        self.conv = nn.Conv1d(channels_in, channels_out, 3, dilation=dilation, bias=False)

    def clip(self, x: Tensor) -> Tensor:  # (B, C, T)
        return cast(Tensor, self.conv(torch.nn.functional.pad(x, (2 * self.dilation, 0), mode="replicate")))

    def step(self, x: Tensor, history: Tensor, reset: Tensor) -> tuple[Tensor, Tensor]:
        """Return x (B, C), history (B, 2d, C), oldest first."""
        now = x.unsqueeze(1)
        history = torch.cat([torch.where(reset[:, None, None], now, history), now], 1)
        taps = history[:, :: self.dilation].flatten(1)  # (B, 3C)
        return linear(taps, self.conv.weight.permute(0, 2, 1).flatten(1)), history[:, 1:]


class CausalBlock(nn.Module):
    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.wide = CausalConv(channels, channels, dilation)
        self.point = nn.Conv1d(channels, channels, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm1d(channels), nn.BatchNorm1d(channels)
        self.drop = nn.Dropout(dropout)

    def _mix(self, x: Tensor, wide: Tensor) -> Tensor:
        y = self.drop(torch.relu(self.norm1(wide)))
        return cast(Tensor, x + self.drop(torch.relu(self.norm2(self.point(y)))))

    def clip(self, x: Tensor) -> Tensor:
        return self._mix(x, self.wide.clip(x))

    def step(self, x: Tensor, history: Tensor, reset: Tensor) -> tuple[Tensor, Tensor]:
        wide, history = self.wide.step(x, history, reset)
        point = linear(torch.relu(self.norm1(wide)), self.point.weight[..., 0])
        return x + torch.relu(self.norm2(point)), history
