"""Tell which joints the columns of a `data_2d_*.npz` are, and make Human3.6M's 17 joints of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engines.contract import map_reliability
from engines.skeleton import COCO_17, H36M_17, Array, mapping
from trainers.errors import UserError

NAMES = {  # what files call it -> its joint set; `set`: the columns of the data set's own 3D
    "h36m": "set", "humaneva15": "set", "humaneva": "set", "coco": "coco17",
}  # fmt: skip
CHOICES = ("set", "coco17")
MOST_EXTRAPOLATED = 2.0  # sum of the absolute weights of a joint; made of more, it counts as not detected


@dataclass(frozen=True)
class KeypointLayout:
    name: str  # set | coco17

    def points(self, xy: Array, of_the_set: Callable[[Array], Array]) -> tuple[Array, Array]:
        """Map columns (T, J, 2+) px -> the 17 joints (T, 17, 2) px and their scores (T, 17)."""
        if self.name == "set":
            points = of_the_set(xy)[..., :2]
            return points, np.ones(points.shape[:2], np.float32)
        if xy.shape[1] != len(COCO_17):
            raise UserError(f"--keypoints: {xy.shape[1]} columns, expected {len(COCO_17)} of COCO")
        weights = mapping(self.name, H36M_17.name)
        trusted = (np.abs(weights).sum(1) <= MOST_EXTRAPOLATED).astype(np.float32)
        score = map_reliability(np.ones(xy.shape[:2], np.float32), weights) * trusted
        return np.asarray(weights @ xy[..., :2], np.float32), score


def layout_of(metadata: Any, given: str, file: str) -> KeypointLayout:
    """By `layout_name`, else by which columns are left and right, else as the user says; anything else is refused."""
    if given:
        return KeypointLayout(given)
    told = metadata if isinstance(metadata, dict) else {}
    name = told.get("layout_name")
    if name is not None:
        if name not in NAMES:
            raise UserError(f"{file}: layout_name {name!r}, known: {', '.join(NAMES)}; or say --keypoints-layout NAME")
        return KeypointLayout(NAMES[name])
    left = [sorted(map(int, side)) for side in told.get("keypoints_symmetry", ())]
    if left == [sorted(COCO_17.left), sorted(COCO_17.right)]:
        return KeypointLayout("coco17")
    if left == [sorted(H36M_17.left), sorted(H36M_17.right)]:
        return KeypointLayout("set")
    raise UserError(
        f"{file}: its metadata names neither layout_name nor known keypoints_symmetry, so columns have no names; "
        f"say --keypoints-layout {' or '.join(CHOICES)}"
    )
