"""Turn a clip into a rig in motion, under the names that were asked for: what BVH and glTF hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from realtime.export.clip import ExportClip, padded
from realtime.export.names import identifier
from realtime.export.rigging.humanoid import humanoid
from realtime.export.rigging.rig import Real, Rig, RigMotion, animate, bone_lengths, build_rig, shared_out
from realtime.export.rigging.rig_names import H36M, NAMES
from realtime.export.rigging.trunk import with_trunk
from realtime.recording.file_format import RecordingError
from realtime.rotations import unit

NEEDED = ("pelvis", "spine", "thorax", "head", "left_hip", "right_hip", "left_shoulder", "right_shoulder")
END_M = 0.05  # drawn length of a bone that ends in nothing


@dataclass(frozen=True)
class Rigged:
    rig: Rig
    motion: RigMotion
    tips: Real  # (N, 3) m from a bone without children to its end
    times_s: Real  # (T,)
    rate_hz: float


def rigged(clip: ExportClip, keep: str, names: str) -> Rigged:
    """Over the whole time axis of the recording."""
    whole = padded(clip)
    xyz = with_trunk(whole.joints, whole.known_xyz(keep))
    steady = shared_out(xyz, whole.parents, bone_lengths(xyz, whole.parents))
    if names == H36M:
        rig = build_rig(whole.joints, whole.parents, xyz)
        rig = replace(rig, names=tuple(identifier(name) for name in rig.names))
        return Rigged(rig, animate(rig, steady), END_M * unit_or_up(rig.offsets), whole.times_s, whole.rate_hz)
    check_joints(whole.joints)
    rig, motion, tips = humanoid(whole.joints, steady)
    rig = replace(rig, names=tuple(NAMES[names][bone] for bone in rig.names))
    return Rigged(rig, motion, tips, whole.times_s, whole.rate_hz)


def check_joints(joints: tuple[str, ...]) -> None:
    missing = [joint for joint in NEEDED if joint not in joints]
    if missing:
        raise RecordingError(f"a humanoid rig needs {', '.join(missing)}, the recording has none; try --names {H36M}")


def unit_or_up(offsets: Real) -> Real:
    lengths = np.linalg.norm(offsets, axis=-1, keepdims=True)
    return np.where(lengths > 0, unit(offsets), np.array([0.0, 1.0, 0.0]))
