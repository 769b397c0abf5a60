"""Convolve over time (Pavllo 2019): full clips, one answer per clip, and one frame at a time.

One set of weights, three ways to run it, equal where they answer the same frame:
* `forward(x)` (B, T, C) -> (B, T - R + 1, D): dilated, valid convolutions over a whole clip;
* `one(x)` (B, R, C) -> (B, 1, D): the strided training form, which computes nothing it does not use;
* `step(x, reset, state)` (B, C) -> (B, D) and the next state: streaming, each layer's history explicit.
R is `receptive_field()`.  Causal: the newest frame is answered; symmetric: the middle one, `look_ahead()` frames late.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TCN(nn.Module):
    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int] = (3, 3, 3, 3, 3),  # kernel sizes; (1, 1, 1) is the single-frame network
        channels: int = 1024,
        dropout: float = 0.25,
        causal: bool = True,
        dense: bool = False,  # instead of dilation, kernels that see every frame between (Table 5, w/o dilation)
    ) -> None:
        super().__init__()
        if any(w % 2 == 0 for w in widths):
            raise ValueError(f"kernel sizes must be odd, got {tuple(widths)}")
        self.widths, self.causal, self.dense = tuple(widths), causal, dense
        self.dilations = _dilations(widths)
        self.expand = nn.Conv1d(inputs, channels, widths[0], bias=False)
        self.expand_norm = nn.BatchNorm1d(channels)
        self.wide = nn.ModuleList(
            nn.Conv1d(channels, channels, self._kernel(i), dilation=self._spacing(i), bias=False)
            for i in range(1, len(widths))
        )
        self.narrow = nn.ModuleList(nn.Conv1d(channels, channels, 1, bias=False) for _ in widths[1:])
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in range(2 * (len(widths) - 1)))
        self.shrink = nn.Conv1d(channels, outputs, 1)
        self.drop = nn.Dropout(dropout)

    def _kernel(self, i: int) -> int:
        return (self.widths[i] - 1) * self.dilations[i] + 1 if self.dense else self.widths[i]

    def _spacing(self, i: int) -> int:
        return 1 if self.dense else self.dilations[i]

    def receptive_field(self) -> int:
        return 1 + sum(self.spans())

    def spans(self) -> list[int]:
        """Return frames of history that each temporal layer needs besides the present one."""
        return [(w - 1) * d for w, d in zip(self.widths, self.dilations)]

    def look_ahead(self) -> int:
        return 0 if self.causal else (self.receptive_field() - 1) // 2

    def flops(self) -> int:
        """Multiplications and additions of one frame of a long clip, matrix products alone (appendix A.2)."""
        return 2 * sum(m.weight.numel() for m in self.modules() if isinstance(m, nn.Conv1d))

    def set_momentum(self, momentum: float) -> None:
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.momentum = momentum

    # --- whole clips ---

    def forward(self, x: Tensor) -> Tensor:
        x = self._entry(self.expand(x.transpose(1, 2)))
        for i in range(len(self.wide)):
            kept = self._kept(i + 1)
            x = x[..., kept : kept + x.shape[-1] - self.spans()[i + 1]] + self._block(i, self.wide[i](x))
        return cast(Tensor, self.shrink(x).transpose(1, 2))

    def strided(self, x: Tensor) -> Tensor:
        if self.dense:
            return cast(Tensor, self(x))
        x = self._entry(F.conv1d(x.transpose(1, 2), self.expand.weight, stride=self.widths[0]))
        for i, conv in enumerate(cast("list[nn.Conv1d]", self.wide)):
            width = self.widths[i + 1]
            kept = width - 1 if self.causal else width // 2
            x = x[..., kept::width] + self._block(i, F.conv1d(x, conv.weight, stride=width))
        return cast(Tensor, self.shrink(x).transpose(1, 2))

    def clip(self, x: Tensor) -> Tensor:
        """Map (B, T, C) -> (B, T, D): every frame answered, ends padded with copies of the first and last frame."""
        after = self.look_ahead()
        before = self.receptive_field() - 1 - after
        padded = F.pad(x.transpose(1, 2), (before, after), mode="replicate").transpose(1, 2)
        return cast(Tensor, self(padded))

    # --- one frame at a time ---

    def state_shapes(self) -> list[tuple[int, int]]:
        """(channels, frames) of each temporal layer's history, oldest first."""
        sizes = [self.expand.in_channels] + [c.in_channels for c in cast("list[nn.Conv1d]", self.wide)]
        return [(size, span) for size, span in zip(sizes, self.spans()) if span]

    def step(self, x: Tensor, reset: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Map x (B, C), reset (B,) in {0, 1} -> answer (B, D), next state.

        A reset fills every history with the present activation, which equals a clip padded with copies of its first
        frame.  A symmetric network answers the frame `look_ahead()` steps ago.
        """
        history = list(state)
        after: list[Tensor] = []
        x = self._entry(self._step_conv(0, self.expand, x[..., None], reset, history, after)[0])
        for i, conv in enumerate(self.wide):
            y, seen = self._step_conv(i + 1, conv, x, reset, history, after)
            kept = self._kept(i + 1)
            x = seen[..., kept : kept + 1] + self._block(i, y)
        return self.shrink(x)[..., 0], after

    def _step_conv(
        self, layer: int, conv: nn.Module, x: Tensor, reset: Tensor, history: list[Tensor], after: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Map x (B, C, 1) -> the layer's output (B, C', 1) and what it saw (B, C, span + 1)."""
        if not self.spans()[layer]:
            return conv(x), x
        past = history.pop(0)
        past = past + reset[:, None, None] * (x - past)
        seen = torch.cat([past, x], -1)
        after.append(seen[..., 1:])
        return conv(seen), seen

    # --- shared ---

    def _entry(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.drop(F.relu(self.expand_norm(x))))

    def _block(self, i: int, x: Tensor) -> Tensor:
        x = self.drop(F.relu(self.norms[2 * i](x)))
        return cast(Tensor, self.drop(F.relu(self.norms[2 * i + 1](self.narrow[i](x)))))

    def _kept(self, layer: int) -> int:
        """Return where in a layer's window the frame lies that its residual keeps."""
        span = self.spans()[layer]
        return span if self.causal else span // 2


def _dilations(widths: Sequence[int]) -> list[int]:
    """Each layer's spacing is the receptive field of those below it."""
    spacing, out = 1, []
    for width in widths:
        out.append(spacing)
        spacing *= width
    return out
