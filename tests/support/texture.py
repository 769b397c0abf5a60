"""Pictures whose flow is known: textured cloths that move by whole and part pixels."""

from __future__ import annotations

import cv2
import numpy as np


def cloth(seed: int, width: int, height: int) -> np.ndarray:
    """(h, w) grey with structure at every scale that flow uses."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(0, 255, (height // 16, width // 16)), (width, height))
    fine = cv2.GaussianBlur(rng.uniform(0, 255, (height, width)), (0, 0), 2)
    return np.clip(coarse * 0.5 + (fine - 127) * 3 + 64, 0, 255).astype(np.uint8)


def moved(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return cv2.warpAffine(picture, shift, picture.shape[::-1], borderMode=cv2.BORDER_REFLECT)
