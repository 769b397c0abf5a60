"""Follow a clip with a humanoid rig as animation tools expect it: straight neck, real feet and hands.

At rest it stands in a T-pose, faces +z, left at +x.  Lengths are the clip's medians, the same left and right.  Heels,
toes, fingers and ears turn feet, hands and head where the recording has them; else a foot stands square to its shin, a
hand goes on as its forearm, and the nose turns the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.export.clip import ANKLE_HEIGHT_M
from realtime.export.rigging.rig import Mask, Real, Rig, RigMotion, carried
from realtime.export.rigging.rig_names import SIDES
from realtime.rest_pose import ARM_DOWN, ARM_OUT
from realtime.rotations import best_rotation, frame, swing, unit

UP = np.array([0.0, 1.0, 0.0])
FORWARD = np.array([0.0, 0.0, 1.0])
SIGN = {"Left": 1.0, "Right": -1.0}
HANGING = {f"{side}Arm": swing(np.array(ARM_OUT[side]), np.array(ARM_DOWN[side])) for side in SIGN}
BENT = np.radians(12.0), np.radians(35.0)  # from not at all to fully, a bent elbow or knee says how its limb is twisted
NECK_PART = 0.45  # of the way from its base to the crown
BALL_PART = 0.65  # of the way from below the ankle to the tip of the toes
FOOT_M, HAND_M = 0.20, 0.18  # where the recording has no toes or fingers: ankle to tip along the sole, wrist to tip
NOSE_LEAST_M = 0.02  # off the neck's line, to say where somebody looks


class Joints:
    """Positions by name, (T, 3); NaN throughout for a joint that the recording does not have."""

    def __init__(self, names: tuple[str, ...], xyz: Real) -> None:
        self._at = {name: xyz[:, i] for i, name in enumerate(names)}
        self._none = np.full((len(xyz), 3), np.nan)

    def __call__(self, name: str) -> Real:
        return self._at.get(name, self._none)

    def middle(self, a: str, b: str) -> Real:
        return (self(a) + self(b)) / 2

    def length(self, a: str, b: str, otherwise: float) -> float:
        """Return median distance, m."""
        return median(np.linalg.norm(self(a) - self(b), axis=-1), otherwise)

    def both(self, a: str, b: str, otherwise: float) -> float:
        """Return mean of the left and the right median distance, m."""
        return float(np.mean([self.length(f"{s}_{a}", f"{s}_{b}", otherwise) for s in ("left", "right")]))


def median(values: Real, otherwise: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else otherwise


def humanoid(names: tuple[str, ...], xyz: Real) -> tuple[Rig, RigMotion, Real]:
    """Return the rig, its motion, and (N, 3) where the tip of each bone without a child lies; xyz (T, J, 3)."""
    joints = Joints(names, xyz)
    rig, tips = build(joints)
    follow = Follow(joints, rig)
    return rig, follow.motion(), tips


def build(joints: Joints) -> tuple[Rig, Real]:
    """Return bones and their offsets in the rest pose."""
    back, chest = joints.length("pelvis", "spine", 0.23), joints.length("spine", "thorax", 0.25)
    neck = joints.length("thorax", "head", 0.25)
    offsets: dict[str, tuple[str, tuple[float, float, float]]] = {
        "Hips": ("", (0, 0, 0)), "Spine": ("Hips", (0, 0.35 * back, 0)), "Spine1": ("Spine", (0, 0.65 * back, 0)),
        "Spine2": ("Spine1", (0, 0.5 * chest, 0)), "Neck": ("Spine2", (0, 0.5 * chest, 0)),
        "Head": ("Neck", (0, NECK_PART * neck, 0)),
    }  # fmt: skip
    tips: dict[str, tuple[float, float, float]] = {"Head": (0, (1 - NECK_PART) * neck, 0)}
    hip = joints.length("left_hip", "right_hip", 0.26) / 2
    clavicle = float(np.mean([joints.length("thorax", f"{s}_shoulder", 0.17) for s in ("left", "right")]))
    arm, forearm = joints.both("shoulder", "elbow", 0.28), joints.both("elbow", "wrist", 0.25)
    thigh, shin = joints.both("hip", "knee", 0.44), joints.both("knee", "ankle", 0.43)
    hand = hand_length(joints)
    drop, sole = foot_shape(joints)
    for side in SIDES:
        out = SIGN[side]
        offsets |= {
            f"{side}Shoulder": ("Spine2", (0, 0.5 * chest, 0)),
            f"{side}Arm": (f"{side}Shoulder", (out * clavicle, 0, 0)),
            f"{side}ForeArm": (f"{side}Arm", (out * arm, 0, 0)),
            f"{side}Hand": (f"{side}ForeArm", (out * forearm, 0, 0)),
            f"{side}UpLeg": ("Hips", (out * hip, 0, 0)), f"{side}Leg": (f"{side}UpLeg", (0, -thigh, 0)),
            f"{side}Foot": (f"{side}Leg", (0, -shin, 0)),
            f"{side}ToeBase": (f"{side}Foot", (0, -drop, BALL_PART * sole)),
        }  # fmt: skip
        tips |= {f"{side}Hand": (out * hand, 0, 0), f"{side}ToeBase": (0, 0, (1 - BALL_PART) * sole)}
    order = list(offsets)
    parents = tuple(order.index(parent) if parent else -1 for parent, _ in offsets.values())
    rig = Rig(tuple(order), parents, np.array([o for _, o in offsets.values()], float), tuple(range(len(order))))
    return rig, np.array([tips.get(bone, (0, 0, 0)) for bone in order], float)


def hand_length(joints: Joints) -> float:
    """Wrist to finger tips: BlazePose's index and pinky lie at the knuckles."""
    knuckles = np.concatenate([
        np.linalg.norm(joints.middle(f"{s}_index", f"{s}_pinky") - joints(f"{s}_wrist"), axis=-1)
        for s in ("left", "right")
    ])  # fmt: skip
    return 2 * median(knuckles, HAND_M / 2)


def foot_shape(joints: Joints) -> tuple[float, float]:
    """Return how far the sole lies below the ankle, and the toes' tip in front of it, m."""
    drops, soles = [], []
    for side in ("left", "right"):
        ankle, heel, toe = (joints(f"{side}_{part}") for part in ("ankle", "heel", "foot_index"))
        along = unit(toe - heel)
        soles.append(((toe - ankle) * along).sum(-1))
        drops.append(np.linalg.norm((toe - ankle) - soles[-1][:, None] * along, axis=-1))
    return median(np.concatenate(drops), ANKLE_HEIGHT_M), median(np.concatenate(soles), FOOT_M)


@dataclass
class Follow:
    """Bone by bone from the root: how it is turned in the room, then against its parent."""

    joints: Joints
    rig: Rig

    def motion(self) -> RigMotion:
        self.world: dict[str, Real] = {}
        self.place: dict[str, Real] = {}
        count = len(self.joints("pelvis"))
        local = np.zeros((count, len(self.rig.names), 3, 3))
        root = self.joints("pelvis")
        root = carried(np.nan_to_num(root), np.asarray(np.isfinite(root).all(-1)))
        for node, bone in enumerate(self.rig.names):
            parent = self.rig.names[self.rig.parents[node]] if node else ""
            above = self.world[parent] if node else np.tile(np.eye(3), (count, 1, 1))
            self.place[bone] = self.place[parent] + above @ self.rig.offsets[node] if node else root
            wanted = self.turn(bone, above)
            known = finite(wanted)
            if bone in HANGING and not known.any():  # never seen: no arm held out as in the rest pose
                wanted, known = above @ HANGING[bone], finite(above)
            local[:, node] = carried(np.swapaxes(above, -1, -2) @ np.where(known[:, None, None], wanted, 0.0), known)
            self.world[bone] = above @ local[:, node]
        return RigMotion(root, local)

    def turn(self, bone: str, above: Real) -> Real:
        """Return (T, 3, 3) rotation in the room, NaN where nothing is known."""
        side = bone[:4] if bone.startswith("Left") else bone[:5] if bone.startswith("Right") else ""
        if side:
            return getattr(self, f"_{bone.removeprefix(side).lower()}")(side, above)  # type: ignore[no-any-return]
        return getattr(self, f"_{bone.lower()}")(above)  # type: ignore[no-any-return]

    def _hips(self, above: Real) -> Real:
        at = self.joints
        return frame(at("left_hip") - at("right_hip"), at("spine") - at("pelvis"))

    def chest(self) -> Real:
        at = self.joints
        return frame(at("left_shoulder") - at("right_shoulder"), at("thorax") - at("spine"))

    def _spine(self, above: Real) -> Real:
        return aimed(between(above, self.chest(), 1 / 3), UP, self.joints("spine") - self.place["Spine"])

    def _spine1(self, above: Real) -> Real:
        upright = between(self.world["Hips"], self.chest(), 2 / 3)
        return aimed(upright, UP, self.joints("thorax") - self.place["Spine1"])

    def _spine2(self, above: Real) -> Real:
        return aimed(self.chest(), UP, self.joints("thorax") - self.place["Spine2"])

    def head(self) -> Real:
        """By ears and nose, else by the crown and the nose, else by the crown alone."""
        at, chest = self.joints, self.chest()
        across, ahead = at("left_ear") - at("right_ear"), at("nose") - at.middle("left_ear", "right_ear")
        by_ears = frame(across, np.cross(ahead, across))
        axis = at("head") - at("thorax")
        by_crown = aimed(chest, UP, axis)
        off = at("nose") - at("thorax")
        off = off - (off * unit(axis)).sum(-1, keepdims=True) * unit(axis)
        by_nose = frame(np.cross(unit(axis), unit(off)), axis)
        looks = np.linalg.norm(off, axis=-1) > NOSE_LEAST_M
        return first_known(by_ears, np.where(looks[:, None, None], by_nose, np.nan), by_crown)

    def _neck(self, above: Real) -> Real:
        return aimed(between(above, self.head(), 0.5), UP, self.joints("head") - self.place["Neck"])

    def _head(self, above: Real) -> Real:
        return self.head()

    def _shoulder(self, side: str, above: Real) -> Real:
        to = self.joints(f"{side.lower()}_shoulder") - self.place[f"{side}Shoulder"]
        return aimed(above, SIGN[side] * np.array([1.0, 0, 0]), to)

    def _arm(self, side: str, above: Real) -> Real:
        """Elbows bend towards the front of a T-pose whose palms look down."""
        at, out = self.joints, SIGN[side] * np.array([1.0, 0, 0])
        to = at(f"{side.lower()}_elbow") - self.place[f"{side}Arm"]
        beyond = at(f"{side.lower()}_wrist") - at(f"{side.lower()}_elbow")
        hinge = -SIGN[side] * np.cross(to, beyond)
        return hinged(aimed(above, out, to), frame(SIGN[side] * to, hinge), to, beyond)

    def _forearm(self, side: str, above: Real) -> Real:
        to = self.joints(f"{side.lower()}_wrist") - self.place[f"{side}ForeArm"]
        return aimed(above, SIGN[side] * np.array([1.0, 0, 0]), to)

    def _hand(self, side: str, above: Real) -> Real:
        at, name = self.joints, side.lower()
        to = at.middle(f"{name}_index", f"{name}_pinky") - at(f"{name}_wrist")
        x = SIGN[side] * unit(to)
        across = at(f"{name}_index") - at(f"{name}_pinky")
        return first_known(frame(x, np.cross(across, x)), above)

    def _upleg(self, side: str, above: Real) -> Real:
        """Knees bend backwards."""
        at, name = self.joints, side.lower()
        to = at(f"{name}_knee") - self.place[f"{side}UpLeg"]
        beyond = at(f"{name}_ankle") - at(f"{name}_knee")
        hinge = frame(np.cross(to, beyond), -to)
        return hinged(aimed(above, -UP, to), hinge, to, beyond)

    def _leg(self, side: str, above: Real) -> Real:
        return aimed(above, -UP, self.joints(f"{side.lower()}_ankle") - self.place[f"{side}Leg"])

    def _foot(self, side: str, above: Real) -> Real:
        """Along the sole, rolled as the shin is."""
        sole = self.joints(f"{side.lower()}_foot_index") - self.joints(f"{side.lower()}_heel")
        z = unit(sole)
        x = unit(above[..., 0] - (above[..., 0] * z).sum(-1, keepdims=True) * z)
        return first_known(np.stack([x, np.cross(z, x), z], -1), above)

    def _toebase(self, side: str, above: Real) -> Real:
        return above


def finite(turns: Real) -> Mask:
    """Tell which of the turns (T, 3, 3) are known, (T,)."""
    return np.asarray(np.isfinite(turns).all((-1, -2)))


def aimed(base: Real, axis: Real, to: Real) -> Real:
    """Rotate `base` by the smallest rotation that brings its `axis` to the direction `to`."""
    return swing(base @ axis, to) @ base


def between(a: Real, b: Real, part: float) -> Real:
    """Interpolate `part` of the way from rotation a to b; NaN where one is."""
    known = finite(a) & finite(b)
    mixed = np.where(known[:, None, None], (1 - part) * a + part * b, np.eye(3))
    found = best_rotation(np.eye(3), np.swapaxes(mixed, -1, -2))
    return np.asarray(np.where(known[:, None, None], found, np.nan))


def hinged(straight: Real, bent: Real, to: Real, beyond: Real) -> Real:
    """From the twist of the straight limb to that which its bent joint says, by how much it is bent."""
    angle = np.arccos(np.clip((unit(to) * unit(beyond)).sum(-1), -1, 1))
    weight = np.clip((angle - BENT[0]) / (BENT[1] - BENT[0]), 0, 1)
    known = finite(bent) & np.isfinite(weight)
    weight = np.where(known, weight, 0.0)[:, None, None]
    mixed = (
        np.where(np.isfinite(straight), straight, 0.0) * (1 - weight) + np.where(np.isfinite(bent), bent, 0.0) * weight
    )
    there = finite(straight)
    found = best_rotation(np.eye(3), np.swapaxes(np.where(there[:, None, None], mixed, np.eye(3)), -1, -2))
    return np.asarray(np.where(there[:, None, None], found, np.nan))


def first_known(*choices: Real) -> Real:
    found = choices[0]
    for choice in choices[1:]:
        known = np.isfinite(found).all((-1, -2), keepdims=True)
        found = np.where(known, found, choice)
    return np.asarray(found)
