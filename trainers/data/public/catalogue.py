"""List the public data sets and how each is read.  One row is one `trainers prepare NAME`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from trainers.data.public import threedhp, threedpw, world


@dataclass(frozen=True)
class DatasetReader:
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    prepare: Callable[[argparse.Namespace], list[str]]  # what was left out, each with its reason


READERS = {
    "h36m": DatasetReader("Human3.6M, VideoPose3D's files", world.add_arguments, world.prepare),
    "humaneva": DatasetReader("HumanEva-I, VideoPose3D's files", world.add_arguments, world.prepare),
    "3dhp": DatasetReader("MPI-INF-3DHP, the public conversion", threedhp.add_arguments, threedhp.prepare),
    "3dpw": DatasetReader("3DPW, for tests", threedpw.add_arguments, threedpw.prepare),
}
