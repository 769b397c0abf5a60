"""Read a picture's size as command lines give it."""

from __future__ import annotations

import argparse


def size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT in px."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT in px, such as 1280x720, found {text!r}")
    return int(width), int(height)
