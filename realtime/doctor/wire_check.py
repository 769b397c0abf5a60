"""Check that messages can be written and read here, with the NumPy that is installed, and that nothing calls home."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from realtime.doctor.machine import Finding
from realtime.wire.messages import (
    Frame,
    Health,
    Hello,
    Keypoints2D,
    Message,
    Person2D,
    Person3D,
    Pose3D,
    Stamp,
    Truth,
    decode,
    encode,
)

FIX = "pip install --upgrade steadypose, or an older NumPy: pip install 'numpy<2.5'"
TELEMETRY = "ORT_DISABLE_TELEMETRY"


def messages() -> Finding:
    """Encode and decode one message of each kind."""
    try:
        kinds = [type(decode(type(one), encode("check", "doctor", one))).__name__ for one in samples()]
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        text = f"NumPy {np.__version__}: {type(error).__name__}: {error}"
        return Finding("bad", "messages", text, FIX, 5)
    return Finding("good", "messages", f"{len(kinds)} kinds written and read with NumPy {np.__version__}")


def samples() -> list[Message]:
    """Return one message of each kind that travels."""
    stamp, names = Stamp("doctor", 1, 0, 1, 1), ("pelvis", "head")
    flat, solid = np.zeros(2, np.float32), np.zeros((2, 3), np.float32)
    state = np.zeros(2, np.uint8)
    seen = Person2D(1, solid[:, :2], flat, flat, solid, flat, flat)
    person = Person3D(1, "TRACKED", solid, flat, state, flat, flat, solid[:, :2], solid[0])
    return [
        Frame(stamp, 0, 1, 640, 480),
        Keypoints2D(stamp, 640, 480, (seen,)),
        Pose3D(stamp, 640, 480, "OK", (person,)),
        Health("doctor", "READY"),
        Hello("boot", "doctor", names, (-1, 0), names, "eq2", 0.5, "none", "", "none", 0.0, ""),
        Truth(stamp, solid[None], solid[None, :, :2], state[None]),
    ]


def calls_home(environment: Mapping[str, str]) -> Finding:
    """Say whether ONNX Runtime's telemetry is off, as every command of ours leaves it."""
    if environment.get(TELEMETRY, "1") == "1":
        return Finding("good", "telemetry", "none: ONNX Runtime's is switched off in every process")
    found = f"{TELEMETRY}={environment[TELEMETRY]}: ONNX Runtime reports to its maker"
    return Finding("note", "telemetry", found, f"unset {TELEMETRY}")
