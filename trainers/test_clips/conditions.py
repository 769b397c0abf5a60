"""Name the conditions under which a camera sees a person, in words: figures are told apart by them."""

from __future__ import annotations

import math

import numpy as np

from engines.skeleton import H36M_17, Array

SIDES = [(H36M_17.index(f"left_{part}"), H36M_17.index(f"right_{part}")) for part in ("shoulder", "hip")]


def facing(xyz: Array) -> str:
    """Tell where a person's front points, seen from the camera; xyz (T, 17, 3) in camera axes."""
    across = np.median(sum(xyz[:, left] - xyz[:, right] for left, right in SIDES), 0)  # to the person's left
    turn = abs(math.degrees(math.atan2(across[2], across[0])))  # 0: towards the camera
    return "front" if turn < 45 else "side" if turn < 135 else "back"


def tilt(up: Array) -> str:
    """Tell how far a camera is from upright and level; `up` (3,) of the world in camera axes."""
    degrees = math.degrees(math.acos(float(np.clip(-up[1] / np.linalg.norm(up), -1, 1))))
    return "level" if degrees < 10 else "tilted" if degrees < 25 else "steep"


def distance(metres: float) -> str:
    return "near" if metres < 2.5 else "far"


def size(share: float) -> str:
    """Tell how much of the picture's height a person's joints would take, were they all inside."""
    return "small" if share < 0.5 else "middle" if share < 1 else "large"


def shape(width: float, height: float) -> str:
    return "portrait" if height > 1.01 * width else "landscape" if width > 1.01 * height else "square"


def cut(inside: float) -> str:
    """Tell by the share of joints within the picture how much of the person it shows."""
    return "whole" if inside > 0.98 else "cut" if inside > 0.7 else "half outside"
