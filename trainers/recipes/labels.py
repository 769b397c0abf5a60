"""Split motion into labelled and unlabelled people and draw windows around labelled frames.

"2D-only" people are motion whose 3D is withheld: recipes use what cameras see of them, never the motion itself.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from trainers.data import bank as banks
from trainers.data.motion import MotionSet, companions
from trainers.errors import UserError


def divided(motion: MotionSet, labelled: tuple[str, ...]) -> tuple[MotionSet, MotionSet]:
    """(with 3D, without): nobody named means that everybody has labels."""
    if not labelled:
        return motion, MotionSet((), motion.name)
    unknown = set(labelled) - set(motion.subjects)
    if unknown:
        raise UserError(f"labelled: no subject {', '.join(sorted(unknown))}; training has {', '.join(motion.subjects)}")
    theirs = companions(labelled)
    return motion.only(theirs), motion.only(set(motion.subjects) - theirs)


def windows(source: banks.Bank, times: Tensor, target: int, every: int, g: Generator, whole: bool = False) -> Tensor:
    """Return (B, T, 17, 3) seen at `times` (B, T) s; frame `target` of each is one of the bank's every `every`-th
    frames."""
    if every <= 1:
        return banks.sample(source, times, g, whole=whole)
    weight = source.length / source.fps
    which = torch.multinomial(weight, len(times), replacement=True, generator=g)
    last = (source.length[which] - 1).to(torch.float32)
    frames = times * source.fps[which, None]
    chosen = torch.rand(len(times), generator=g, device=g.device) * (last / every).floor().add(1)
    begin = every * chosen.floor() - frames[:, target]
    return banks.gather(source, which, banks.reflect(frames + begin[:, None], last[:, None]))
