"""A BVH parser of the tests' own, written from the format alone: it shares nothing with the writer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Node:
    name: str
    parent: Node | None
    offset: np.ndarray = None  # type: ignore[assignment]
    channels: list[str] = field(default_factory=list)
    end: bool = False


def parse(text: str) -> tuple[list[Node], float, np.ndarray]:
    """Nodes in file order, seconds per frame, values (T, channels)."""
    words = iter(text.split())
    assert next(words) == "HIERARCHY"
    nodes: list[Node] = []
    open_nodes: list[Node] = []
    for word in words:
        if word in ("ROOT", "JOINT", "End"):
            nodes.append(Node(next(words), open_nodes[-1] if open_nodes else None, end=word == "End"))
            assert next(words) == "{"
            open_nodes.append(nodes[-1])
        elif word == "OFFSET":
            open_nodes[-1].offset = np.array([float(next(words)) for _ in range(3)])
        elif word == "CHANNELS":
            open_nodes[-1].channels = [next(words) for _ in range(int(next(words)))]
        elif word == "}":
            open_nodes.pop()
        else:
            assert word == "MOTION" and not open_nodes, word
            break
    assert next(words) == "Frames:"
    frames = int(next(words))
    assert (next(words), next(words)) == ("Frame", "Time:")
    seconds = float(next(words))
    values = np.array([float(word) for word in words])
    assert values.size == frames * sum(len(n.channels) for n in nodes)
    return nodes, seconds, values.reshape(frames, -1)


def matrix(axis: str, degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array({
        "X": [[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]],
        "Y": [[c, 0, s, 0], [0, 1, 0, 0], [-s, 0, c, 0], [0, 0, 0, 1]],
        "Z": [[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    }[axis])  # fmt: skip


def positions(nodes: list[Node], row: np.ndarray) -> dict[str, np.ndarray]:
    """Where every named node lies in one frame."""
    world: dict[int, np.ndarray] = {}
    places, at = {}, 0
    for node in nodes:
        local = np.eye(4)
        local[:3, 3] = node.offset
        for channel in node.channels:
            value, at = row[at], at + 1
            if channel.endswith("position"):
                local["XYZ".index(channel[0]), 3] += value
            else:
                local = local @ matrix(channel[0], value)
        world[id(node)] = (world[id(node.parent)] if node.parent else np.eye(4)) @ local
        if not node.end:
            places[node.name] = world[id(node)][:3, 3]
    return places
