"""Public data sets in world axes with calibrated cameras: Human3.6M and HumanEva, in VideoPose3D's layout.

World: metres, Z up.  Cameras come from the user (they are in no such file): trainers.data.public.camera_table.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import H36M_17, Array
from trainers.data import motion, views
from trainers.data.motion import MotionSegment
from trainers.data.public.camera_table import PublishedCamera, cameras_of, read_cameras
from trainers.data.public.keypoint_layout import CHOICES, KeypointLayout, layout_of
from trainers.data.public.trusted import load_trusted, member
from trainers.data.views import RecordedView
from trainers.errors import UserError

H36M_KEEP = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
EVA = (
    "pelvis", "thorax", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
    "left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle", "head",
)  # fmt: skip
EVA_MADE = {"spine": ("pelvis", "thorax"), "nose": ("thorax", "head")}  # halfway: not in the data, never judged


@dataclass(frozen=True)
class SetLayout:
    name: str
    joints: int
    fps: float

    def pose(self, xyz: Array) -> Array:
        """Map (T, joints, d) of the file -> (T, 17, d)."""
        if xyz.shape[1] == len(H36M_17):
            return xyz
        if self.name == "h36m":
            return xyz[:, H36M_KEEP]
        made: dict[str, Any] = {j: xyz[:, EVA.index(j)] for j in EVA}
        made |= {j: (made[a] + made[b]) / 2 for j, (a, b) in EVA_MADE.items()}
        return np.stack([made[j] for j in H36M_17.joints], 1)

    def known(self) -> NDArray[np.bool_]:
        return np.array([self.name == "h36m" or j not in EVA_MADE for j in H36M_17.joints])


LAYOUTS = {"h36m": SetLayout("h36m", 32, 50.0), "humaneva": SetLayout("humaneva", 15, 60.0)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, required=True, help="data_3d_*.npz")
    parser.add_argument("--keypoints", type=Path, help="data_2d_*.npz of a detector; without it, exact projections")
    parser.add_argument(
        "--keypoints-layout", default="", choices=("", *CHOICES), help="where the keypoints' file does not name it"
    )
    parser.add_argument(
        "--cameras", type=Path, help="intrinsics and extrinsics: JSON or VideoPose3D's table; without it, motion alone"
    )


def prepare(args: argparse.Namespace) -> list[str]:
    layout = LAYOUTS[args.set]
    cameras = read_cameras(args.cameras) if args.cameras else None
    people = member(load_trusted(args.file, args.trust), "positions_3d", args.file)
    detected = read_detected(args.keypoints, args.trust, args.keypoints_layout) if args.keypoints else None
    skipped, index = [], []
    for subject, actions in people.items():
        segments, seen = [], []
        theirs = cameras_of(cameras, subject) if cameras else []
        for action, raw in actions.items():
            problem = wrong(np.asarray(raw), layout)
            if problem:
                skipped.append(f"{subject} {action}: {problem}")
                continue
            xyz = layout.pose(np.asarray(raw, np.float32))
            segments.append(segment(xyz, layout, subject, action))
            index.append({"clip": segments[-1].clip, "subject": segments[-1].subject, "desc": segments[-1].action})
            seen += recorded(xyz, layout, subject, action, theirs, detected)
        if segments:
            motion.save(args.out, named(subject), segments)
        if seen:
            views.save(args.out, named(subject), seen, layout.known())
    if not index:
        raise UserError(f"{args.file}: none of its clips could be used; the first: {(skipped or ['there is none'])[0]}")
    motion.write_index(args.out, index)
    return skipped


def wrong(raw: NDArray[Any], layout: SetLayout) -> str:
    """Return what is wrong with a clip, or nothing."""
    expected = (layout.joints, len(H36M_17))
    if raw.ndim != 3 or raw.shape[1] not in expected or raw.shape[2] < 3:
        return f"shape {raw.shape}, expected (T, {layout.joints}, 3)"
    if len(raw) < 2:
        return f"{len(raw)} frames"
    broken = ~np.isfinite(raw).all((1, 2))
    return f"NaN or inf in frame {int(broken.argmax())}" if broken.any() else ""


def named(subject: str) -> str:
    return subject.replace("/", "-")


def verb(action: str) -> str:
    """Strip trial and chunk from an action's name: 'Walking 1 chunk0' -> 'Walking'."""
    return re.sub(r"( \d+)?( chunk\d+)?$", "", action)


def segment(xyz: Array, layout: SetLayout, subject: str, action: str) -> MotionSegment:
    """Z up -> Y up."""
    upright = np.stack([xyz[..., 0], xyz[..., 2], -xyz[..., 1]], -1)
    return MotionSegment(
        np.asarray(upright, np.float32), layout.fps, f"{subject}/{action}", named(subject), verb(action)
    )


def recorded(
    xyz: Array, layout: SetLayout, subject: str, action: str, cameras: list[PublishedCamera], detected: Detected | None
) -> list[RecordedView]:
    """Return what every camera saw of a clip: a detector's keypoints, or exact projections through the lens."""
    out = []
    for k, camera in enumerate(cameras):
        local = camera.local(xyz)
        found = detected.of(subject, action, k, layout) if detected else None
        xy, score = found or (camera.pixels(local), np.ones(xyz.shape[:2], np.float32))
        frames = min(len(xy), len(xyz))
        out.append(
            RecordedView(
                local[:frames].astype(np.float32), xy[:frames].astype(np.float32), score[:frames],
                np.ones(frames, bool), layout.fps, camera.size, camera.focal, camera.centre, f"{subject}/{action}",
                named(subject), verb(action), camera.id, camera.distortion,
            )
        )  # fmt: skip
    return out


@dataclass(frozen=True)
class Detected:
    """A detector's keypoints of the whole set."""

    positions: dict[str, dict[str, list[NDArray[Any]]]]
    layout: KeypointLayout

    def of(self, subject: str, action: str, camera: int, layout: SetLayout) -> tuple[Array, Array] | None:
        found = self.positions.get(subject, {}).get(action)
        return None if found is None else self.layout.points(np.asarray(found[camera], np.float32), layout.pose)


def read_detected(path: Path, trust: bool, given: str) -> Detected:
    archive = load_trusted(path, trust)
    metadata = member(archive, "metadata", path) if "metadata" in getattr(archive, "files", ()) else None
    return Detected(member(archive, "positions_2d", path), layout_of(metadata, given, str(path)))
