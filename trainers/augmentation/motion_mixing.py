"""Mix motion for rendering: a clip with arms, upper half and angles of another one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from trainers.augmentation.motion import Augmentation, augment
from trainers.data.motion import MotionSegment
from trainers.skeleton.retarget import resampled

HZ = 30.0
# bodies and sides are drawn later, by the scene
MIXTURE = Augmentation(exchange_arms=0.5, exchange_halves=0.4, proportions=0.0, shoulders=0.0, mirror=0.0)


def mixed(mine: MotionSegment, other: MotionSegment, seed: int) -> MotionSegment:
    """`mine` at 30 Hz, as long as both last, with whatever the draw takes from `other`."""
    seconds = min(mine.seconds, other.seconds)
    times = np.arange(max(2, int(seconds * HZ))) / HZ
    pair = torch.from_numpy(np.stack([resampled(s.xyz, s.fps, times) for s in (mine, other)])).float()
    new = augment(pair, MIXTURE, torch.Generator().manual_seed(seed))
    return replace(mine, xyz=new[0].numpy(), fps=HZ)
