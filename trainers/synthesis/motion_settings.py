"""Derive what settings of data made from motion have in common."""

from __future__ import annotations

from realtime.demo.looks import Pool


class MotionSettings:
    """Give settings that name a folder of motion and a part of its subjects their source and their pool of looks."""

    motion: str
    part: str  # train | validation: subjects, and with them the pool of looks

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.motion,)

    @property
    def pool(self) -> Pool:
        return "heldout" if self.part == "validation" else "train"
