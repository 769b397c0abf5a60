"""Name a recording's joints as the markers of OpenSim setups."""

from __future__ import annotations

from dataclasses import replace

from realtime.export.clip import ExportClip
from realtime.recording.file_format import RecordingError

OPENSIM = "opensim"
# Pose2Sim's markers (its Halpe26 and BlazePose setups); joints that a recording lacks are left out
POSE2SIM = {
    "pelvis": "Hip", "thorax": "Neck", "nose": "Nose", "head": "Head",
    **{f"{side}_{joint}": f"{side[0].upper()}{marker}" for side in ("right", "left") for joint, marker in (
        ("hip", "Hip"), ("knee", "Knee"), ("ankle", "Ankle"), ("heel", "Heel"), ("foot_index", "BigToe"),
        ("shoulder", "Shoulder"), ("elbow", "Elbow"), ("wrist", "Wrist"), ("thumb", "Thumb"), ("index", "Index"),
        ("pinky", "Pinky"), ("eye", "Eye"),
    )},
}  # fmt: skip


def opensim_markers(clip: ExportClip) -> ExportClip:
    """Select the joints that Pose2Sim's OpenSim models have markers for, under the markers' names."""
    known = [i for i, joint in enumerate(clip.joints) if joint in POSE2SIM]
    if not known:
        raise RecordingError(f"none of the joints {', '.join(clip.joints[:5])}, ... is a marker of OpenSim's setups")
    tracks = {name: getattr(clip, name)[:, known] for name in ("xyz", "sigma", "state", "age_ms", "reliability")}
    return replace(
        clip, joints=tuple(POSE2SIM[clip.joints[i]] for i in known), parents=(-1, *[0] * (len(known) - 1)), **tracks
    )
