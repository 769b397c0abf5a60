"""CSV, JSON and npz: everything that a recording says, all people in one file, units in the names.

Nothing is left out: each joint comes with its state; what
was ABSENT, or lies in a frame without that person, is empty (CSV), null (JSON) or NaN (npz).  `frame` and `time_s`
count from the recording's first captured frame, for everybody.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from realtime.export.clip import ExportClip
from realtime.export.smoothing.contact import FOOT_PARTS, SIDES, contact
from realtime.wire.messages import ABSENT, JOINT_STATES

COLUMNS = (
    "person", "frame", "time_s", "joint", "state", "x_m", "y_m", "z_m", "sigma_m", "age_ms", "reliability", "contact",
)  # fmt: skip
AXES = "x to the camera's right, y up by gravity, z towards the camera, right-handed; y = 0 is the floor; metres"


def write_csv(path: Path, clips: list[ExportClip]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for clip in clips:
            stands = contact_of_joints(clip)
            for at in range(len(clip)):
                rows.writerows(csv_rows(clip, at, stands[at]))


def csv_rows(clip: ExportClip, at: int, stands: Any) -> list[list[Any]]:
    sigma = np.where(clip.state[at] == ABSENT, np.nan, clip.sigma[at])
    frame, time_s = int(clip.frames[at]), f"{clip.times_s[at]:.6f}"
    return [
        [
            clip.person, frame, time_s, joint, JOINT_STATES[clip.state[at, j]],
            *(cell(value) for value in clip.xyz[at, j]), cell(sigma[j]),
            cell(clip.age_ms[at, j], 0), cell(clip.reliability[at, j], 3), cell(stands[j], 0),
        ]
        for j, joint in enumerate(clip.joints)
    ]  # fmt: skip


def contact_of_joints(clip: ExportClip) -> Any:
    """Return foot contact by joint (T, J): 1, 0; NaN where it is unknown, and for joints not of the feet."""
    found, of_feet = np.full(clip.state.shape, np.nan), contact(clip)
    for i, side in enumerate(SIDES):
        for part in FOOT_PARTS:
            if f"{side}_{part}" in clip.joints:
                found[:, clip.joints.index(f"{side}_{part}")] = of_feet[:, i]
    return found


def marked(clip: ExportClip, values: Any) -> Any:
    """Mask values of ABSENT joints with NaN."""
    return np.where(clip.state == ABSENT, np.nan, values)


def cell(value: float, digits: int = 5) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"


def write_states(path: Path, clip: ExportClip) -> None:
    """Write the joint states by name, frame by joint, beside formats that cannot mark a hidden joint."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["frame", "time_s", *clip.joints, *(f"{side}_foot_contact" for side in SIDES)])
        stands = contact(clip)
        for frame, (time_s, states, feet) in enumerate(zip(clip.times_s, clip.state, stands), clip.first + 1):
            rows.writerow(
                [frame, f"{time_s:.6f}", *(JOINT_STATES[s] for s in states), *(cell(foot, 0) for foot in feet)]
            )


def write_json(path: Path, clips: list[ExportClip]) -> None:
    head = {"axes": AXES, "units": {"time": "s", "xyz": "m", "sigma": "m", "age": "ms"}, "states": list(JOINT_STATES)}
    people = [json_person(clip) for clip in clips]
    with path.open("w", encoding="utf-8") as file:
        json.dump(head | {"people": people}, file, allow_nan=False)


def json_person(clip: ExportClip) -> dict[str, Any]:
    return {
        "id": clip.person,
        "source": clip.source,
        "joints": list(clip.joints),
        "parents": list(clip.parents),
        "start_unix_ns": clip.start_unix_ns,
        "absolute": clip.absolute,
        "metric": clip.metric,
        "frame": clip.frames.tolist(),
        "time_s": nulls(clip.times_s, 6),
        "xyz_m": nulls(clip.xyz, 5),
        "sigma_m": nulls(marked(clip, clip.sigma), 5),
        "state": clip.state.tolist(),
        "age_ms": nulls(clip.age_ms, 0),
        "reliability": nulls(clip.reliability, 3),
        "contact": dict(zip(SIDES, nulls(contact(clip).T, 0))),
    }


def nulls(values: Any, digits: int) -> Any:
    """Nested lists; null stands for NaN, which JSON does not know."""
    if np.ndim(values) == 0:
        return None if np.isnan(values) else round(float(values), digits)
    return [nulls(value, digits) for value in values]


def write_npz(path: Path, clips: list[ExportClip]) -> None:
    """Arrays without objects; those of person i end in `_i`, units in the name."""
    arrays: dict[str, Any] = {
        "axes": np.array(AXES),
        "states": np.array(JOINT_STATES),
        "people": np.array([clip.person for clip in clips], np.int64),
    }
    for clip in clips:
        arrays |= {f"{name}_{clip.person}": value for name, value in npz_person(clip).items()}
    np.savez_compressed(path, **arrays)


def npz_person(clip: ExportClip) -> dict[str, Any]:
    return {
        "joints": np.array(clip.joints),
        "parents": np.array(clip.parents, np.int64),
        "start_unix_ns": np.array(clip.start_unix_ns, np.int64),
        "frame": clip.frames,
        "time_s": clip.times_s,
        "xyz_m": clip.xyz.astype(np.float32),
        "sigma_m": marked(clip, clip.sigma).astype(np.float32),
        "state": clip.state,
        "age_ms": clip.age_ms.astype(np.float32),
        "reliability": clip.reliability.astype(np.float32),
        "contact": contact(clip).astype(np.float32),
        "absolute": np.array(clip.absolute),
        "metric": np.array(clip.metric),
    }
