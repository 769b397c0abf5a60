"""Cover more of a person, for shorter and longer: what `trainers evaluate --views DIR --suite` judges by."""

from __future__ import annotations

from trainers.evaluation.occluders.occluder_cases import CASES, WHOLE, Cover

SIDE = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
COVERED = {  # what is covered -> reference joints under the rectangle
    "arm": CASES["right arm"],
    "leg": CASES["right leg"],
    "both legs": CASES["legs"],
    "right half": tuple(f"right_{joint}" for joint in SIDE),
    "everything": tuple(f"{side}_{joint}" for joint in SIDE for side in ("left", "right")),
}
SECONDS = (0.2, 0.5, 1.0, 2.0)
LOWER_BODY = Cover("both legs, whole film", COVERED["both legs"], WHOLE)

WIDE = ("right half", "everything")  # of half bodies: what their reference has

SUITE = (
    *(Cover(f"{name}, {s:g} s", joints, s, name in WIDE) for name, joints in COVERED.items() for s in SECONDS),
    LOWER_BODY,
)
