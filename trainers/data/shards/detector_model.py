"""Tell which detector model made a folder of shards, and refuse to mix two: each model errs in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from realtime.config.detector_models import DEFAULT, NAMES
from realtime.detect.pose_models import kind_of
from trainers.errors import UserError
from trainers.user_file import read_json

SETTINGS = "synthesis.json"
OF_OLD = "auto"  # in notes of folders from before lite and heavy: full


def detector_of(folder: Path) -> str | None:
    """Return the model's kind; its bundle where that is none of ours; None where the folder does not say."""
    settings = settings_of(folder)
    return None if settings is None else kind(str(settings.get("model", OF_OLD)))


def settings_of(folder: Path) -> dict[str, Any] | None:
    """Return what a folder of shards was made with; None where it does not say."""
    note = folder / SETTINGS
    if not note.is_file():
        return None
    try:
        settings = read_json(note)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise UserError(f"{note}: no settings of trainers synthesize; synthesize the folder anew")
    return settings


def kind(model: str) -> str:
    """Return lite, full or heavy of what a note says, a name or a bundle's path; that itself where it is none of
    them."""
    if model in NAMES:
        return model
    return DEFAULT if model == OF_OLD else kind_of(Path(model)) or model


def one_detector(folders: Sequence[str | Path]) -> None:
    """Every folder that says so was made with the same model."""
    made = {str(folder): model for folder in folders if (model := detector_of(Path(folder))) is not None}
    if len(set(made.values())) > 1:
        said = ", ".join(f"{folder} {model}" for folder, model in made.items())
        raise UserError(
            f"mixed detector models: {said}; a network is for one model: give folders of one, or make the others anew "
            "with trainers synthesize ... --model"
        )
