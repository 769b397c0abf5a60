"""Repose synthesized clips: other bones and limb angles, the detector's errors kept.

Seven hundred clips are soon known by heart: here their people get other bones, their limbs other angles, and what the
detector said moves along with the truth.  Shapes (B, T, 17, ...).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from trainers.augmentation.motion import perturb_angles
from trainers.geometry.person_frame import toward
from trainers.skeleton.body_variation import chosen, log_normal, pick, proportioned, stature
from trainers.skeleton.bones import bones, joints

UP = (1.0, -1.0, -1.0)  # camera axes to Y up, and back
NEAREST = 0.3  # m: joints closer to the camera than that have no steady place in the picture


@dataclass(frozen=True)
class Change:
    share: float = 0.7  # of clips
    arms_deg: float = 10.0  # standard deviation of the slow perturbation
    legs_deg: float = 6.0
    proportions: float = 0.07  # standard deviation of each bone group's log length; the stature stays
    size: float = 0.05  # the same for the whole body, which no camera and no detector tells


def repose(
    how: Change, x: Tensor, world: Tensor, pose: Tensor, hidden: Tensor, root: Tensor, zoom: Tensor, g: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Give people other bodies and limb angles; keypoints and the detector's 3D follow with the same errors."""
    new = another(pose, how, g)
    x, world = followed(x, world, hidden, pose, new, root, zoom)
    return x, world, new[1]


def another(pose: Tensor, how: Change, g: Generator) -> tuple[Tensor, Tensor]:
    """Root-relative pose (B, T, 17, 3) -> (with other limbs, the same with another size)."""
    up = pose.new_tensor(UP)
    new = perturb_angles(pose * up, how.arms_deg, how.legs_deg, g) * up
    bone = bones(new)
    shaped = proportioned(bone, how.proportions, how.proportions, g)
    same = stature(bone) / stature(shaped)
    new = joints(shaped * same[:, None, None, None])
    new = pick(chosen(len(pose), how.share, g), new - new[:, :, :1], pose)
    return new, new * log_normal(len(pose), how.size, g)[:, None, None, None]


def rays(pose: Tensor, root: Tensor) -> Tensor:
    """Return root (B, T, 3) m in camera axes."""
    xyz = pose + root.unsqueeze(2)
    return xyz[..., :2] / xyz[..., 2:].clamp_min(NEAREST)


def followed(
    x: Tensor, world: Tensor, hidden: Tensor, old: Tensor, new: tuple[Tensor, Tensor], root: Tensor, zoom: Tensor
) -> tuple[Tensor, Tensor]:
    """Keypoints and the detector's 3D moved as the truth was; of hidden joints a detector would not have known.

    zoom (B, T): true focal length over the believed one.  The detector's 3D looks along the person's ray.
    """
    limbs, sized = new
    seen = (~hidden).unsqueeze(-1)
    in_picture = (rays(sized, root) - rays(old, root)) * zoom[..., None, None]
    look = toward(root[..., :2] / root[..., 2:].clamp_min(NEAREST))
    return x + in_picture * seen, world + ((limbs - old) @ look) * seen
