"""Find the bundle that `detector.model` names: one of ours, fetched where it is missing, or the user's own file."""

from __future__ import annotations

from pathlib import Path

from realtime.config.detector_models import AUTO, DEFAULT, NAMES
from realtime.detect.model_download import COMMAND, ModelError, ensure_model, is_bundle
from realtime.detect.pose_models import SIZES_MB, kind_of, landmarks_mb


def bundle_of(spec: str) -> Path:
    """Find the model bundle; `auto`, which only a live run measures, means the default. ModelError for others."""
    if spec in (*NAMES, AUTO):
        return ensure_model(DEFAULT if spec == AUTO else spec)
    path, known = Path(spec).expanduser(), f"expected {', '.join(NAMES)}, {AUTO} or the path of a .task bundle"
    if not path.is_file():
        raise ModelError(f"detector.model: {spec} is no model's name and no file; {known}. The default: {COMMAND}")
    if not is_bundle(path):
        raise ModelError(f"detector.model: {path} is no whole MediaPipe pose bundle (.task). The default: {COMMAND}")
    if kind_of(path) is None:
        sizes = ", ".join(f"{name} has {mb:.1f}" for name, mb in SIZES_MB.items())
        raise ModelError(
            f"detector.model: {path} is a pose bundle of unknown kind (landmarks of {landmarks_mb(path):.1f} MB; "
            f"{sizes}): no lifter was made for what it answers. A known one: {COMMAND}"
        )
    return path
