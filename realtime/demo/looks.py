"""Draw an appearance of person, room and picture from a seed: one frozen record.  Colours are BGR in 0..255.

Colours are BGR in 0..255.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Pool = Literal["train", "heldout"]
Colour = tuple[float, float, float]

SKINS: dict[Pool, tuple[Colour, ...]] = {
    "train": ((150, 180, 225), (125, 160, 210), (105, 140, 195), (80, 115, 165), (60, 85, 130), (45, 62, 95)),
    "heldout": ((138, 170, 218), (92, 128, 180), (52, 72, 112)),
}
HAIRS: dict[Pool, tuple[Colour, ...]] = {
    "train": ((22, 22, 26), (28, 36, 52), (38, 55, 80), (105, 150, 185), (140, 142, 148), (30, 38, 82)),
    "heldout": ((24, 30, 40), (60, 88, 120), (195, 200, 205)),
}
CLOTHS: dict[Pool, tuple[Colour, ...]] = {
    "train": (
        (40, 40, 45), (200, 200, 205), (150, 80, 40), (60, 60, 170), (70, 120, 60), (90, 60, 45), (120, 140, 160),
        (60, 150, 190), (130, 60, 120), (175, 160, 120), (35, 70, 110), (95, 95, 95),
    ),
    "heldout": ((165, 110, 70), (75, 75, 200), (95, 150, 115), (45, 115, 215), (150, 120, 165), (70, 55, 60)),
}  # fmt: skip
WALL_COLOURS: dict[Pool, tuple[Colour, ...]] = {
    "train": (
        (205, 212, 218), (180, 190, 185), (190, 175, 150), (150, 170, 190), (120, 130, 140), (95, 110, 120),
        (215, 205, 205),
    ),
    "heldout": ((170, 200, 205), (165, 150, 170), (130, 155, 140)),
}  # fmt: skip
FLOOR_COLOURS: dict[Pool, tuple[Colour, ...]] = {
    "train": ((70, 105, 145), (110, 125, 135), (60, 75, 95), (140, 150, 160), (90, 85, 80)),
    "heldout": ((85, 130, 165), (105, 100, 120)),
}
HAIR_STYLES: dict[Pool, tuple[str, ...]] = {
    "train": ("short", "short", "bald", "long", "bob", "cap"),
    "heldout": ("short", "long", "tail"),
}
CLOTH_PATTERNS: dict[Pool, tuple[str, ...]] = {
    "train": ("plain", "plain", "hoops", "check", "print", "mottled"),
    "heldout": ("plain", "pinstripes", "diagonal", "dots"),
}
WALL_PATTERNS: dict[Pool, tuple[str, ...]] = {
    "train": ("plain", "plaster", "brick", "stripes", "wood", "clutter"),
    "heldout": ("panels", "tiles", "shelves"),
}
FLOOR_PATTERNS: dict[Pool, tuple[str, ...]] = {
    "train": ("planks", "carpet", "plain", "checker"),
    "heldout": ("tiles", "herringbone"),
}
BOARD_PATTERNS: dict[Pool, tuple[str, ...]] = {
    "train": ("plain", "wood", "stripes", "checker", "plaster", "brick", "clutter", "gradient"),
    "heldout": ("tiles", "shelves", "panels", "herringbone"),
}


@dataclass(frozen=True)
class SceneAppearance:
    seed: int = 1
    pool: Pool = "train"
    skin: Colour = (125, 160, 210)
    hair: Colour = (35, 50, 75)
    hair_style: str = "short"
    shirt: Colour = (150, 80, 40)
    shirt_second: Colour = (200, 200, 205)
    shirt_pattern: str = "plain"
    sleeve: float = 0.45  # share of the arm: 0 none, 0.3 short, 1 to the wrist
    bottom: str = "trousers"  # trousers | shorts | skirt
    bottom_length: float = 1.0  # share of the leg
    bottom_colour: Colour = (90, 60, 45)
    bottom_pattern: str = "plain"
    shoes: Colour = (45, 45, 50)
    beard: bool = False
    glasses: bool = False
    girth: float = 1.0  # thickness of trunk
    limb_girth: float = 1.0
    loose: float = 0.012  # metres that clothes stand off
    wall: Colour = (205, 212, 218)
    wall_pattern: str = "plain"
    floor: Colour = (70, 105, 145)
    floor_pattern: str = "planks"
    pictures: int = 2
    furniture: int = 2
    light: tuple[float, float, float] = (0.4, 0.8, 0.45)  # world direction towards the lamp
    ambient: float = 0.5
    gain: float = 1.0
    tint: Colour = (1.0, 1.0, 1.0)
    noise: float = 3.0  # grey levels
    blur: float = 0.6  # px of a 640 px wide picture


def draw_look(seed: int, pool: Pool = "train") -> SceneAppearance:
    rng = np.random.default_rng([seed, 7, 0 if pool == "train" else 1])
    return SceneAppearance(seed=seed, pool=pool, **_person(rng, pool), **_room(rng, pool), **_picture(rng))  # type: ignore[arg-type]


def _pick(rng: np.random.Generator, colours: tuple[Colour, ...], spread: float = 12.0) -> Colour:
    base = np.array(colours[rng.integers(len(colours))]) + rng.normal(0, spread, 3)
    return tuple(float(v) for v in np.clip(base, 12, 240))  # type: ignore[return-value]


def _word(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[int(rng.integers(len(words)))]


def _person(rng: np.random.Generator, pool: Pool) -> dict[str, object]:
    bottom = _word(rng, ("trousers", "trousers", "trousers", "shorts", "skirt"))
    lengths = {"trousers": (0.93, 1.0), "shorts": (0.25, 0.5), "skirt": (0.28, 0.75)}
    style = _word(rng, HAIR_STYLES[pool])
    return {
        "skin": _pick(rng, SKINS[pool], 6),
        "hair": _pick(rng, HAIRS[pool], 8),
        "hair_style": style,
        "shirt": _pick(rng, CLOTHS[pool]),
        "shirt_second": _pick(rng, CLOTHS[pool]),
        "shirt_pattern": _word(rng, CLOTH_PATTERNS[pool]),
        "sleeve": float(rng.choice([0.0, rng.uniform(0.2, 0.45), rng.uniform(0.9, 1.0)], p=[0.1, 0.45, 0.45])),
        "bottom": bottom,
        "bottom_length": float(rng.uniform(*lengths[bottom])),
        "bottom_colour": _pick(rng, CLOTHS[pool]),
        "bottom_pattern": _word(rng, (*CLOTH_PATTERNS[pool], "plain", "plain")),
        "shoes": _pick(rng, CLOTHS[pool]),
        "beard": bool(rng.random() < 0.15 and style in ("short", "bald", "cap")),
        "glasses": bool(rng.random() < 0.15),
        "girth": float(np.clip(rng.normal(1.0, 0.1), 0.8, 1.3)),
        "limb_girth": float(np.clip(rng.normal(1.0, 0.1), 0.8, 1.25)),
        "loose": float(rng.uniform(0.003, 0.022)),
    }


def _room(rng: np.random.Generator, pool: Pool) -> dict[str, object]:
    around = rng.uniform(0, 2 * np.pi)
    height = rng.uniform(0.5, 1.2)
    return {
        "wall": _pick(rng, WALL_COLOURS[pool]),
        "wall_pattern": _word(rng, WALL_PATTERNS[pool]),
        "floor": _pick(rng, FLOOR_COLOURS[pool]),
        "floor_pattern": _word(rng, FLOOR_PATTERNS[pool]),
        "pictures": int(rng.integers(0, 6)),
        "furniture": int(rng.integers(0, 5)),
        "light": (float(np.cos(around)), float(height), float(np.sin(around))),
    }


def _picture(rng: np.random.Generator) -> dict[str, object]:
    warm = rng.normal(0, 0.05)
    return {
        "ambient": float(rng.uniform(0.35, 0.7)),
        "gain": float(np.clip(rng.normal(1.0, 0.16), 0.55, 1.3)),
        "tint": (float(1 - warm), 1.0, float(1 + warm)),
        "noise": float(rng.uniform(0.0, 7.0)),
        "blur": float(rng.choice([rng.uniform(0.0, 0.8), rng.uniform(0.8, 1.8)], p=[0.8, 0.2])),
    }
