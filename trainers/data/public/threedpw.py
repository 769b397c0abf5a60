"""Read 3DPW, for tests only: one pickle a sequence, people in the wild seen by a moving telephone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from engines.skeleton import H36M_17, Array
from trainers.data import motion, views
from trainers.data.public.threedhp import upright
from trainers.data.public.trusted import load_trusted
from trainers.data.views import RecordedView
from trainers.errors import UserError

SMPL = [0, 2, 5, 8, 1, 4, 7, 6, 12, 15, 15, 16, 18, 20, 17, 19, 21]  # place among 24 of each of the 17
OPENPOSE = {
    "nose": 0, "thorax": 1, "right_shoulder": 2, "right_elbow": 3, "right_wrist": 4, "left_shoulder": 5,
    "left_elbow": 6, "left_wrist": 7, "right_hip": 8, "right_knee": 9, "right_ankle": 10, "left_hip": 11,
    "left_knee": 12, "left_ankle": 13,
}  # fmt: skip
UNKNOWN_JOINTS = ("spine", "nose", "head")  # SMPL's are elsewhere: never judged
FPS = 30.0
KEYS = ("poses2d", "jointPositions", "cam_poses", "cam_intrinsics")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="sequenceFiles/test")


def prepare(args: argparse.Namespace) -> list[str]:
    files = sorted(args.root.rglob("*.pkl")) if args.root.is_dir() else []
    if not files:
        raise UserError(f"--root {args.root}: no .pkl file below it; expected 3DPW's sequenceFiles")
    known = np.array([j not in UNKNOWN_JOINTS for j in H36M_17.joints])
    skipped, index = [], []
    for path in files:
        try:
            seen = sequence(load_trusted(path, args.trust), path)
        except UserError as error:
            if not args.trust:
                raise
            skipped.append(str(error))
            continue
        views.save(args.out, path.stem, seen, known)
        motion.save(args.out, path.stem, [upright(v) for v in seen])
        index += [{"clip": v.clip, "subject": v.subject, "desc": v.action} for v in seen]
    if not index:
        raise UserError(f"--root {args.root}: none of {len(files)} sequences could be used; the first: {skipped[0]}")
    motion.write_index(args.out, index)
    return skipped


def sequence(raw: Any, path: Path) -> list[RecordedView]:
    missing = [k for k in KEYS if not isinstance(raw, dict) or k not in raw]
    if missing:
        raise UserError(f"{path}: keys {', '.join(missing)} are missing; expected a sequence of 3DPW")
    return [person(raw, i, path) for i in range(len(raw["jointPositions"]))]


def person(raw: dict[str, Any], which: int, path: Path) -> RecordedView:
    joints = np.asarray(raw["jointPositions"][which], np.float64).reshape(-1, 24, 3)
    poses, lens = np.asarray(raw["cam_poses"], np.float64), np.asarray(raw["cam_intrinsics"], np.float64)
    frames = min(len(joints), len(poses))
    local = np.einsum("tij,tkj->tki", poses[:frames, :3, :3], joints[:frames]) + poses[:frames, None, :3, 3]
    xyz = local[:, SMPL].astype(np.float32)
    xyz[:, 0] = (xyz[:, 1] + xyz[:, 4]) / 2
    xy, score = keypoints(np.asarray(raw["poses2d"][which], np.float32)[:frames])
    valid = np.asarray(raw.get("campose_valid", np.ones((which + 1, frames)))[which], bool)[:frames]
    centre = (float(lens[0, 2]), float(lens[1, 2]))
    return RecordedView(
        xyz, xy, score, valid, FPS, (2 * centre[0], 2 * centre[1]), (float(lens[0, 0]), float(lens[1, 1])), centre,
        f"{path.stem}/{which}", path.stem, path.stem, "0",
    )  # fmt: skip


def keypoints(poses2d: Array) -> tuple[Array, Array]:
    """OpenPose (T, 3, 18) x, y, confidence -> the 17 in pixels and their scores; what it lacks is made or unseen."""
    xy, score = np.zeros((len(poses2d), 17, 2), np.float32), np.zeros((len(poses2d), 17), np.float32)
    for joint, place in OPENPOSE.items():
        xy[:, H36M_17.index(joint)], score[:, H36M_17.index(joint)] = poses2d[:, :2, place], poses2d[:, 2, place]
    for joint, (a, b) in {"pelvis": ("left_hip", "right_hip"), "spine": ("pelvis", "thorax")}.items():
        j, p, q = (H36M_17.index(n) for n in (joint, a, b))
        xy[:, j], score[:, j] = (xy[:, p] + xy[:, q]) / 2, np.minimum(score[:, p], score[:, q])
    return xy, score
