"""TRC: marker tracks as text, as OpenSim reads them.

Metres, y up, one row per answered frame with its capture time on
the axis of the recording (OrigDataStartFrame says where this person begins); a joint that is missing or less than
asked for leaves its three fields empty.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from realtime.export.clip import ExportClip
from realtime.export.names import identifier

FIELDS = (
    "DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame", "OrigNumFrames",
)  # fmt: skip


def write(path: Path, clip: ExportClip, keep: str = "inferred") -> None:
    xyz = clip.known_xyz(keep)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(header(path.name, clip))
        for number, (time_s, joints) in enumerate(zip(clip.times_s, xyz), clip.first + 1):
            cells = ["" if np.isnan(value) else f"{value:.6f}" for value in joints.reshape(-1)]
            file.write("\t".join([str(number), f"{time_s:.6f}", *cells]) + "\n")


def header(name: str, clip: ExportClip) -> str:
    rate, count, j = f"{clip.rate_hz:.3f}", len(clip), len(clip.joints)
    values = [rate, rate, str(count), str(j), "m", rate, str(clip.first + 1), str(count)]
    markers = "".join(f"{identifier(joint)}\t\t\t" for joint in clip.joints)
    axes = "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, j + 1))
    return (
        f"PathFileType\t4\t(X/Y/Z)\t{name}\n"
        + "\t".join(FIELDS) + "\n" + "\t".join(values) + "\n"
        + f"Frame#\tTime\t{markers}\n\t\t{axes}\n\n"
    )  # fmt: skip
