"""C3D: marker tracks for biomechanics tools, written from the format's own manual.

Metres, y up (POINT:X_SCREEN +X, Y_SCREEN +Y).
The residual marks every sample: above 0 observed (its 1-sigma in metres), 0 inferred (C3D: not measured), -1 missing.
C3D knows one rate only: each frame's capture time stands in the analog channel `capture_time`, in seconds.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from realtime.export.clip import ExportClip, Real, padded
from realtime.export.names import identifier
from realtime.export.writers.c3d_parameters import BLOCK, Parameters, parameter_section
from realtime.wire.messages import OBSERVED

RESIDUAL_STEP_M = 0.001  # residuals are whole steps, in the low byte of the fourth word; observed: at least one
MOST_STEPS = 255
CAMERA_1 = 256  # in its high byte: the cameras that saw the point
MOST_FRAMES = 65535  # as the header counts; longer ones stand in TRIAL as two words
FLOATS_BEGIN = 2  # block of the parameters: behind the header


def write(path: Path, clip: ExportClip, keep: str = "inferred") -> None:
    """Write a clip as C3D of little-endian floats, over the whole time axis of the recording."""
    whole = padded(clip)
    count, j = len(whole), len(whole.joints)
    section = parameter_section(parameters(whole, 0))
    data_block = FLOATS_BEGIN + len(section) // BLOCK
    section = parameter_section(parameters(whole, data_block))
    frames = np.concatenate([points(whole, keep).reshape(count, j * 4), whole.times_s[:, None]], axis=1)
    data = frames.astype("<f4").tobytes()
    fill = bytes(-len(data) % BLOCK) if count <= MOST_FRAMES else b""  # readers count long ones by the file's size
    path.write_bytes(header(count, j, whole.rate_hz, data_block) + section + data + fill)


def header(count: int, j: int, rate_hz: float, data_block: int) -> bytes:
    """Build the header block: where the sections lie, how many samples there are, how they are scaled."""
    fixed = struct.pack(
        "<BBHHHHHfHHf",
        FLOATS_BEGIN,
        0x50,
        j,
        1,
        1,
        min(count, MOST_FRAMES),
        0,
        -RESIDUAL_STEP_M,
        data_block,
        1,
        rate_hz,
    )
    return fixed + bytes(BLOCK - len(fixed))


def parameters(clip: ExportClip, data_block: int) -> Parameters:
    """Group -> name -> value; floats, whole numbers of 16 bits, texts and lists of these."""
    count, rate = len(clip), np.float32(clip.rate_hz)
    names = [identifier(name) for name in clip.joints]
    return {
        "POINT": {
            "USED": len(names), "SCALE": np.float32(-RESIDUAL_STEP_M), "RATE": rate, "DATA_START": data_block,
            "FRAMES": min(count, MOST_FRAMES), "LABELS": names, "UNITS": "m", "X_SCREEN": "+X", "Y_SCREEN": "+Y",
            "DESCRIPTIONS": ["joint centre estimated from video"] * len(names),
        },
        "ANALOG": {
            "USED": 1, "RATE": rate, "GEN_SCALE": np.float32(1.0), "SCALE": [np.float32(1.0)], "OFFSET": [0],
            "LABELS": ["capture_time"], "UNITS": ["s"], "DESCRIPTIONS": ["seconds since the recording's first frame"],
        },
        "TRIAL": {
            "ACTUAL_START_FIELD": [1, 0], "ACTUAL_END_FIELD": [count % 65536, count // 65536],
            "CAMERA_RATE": rate,
        },
        "FORCE_PLATFORM": {"USED": 0},
    }  # fmt: skip


def points(clip: ExportClip, keep: str) -> Real:
    """Return (T, J, 4): x, y, z and the word of residual and cameras; a missing sample is 0, 0, 0 with -1."""
    xyz = clip.known_xyz(keep)
    missing = np.asarray(np.isnan(xyz).any(-1))
    steps = np.clip(np.round(np.nan_to_num(clip.sigma) / RESIDUAL_STEP_M), 1, MOST_STEPS)
    word = np.where(missing, -1.0, np.where(clip.state == OBSERVED, CAMERA_1 + steps, 0.0))
    return np.concatenate([np.where(missing[..., None], 0.0, xyz), word[..., None]], axis=-1)
