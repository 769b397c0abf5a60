"""Name the detector's models, cheapest first, and what they cost beside each other."""

from __future__ import annotations

LITE, FULL, HEAVY = "lite", "full", "heavy"
NAMES = (LITE, FULL, HEAVY)
DEFAULT = FULL  # what networks that ship were trained on, and what a run takes unless told otherwise
AUTO = "auto"  # measured at the start: the best that this machine sustains
COSTS = {LITE: 0.7, FULL: 1.0, HEAVY: 2.5}  # time of a frame beside full's, where nothing was measured


def named_in(text: str, otherwise: str = DEFAULT) -> str:
    """Return the model that a detector's name or a bundle's file name speaks of; `otherwise` where none."""
    return next((name for name in NAMES if name in text.rsplit("/", 1)[-1]), otherwise)
