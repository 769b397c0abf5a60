"""Public data sets in world axes with calibrated cameras: Human3.6M and HumanEva, in VideoPose3D's layout.

Knows: the layout of `data_3d_*.npz` and `data_2d_*.npz`, which joints are which, quaternions of cameras.
Does not know: networks, protocols.  World: metres, Z up.

Cameras come from the user (they are in no such file): JSON {"intrinsics": [{id, center, focal_length, res_w, res_h}],
"extrinsics": {subject: [{orientation: [w, x, y, z], translation: [mm]}]}}, the names that VideoPose3D's tables have.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.contract import H36M_17, Array
from trainers.data import motion, views
from trainers.data.motion import Segment
from trainers.data.trusted import load_trusted, member
from trainers.data.views import RecordedView
from trainers.errors import UserError

H36M_KEEP = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
EVA = (
    "pelvis", "thorax", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
    "left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle", "head",
)  # fmt: skip
EVA_MADE = {"spine": ("pelvis", "thorax"), "nose": ("thorax", "head")}  # halfway: not in the data, never judged


@dataclass(frozen=True)
class Layout:
    name: str
    joints: int
    fps: float

    def pose(self, xyz: Array) -> Array:
        """(T, joints, d) of the file -> (T, 17, d)."""
        if xyz.shape[1] == len(H36M_17):
            return xyz
        if self.name == "h36m":
            return xyz[:, H36M_KEEP]
        made = {j: xyz[:, EVA.index(j)] for j in EVA}
        made |= {j: (made[a] + made[b]) / 2 for j, (a, b) in EVA_MADE.items()}
        return np.stack([made[j] for j in H36M_17.joints], 1)

    def known(self) -> NDArray[np.bool_]:
        return np.array([self.name == "h36m" or j not in EVA_MADE for j in H36M_17.joints])


LAYOUTS = {"h36m": Layout("h36m", 32, 50.0), "humaneva": Layout("humaneva", 15, 60.0)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, required=True, help="data_3d_*.npz")
    parser.add_argument("--keypoints", type=Path, help="data_2d_*.npz of a detector; without it, exact projections")
    parser.add_argument("--cameras", type=Path, help="JSON of intrinsics and extrinsics; without it, motion alone")


def prepare(args: argparse.Namespace) -> list[str]:
    layout = LAYOUTS[args.set]
    cameras = read_cameras(args.cameras) if args.cameras else None
    people = member(load_trusted(args.file, args.trust), "positions_3d", args.file)
    detected = (
        member(load_trusted(args.keypoints, args.trust), "positions_2d", args.keypoints) if args.keypoints else {}
    )
    skipped, index = [], []
    for subject, actions in people.items():
        segments, seen = [], []
        for action, raw in actions.items():
            problem = wrong(np.asarray(raw), layout)
            if problem:
                skipped.append(f"{subject} {action}: {problem}")
                continue
            xyz = layout.pose(np.asarray(raw, np.float32))
            segments.append(segment(xyz, layout, subject, action))
            index.append({"clip": segments[-1].clip, "subject": segments[-1].subject, "desc": segments[-1].action})
            seen += recorded(xyz, layout, subject, action, cameras, detected) if cameras else []
        if segments:
            motion.save(args.out, named(subject), segments)
        if seen:
            views.save(args.out, named(subject), seen, layout.known())
    if not index:
        raise UserError(f"{args.file}: none of its clips could be used; the first: {(skipped or ['there is none'])[0]}")
    motion.write_index(args.out, index)
    return skipped


def wrong(raw: NDArray[Any], layout: Layout) -> str:
    """What is wrong with a clip, or nothing."""
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
    """'Walking 1 chunk0' -> 'Walking'."""
    return re.sub(r"( \d+)?( chunk\d+)?$", "", action)


def segment(xyz: Array, layout: Layout, subject: str, action: str) -> Segment:
    """Z up -> Y up."""
    upright = np.stack([xyz[..., 0], xyz[..., 2], -xyz[..., 1]], -1)
    return Segment(np.asarray(upright, np.float32), layout.fps, f"{subject}/{action}", named(subject), verb(action))


def read_cameras(path: Path) -> dict[str, Any]:
    try:
        cameras = json.loads(path.read_text())
        lens, place = cameras["intrinsics"], cameras["extrinsics"]
        wanted = ("id", "center", "focal_length", "res_w", "res_h")
        missing = {k for one in lens for k in wanted if k not in one}
        missing |= {k for of in place.values() for one in of for k in ("orientation", "translation") if k not in one}
    except (OSError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"--cameras {path}: expected JSON with 'intrinsics' and 'extrinsics' ({error!r}); the docstring of "
            "trainers/data/world.py shows the layout"
        ) from None
    if missing:
        raise UserError(f"--cameras {path}: keys {', '.join(sorted(missing))} are missing; see trainers/data/world.py")
    return dict(cameras)


def turn(orientation: list[float]) -> NDArray[np.float64]:
    """Unit quaternion w x y z -> (3, 3): camera to world."""
    w, x, y, z = np.array(orientation, np.float64) / np.linalg.norm(orientation)
    return np.array(
        [[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
         [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
         [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]]
    )  # fmt: skip


def recorded(
    xyz: Array, layout: Layout, subject: str, action: str, cameras: dict[str, Any], detected: Any
) -> list[RecordedView]:
    person = subject.split("/")[-1]
    places = cameras["extrinsics"].get(person) or cameras["extrinsics"].get(subject)
    if places is None:
        found = ", ".join(cameras["extrinsics"])
        raise UserError(f"--cameras: no extrinsics of {person}, only of {found}; add them or leave --cameras out")
    out = []
    for k, (lens, place) in enumerate(zip(cameras["intrinsics"], places)):
        local = (xyz - np.array(place["translation"]) / 1000) @ turn(place["orientation"])  # world -> camera
        focal, centre = np.array(lens["focal_length"]), np.array(lens["center"])
        exact = local[..., :2] / np.maximum(local[..., 2:], 0.1) * focal + centre
        found = detected.get(subject, {}).get(action) if detected else None
        xy = layout.pose(np.asarray(found[k]))[: len(xyz), :, :2] if found is not None else exact
        frames = min(len(xy), len(xyz))
        out.append(
            RecordedView(
                local[:frames].astype(np.float32), xy[:frames].astype(np.float32),
                np.ones((frames, len(H36M_17)), np.float32), np.ones(frames, bool), layout.fps,
                (lens["res_w"], lens["res_h"]), tuple(focal), tuple(centre), f"{subject}/{action}", named(subject),
                verb(action), str(lens["id"]),
            )
        )  # fmt: skip
    return out
