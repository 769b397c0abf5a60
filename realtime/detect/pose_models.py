"""Say which package of an index carries which pose network, with digests; tell a bundle's kind by its size."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from realtime.config.detector_models import FULL, HEAVY, LITE

SIZES_MB = {LITE: 2.8, FULL: 6.4, HEAVY: 27.7}  # of the landmark network
TOLERANCE = 0.1  # of the size: metadata and their place differ from bundle to bundle
DETECTOR_FILE, LANDMARKS_FILE = "pose_detector.tflite", "pose_landmarks_detector.tflite"  # in a bundle


@dataclass(frozen=True)
class Package:
    """One file of a package index."""

    name: str  # as the index has it
    version: str
    file: str  # as a client stores it
    sha256: str
    size: int  # bytes
    networks: Mapping[str, str]  # path inside -> sha256


WHEEL = Package(
    name="mediapipe",
    version="0.10.21",
    file="mediapipe-0.10.21-cp312-cp312-manylinux_2_28_x86_64.whl",  # its networks are the same on every platform
    sha256="956eb1ebc275c629e61b085b2cab89c3a5b9e93bad1bb107348d98dafb5a4bb5",
    size=35_627_340,
    networks={
        "mediapipe/modules/pose_detection/pose_detection.tflite": (
            "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c"
        ),
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite": (
            "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
        ),
    },
)
TARBALL = Package(
    name="@mediapipe/pose",
    version="0.5.1675469404",
    file="mediapipe-pose-0.5.1675469404.tgz",
    sha256="8bb349a7b3a3ba699df23be804ddd3b3eab810b50b15406894be257859388a84",
    size=40_985_403,
    networks={
        "package/pose_landmark_lite.tflite": "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
        "package/pose_landmark_heavy.tflite": "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
    },
)
SOURCES = {LITE: TARBALL, FULL: WHEEL, HEAVY: TARBALL}


def kind_of(bundle: Path) -> str | None:
    """Identify a bundle's landmark network by its size; None: another one, or no whole bundle."""
    size_mb = landmarks_mb(bundle)
    return next((name for name, mb in SIZES_MB.items() if abs(size_mb - mb) <= TOLERANCE * mb), None)


def landmarks_mb(bundle: Path) -> float:
    """Return the size of the landmark network, MB; 0 where there is none."""
    if not bundle.is_file():  # a pipe would be waited for
        return 0.0
    try:
        with zipfile.ZipFile(bundle) as archive:
            return archive.getinfo(LANDMARKS_FILE).file_size / 1e6
    except (OSError, KeyError, zipfile.BadZipFile):
        return 0.0
