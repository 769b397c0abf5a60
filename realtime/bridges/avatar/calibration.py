"""Calibrate an avatar's rest pose from a T-pose held for a second or two; until then use an ideal one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from realtime.bridges.avatar.feet import lowest_of_feet, lowest_sole
from realtime.bridges.avatar.humanoid import LIMBS, PARENTS, Joints, Rotations, heading, pivots, rotations
from realtime.rotations import Real, unit

FEWEST_FRAMES = 10
MOST_OFF_DEG = 35.0  # an arm may hang so far from the horizontal

IDEAL = {
    "Hips": (0, 0.95, 0), "Spine": (0, 0.1, 0), "Chest": (0, 0.13, 0), "Neck": (0, 0.25, 0), "Head": (0, 0.09, 0),
    "LeftUpperArm": (0.17, 0.23, 0), "LeftLowerArm": (0.28, 0, 0), "LeftHand": (0.25, 0, 0),
    "RightUpperArm": (-0.17, 0.23, 0), "RightLowerArm": (-0.28, 0, 0), "RightHand": (-0.25, 0, 0),
    "LeftUpperLeg": (0.1, 0, 0), "LeftLowerLeg": (0, -0.44, 0), "LeftFoot": (0, -0.43, 0),
    "RightUpperLeg": (-0.1, 0, 0), "RightLowerLeg": (0, -0.44, 0), "RightFoot": (0, -0.43, 0),
}  # fmt: skip


@dataclass(frozen=True)
class Rest:
    offsets: dict[str, Real]  # bone -> (3,) m from its parent's pivot, rest pose; of the hips: height above the floor
    turned: Rotations  # what `rotations` says of the rest pose: identity for an ideal T-pose
    facing: Real  # (3, 3) about y: where the person faced
    origin: Real  # (3,) where the person stood; y is the floor
    scale: float = 1.0  # of places: how much longer these legs are than the person's

    def local(self, bones: Rotations) -> Rotations:
        """Return each bone against its parent, identity in the rest pose."""
        away = {b: self.facing.T @ bones[b] @ self.turned[b].T @ self.facing for b in PARENTS}
        return {b: away[p].T @ away[b] if p else away[b] for b, p in PARENTS.items()}

    def place(self, point: Real, ground: float | None = None) -> Real:
        """Return a point of the room, seen from where the person stood and faced; above `ground`, if that is known."""
        here = self.origin if ground is None else np.array([self.origin[0], ground, self.origin[2]])
        return np.asarray(self.scale * (self.facing.T @ (point - here)))

    def hips(self, pelvis: Real, local: Rotations, low: float | None, ground: float | None) -> Real:
        """Return where the hips are: as high as lets the lower sole stand as high above the ground as the person's
        does."""
        place = self.place(pelvis, ground)
        if low is None or ground is None:
            return place
        return np.array([place[0], self.scale * (low - ground) - lowest_sole(local, self.offsets), place[2]])

    def recentred(self, bones: Rotations, pelvis: Real) -> Rest:
        """Return the rest pose centred where the pelvis is now, heading where the hips face."""
        return self.centred(np.array([pelvis[0], self.origin[1], pelvis[2]]), heading(bones["Hips"]))

    def centred(self, middle: Real, facing: Real) -> Rest:
        """Return the rest pose with this point of the floor as its origin and `facing` as its heading."""
        turned = {bone: facing @ self.facing.T @ r for bone, r in self.turned.items()}
        return replace(self, facing=facing, origin=middle, turned=turned)


def ideal() -> Rest:
    offsets = {bone: np.array(offset, float) for bone, offset in IDEAL.items()}
    return Rest(offsets, {bone: np.eye(3) for bone in PARENTS}, np.eye(3), np.zeros(3))


class Calibration:
    """Collects frames of a T-pose."""

    def __init__(self) -> None:
        self._frames: list[tuple[Joints, Joints]] = []

    def add(self, joints: Joints, face: Joints) -> None:
        self._frames.append((joints, face))

    def rest(self) -> Rest:
        """Return the rest pose; ValueError says what was wrong with the T-pose."""
        joints, face = mean([j for j, _ in self._frames]), mean([f for _, f in self._frames])
        if len(self._frames) < FEWEST_FRAMES:
            raise ValueError(f"only {len(self._frames)} frames showed the person; stay in view and calibrate again")
        check_t_pose(joints)
        turned = rotations(joints, face)
        facing, where = heading(turned["Hips"]), pivots(joints)
        floor = lowest_of_feet(joints)
        assert floor is not None  # a T-pose shows its ankles
        origin = np.array([joints["pelvis"][0], floor, joints["pelvis"][2]])
        offsets = {bone: facing.T @ (where[bone] - where[p]) for bone, p in PARENTS.items() if p}
        return Rest(offsets | {"Hips": facing.T @ (where["Hips"] - origin)}, turned, facing, origin)


def mean(frames: list[Joints]) -> Joints:
    """Of each joint that was seen in half of the frames at least."""
    names = {name for frame in frames for name in frame}
    seen = {name: [frame[name] for frame in frames if name in frame] for name in names}
    return {name: np.mean(points, axis=0) for name, points in seen.items() if 2 * len(points) >= len(frames)}


def check_t_pose(joints: Joints) -> None:
    needed = {j for limb in LIMBS.values() for j in (limb.start, limb.end)} | {"pelvis", "spine", "thorax", "head"}
    if missing := sorted(needed - set(joints)):
        raise ValueError(f"not in view: {', '.join(missing)}; step back until the whole body shows and calibrate again")
    for side in ("left", "right"):
        arm = unit(joints[f"{side}_wrist"] - joints[f"{side}_shoulder"])
        off = float(np.degrees(np.arcsin(abs(arm[1]))))
        if off > MOST_OFF_DEG:
            raise ValueError(f"the {side} arm is {off:.0f} degrees off the horizontal; hold both arms straight out")
