"""Solve the linear assignment problem for a few people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def assignment(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Hungarian method with potentials: min(rows, columns) pairs of least total cost."""
    if cost.size == 1:
        return [(0, 0)]
    if cost.shape[0] > cost.shape[1]:
        return sorted((row, column) for column, row in assignment(cost.T))
    rows, columns = cost.shape
    u, v = np.zeros(rows + 1), np.zeros(columns + 1)
    owner = np.zeros(columns + 1, int)  # row (1-based) that holds a column; column 0 is the one being placed
    for row in range(1, rows + 1):
        owner[0] = row
        _augment(cost, u, v, owner)
    return sorted((int(owner[c]) - 1, c - 1) for c in range(1, columns + 1) if owner[c])


def _augment(
    cost: NDArray[np.float64], u: NDArray[np.float64], v: NDArray[np.float64], owner: NDArray[np.int_]
) -> None:
    """Find the cheapest alternating path from the row in owner[0] to a free column and flips it."""
    columns = cost.shape[1]
    slack, before = np.full(columns + 1, np.inf), np.zeros(columns + 1, int)
    used = np.zeros(columns + 1, bool)
    here = 0
    while owner[here]:
        used[here] = True
        reduced = cost[owner[here] - 1] - u[owner[here]] - v[1:]
        better = ~used[1:] & (reduced < slack[1:])
        slack[1:][better], before[1:][better] = reduced[better], here
        there = int(np.where(used, np.inf, np.r_[np.inf, slack[1:]]).argmin())
        step = slack[there]
        u[owner[used]] += step
        v[used] -= step
        slack[~used] -= step
        here = there
    while here:
        owner[here] = owner[before[here]]
        here = int(before[here])
