"""Build the reliability model: one small network for every joint, which hears its neighbours and remembers.

All joints share the weights, told apart by their kind alone; a right one is seen as its left one in a mirror.  So the
network learns what a hidden joint looks like, not which people and films it was shown.  Shapes: B people, T ticks, J
joints.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear

from engines.contract import Contract
from engines.skeleton import BLAZEPOSE_33
from realtime.occlude.features import FEATURES, parents_of

SIGNED = [FEATURES.index(name) for name in ("speed_x", "parent_x", "body_x")]  # change sign in a mirror
JOINTS = len(BLAZEPOSE_33)
PARENTS, OTHER_SIDE = (torch.from_numpy(of).long() for of in (parents_of(BLAZEPOSE_33), BLAZEPOSE_33.mirror()))
KIND = 12  # channels that say which kind of joint it is
HEARD = 4  # parent, children, the other side's joint, the whole body
SHOWN_TICKS = 48  # at most, in training; the memory itself has no end


def kinds() -> Tensor:
    """Return (J,) the kind of each joint: left and right are of one."""
    first = torch.minimum(torch.arange(JOINTS), OTHER_SIDE)
    return cast(Tensor, torch.unique(first, return_inverse=True)[1])


def left_signs() -> Tensor:
    """Return (J, F) factors under which a right joint's features look as a left one's; 0 where a joint has no side."""
    signs = torch.ones(JOINTS, len(FEATURES))
    for joint, name in enumerate(BLAZEPOSE_33.joints):
        signs[joint, SIGNED] = -1.0 if "right" in name else float("left" in name)
    return signs


def neighbours() -> Tensor:
    """Return (HEARD * J, J): means over the parent, the children, the other side's joint and the body."""
    own = torch.eye(JOINTS)
    parent, side = own[PARENTS], own[OTHER_SIDE]
    children = parent.T * (1 - own)
    children = children / children.sum(1, keepdim=True).clamp_min(1)
    return torch.cat([parent, children, side, torch.full((JOINTS, JOINTS), 1 / JOINTS)])


class ReliabilityNet(nn.Module):
    kinds: Tensor
    signs: Tensor
    neighbours: Tensor
    odds: Tensor  # () added to what was learned, log-odds

    def __init__(self, width: int = 64, memory: int = 48, dropout: float = 0.25) -> None:
        super().__init__()
        self.memory = memory
        for name, value in (("kinds", kinds()), ("signs", left_signs()), ("neighbours", neighbours())):
            self.register_buffer(name, value, persistent=False)
        self.register_buffer("odds", torch.zeros(()))
        self.kind = nn.Embedding(int(self.kinds.max()) + 1, KIND)
        self.inner = nn.Linear(len(FEATURES) + KIND, width)
        self.hear = nn.Linear((1 + HEARD) * width, width)
        self.remember = nn.GRU(width, memory, batch_first=True)
        self.recall = nn.Linear(width + (1 + HEARD) * memory, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(width, 1)

    def contract(self) -> Contract:
        return Contract(
            "reliability", "step", BLAZEPOSE_33.name, BLAZEPOSE_33.name, SHOWN_TICKS, sigma=False,
            reliability_source="learned", threshold=0.5, features=FEATURES, state=(("memory", (JOINTS, self.memory)),),
        )  # fmt: skip

    def clip(self, features: Tensor) -> Tensor:
        """Map (B, T, J, F) -> logits (B, T, J), as they are learned."""
        batch, ticks = features.shape[:2]
        now = self._now(features.flatten(0, 1)).unflatten(0, (batch, ticks))
        past, _ = self.remember(now.transpose(1, 2).flatten(0, 1))  # (B * J, T, memory)
        past = past.unflatten(0, (batch, JOINTS)).transpose(1, 2)
        return cast(Tensor, self._judged(now.flatten(0, 1), past.flatten(0, 1)).unflatten(0, (batch, ticks)))

    def reliability(self, features: Tensor) -> Tensor:
        """Map (B, T, J, F) -> (B, T, J) as the steps answer it."""
        return torch.sigmoid(self.clip(features) + self.odds)

    def run(self, given: dict[str, Tensor], state: dict[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Map the contract's tensors of one tick -> (reliability,) and the state after it."""
        start = (given["reset"] > 0.5)[:, None, None]
        features = given["features"] + 0 * given["dt"][:, None, None]  # every network is told dt, this one needs it not
        now = self._now(features)
        past = self._remembered(now, torch.where(start, torch.zeros_like(state["memory"]), state["memory"]))
        return (torch.sigmoid(self._judged(now, past) + self.odds),), {"memory": past}

    def _now(self, features: Tensor) -> Tensor:
        """Map (N, J, F) -> (N, J, width): this tick, with what the neighbours have."""
        kind = self.kind.weight[self.kinds].expand(features.shape[0], -1, -1)
        x = self.drop(gelu(self.norms[0](self.inner(torch.cat([features * self.signs, kind], -1)))))
        return cast(Tensor, x + self.drop(gelu(self.norms[1](self.hear(torch.cat([x, self._heard(x)], -1))))))

    def _heard(self, x: Tensor) -> Tensor:
        """Map (N, J, C) -> (N, J, HEARD * C)."""
        around = torch.matmul(self.neighbours, x).unflatten(1, (HEARD, JOINTS))
        return cast(Tensor, around.transpose(1, 2).flatten(2))

    def _remembered(self, now: Tensor, before: Tensor) -> Tensor:
        """Take one step of the gated recurrent unit, (N, J, memory)."""
        of = dict(self.remember.named_parameters())
        new = linear(now, of["weight_ih_l0"], of["bias_ih_l0"])
        old = linear(before, of["weight_hh_l0"], of["bias_hh_l0"])
        (reset, update, said), (old_reset, old_update, kept) = new.chunk(3, -1), old.chunk(3, -1)
        update = torch.sigmoid(update + old_update)
        said = torch.tanh(said + torch.sigmoid(reset + old_reset) * kept)
        return said + update * (before - said)

    def _judged(self, now: Tensor, past: Tensor) -> Tensor:
        """Map (N, J, width), (N, J, memory) -> logits (N, J)."""
        known = torch.cat([now, past, self._heard(past)], -1)
        return cast(Tensor, self.head(self.drop(gelu(self.norms[2](self.recall(known)))))).squeeze(-1)
