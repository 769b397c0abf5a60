"""Colour every quad of the skin and choose which exist: clothes, hair, shoes, patterns."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.demo.looks import SceneAppearance
from realtime.demo.shape import AROUND, FOOT_T, HAIR_DOWN, HEAD, LIMBS, PARTS, TRUNK, covered

F64 = NDArray[np.float64]
_FIRST = np.cumsum([0] + [count - 1 for _, count in PARTS]) * AROUND
_SPAN = {name: slice(_FIRST[i], _FIRST[i + 1]) for i, (name, _) in enumerate(PARTS)}
_FRONT = 0.25  # share of the turn at which a ring faces forward
_TURN = (np.arange(AROUND) + 0.5) / AROUND
_AWAY = np.abs((_TURN - _FRONT + 0.5) % 1 - 0.5)  # 0 in front, 0.5 behind


@lru_cache(maxsize=16)
def dress(look: SceneAppearance) -> tuple[F64, NDArray[np.bool_]]:
    """Return colours (Q, 3) BGR and which quads are drawn (Q,)."""
    rng = np.random.default_rng([look.seed, 11])
    colours = np.tile(np.array(look.skin), (_FIRST[-1], 1))
    drawn = np.ones(_FIRST[-1], bool)
    _dress_limbs(look, colours, rng)
    _dress_trunk(look, colours, rng)
    _paint_head(look, colours, rng)
    drawn[_SPAN["hair"]] = _paint_hair(look, colours, rng).ravel()
    drawn[_SPAN["skirt"]] = look.bottom == "skirt"
    _fill(colours, "skirt", _cloth(look.bottom_colour, look.shirt_second, look.bottom_pattern, 6, rng))
    for side in ("left", "right"):
        _fill(colours, f"{side}_foot", _shoe(look, rng))
    return colours, drawn


def _fill(colours: F64, part: str, values: NDArray[Any]) -> None:
    colours[_SPAN[part]] = values.reshape(-1, 3)


def _cloth(first: Any, second: Any, pattern: str, rings: int, rng: np.random.Generator) -> F64:
    """(rings, AROUND, 3)"""
    ring, turn = np.meshgrid(np.arange(rings), np.arange(AROUND), indexing="ij")
    masks = {
        "plain": np.zeros((rings, AROUND)),
        "mottled": rng.random((rings, AROUND)) * 0.25,
        "hoops": ring % 2,
        "check": (ring // 2 + turn // 2) % 2,
        "print": (np.abs(ring - rings * 0.6) < rings * 0.16) & (np.abs(_TURN[None] - _FRONT) < 0.12),
        "pinstripes": turn % 2,
        "diagonal": ((ring + turn) // 2) % 2,
        "dots": (ring % 2) * (turn % 3 == 0),
    }
    mask = np.asarray(masks[pattern], np.float64)[..., None]
    shade = rng.normal(1.0, 0.02, (rings, AROUND, 1))
    other = np.array(first) * 0.35 + np.array(second) * 0.65  # woven or printed, not painted
    return np.asarray((np.array(first) * (1 - mask) + other * mask) * shade)


def _dress_limbs(look: SceneAppearance, colours: F64, rng: np.random.Generator) -> None:
    on = covered(look)
    for i, (name, _, _) in enumerate(LIMBS):
        arm = name.endswith("arm")
        pattern = look.shirt_pattern if arm else look.bottom_pattern
        base = look.shirt if arm else look.bottom_colour
        rings = on.shape[1] - 1
        pattern = "plain" if pattern == "print" else pattern
        cloth = _cloth(base, look.shirt_second, pattern, rings, rng)
        bare = np.array(look.skin) * rng.normal(1.0, 0.015, (rings, AROUND, 1))
        worn = (on[i, 1:] * on[i, :-1])[:, None, None]
        _fill(colours, name, cloth * worn + bare * (1 - worn))


def _dress_trunk(look: SceneAppearance, colours: F64, rng: np.random.Generator) -> None:
    rings = len(TRUNK) - 1
    shirt = _cloth(look.shirt, look.shirt_second, look.shirt_pattern, rings, rng)
    below = _cloth(look.bottom_colour, look.shirt_second, look.bottom_pattern, rings, rng)
    hem = 0.05 + 0.12 * (look.seed % 3) / 2
    middle, away = (TRUNK[1:, 0] + TRUNK[:-1, 0])[:, None, None] / 2, _AWAY[None, :, None]
    if look.seed % 3 == 0:  # a row of buttons
        shirt = np.where((away < 0.03) & (middle > 0.1), shirt * 0.72, shirt)
    pockets = (away > 0.34) & (away < 0.47) & (middle > -0.1) & (middle < 0.05)
    below = np.where(pockets, below * 0.78, below)
    neckline = 1.09 - 0.14 * (away < 0.09) - 0.08 * ((away >= 0.09) & (away < 0.16))  # open in front, closed behind
    bare = (middle > neckline) & (look.seed % 4 != 1) | (middle > 1.13)
    _fill(colours, "trunk", np.where(bare, np.array(look.skin), np.where(middle < hem, below, shirt)))


def _shoe(look: SceneAppearance, rng: np.random.Generator) -> F64:
    """Soles, a lighter toe and a darker heel tell where a foot points."""
    shoe = _cloth(look.shoes, look.shoes, "mottled", len(FOOT_T) - 1, rng)
    along = ((FOOT_T[1:] + FOOT_T[:-1]) / 2)[:, None, None]
    shoe = np.clip(shoe * np.where(along > 0.11, 1.3, np.where(along < -0.04, 0.72, 1.0)), 0, 245)
    sole = (np.abs(_TURN - 0.75) < 0.16)[None, :, None]
    return np.asarray(np.where(sole, np.array((210, 210, 210) if look.seed % 2 else (40, 40, 40)), shoe))


def _paint_head(look: SceneAppearance, colours: F64, rng: np.random.Generator) -> None:
    rings = len(HEAD) - 1
    face = np.array(look.skin) * rng.normal(1.0, 0.012, (rings, AROUND, 1))
    height = ((HEAD[1:, 0] + HEAD[:-1, 0]) / 2)[:, None]
    ahead = _AWAY[None] < 0.22
    if look.beard:
        chin = (height < -0.04) & ahead
        face = np.where(chin[..., None], np.array(look.hair) * 0.6 + np.array(look.skin) * 0.4, face)
    if look.hair_style != "bald":
        nape = (height < 0.04) & (height > -0.06) & (_AWAY[None] >= 0.30)
        face = np.where(nape[..., None], np.array(look.hair), face)
    _fill(colours, "head", face)


def _paint_hair(look: SceneAppearance, colours: F64, rng: np.random.Generator) -> NDArray[np.bool_]:
    height = ((HAIR_DOWN[1:] + HAIR_DOWN[:-1]) / 2)[:, None]
    away = _AWAY[None]
    base = np.array((60, 60, 150) if look.hair_style == "cap" else look.hair)
    strands = rng.normal(1.0, 0.12, (1, AROUND, 1)) * rng.normal(1.0, 0.06, (len(HAIR_DOWN) - 1, AROUND, 1))
    _fill(colours, "hair", base * strands)
    lowest = {"bald": 1.0, "short": 0.0, "cap": 0.05, "tail": 0.0, "bob": -0.06, "long": -0.2}[look.hair_style]
    face = (height < 0.085) & (away < 0.17) | (height < 0.03) & (away < 0.24)
    return np.asarray((height > lowest) & ~face)
