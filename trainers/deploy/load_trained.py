"""Load what was trained from a run's folder or checkpoint: the model that ships, with its history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from trainers import checkpoint
from trainers.data.notice import notice_of
from trainers.errors import UserError
from trainers.recipe import recipe_module

UNTRAINED = ("hold",)


def load_trained(name: str, data: list[str] | None = None) -> tuple[nn.Module, dict[str, Any], dict[str, float]]:
    """(model, provenance, figures) of a run, or of a lifter that needs no training: its sigma is measured on `data`."""
    if name in UNTRAINED:
        from trainers.deploy.calibrate_hold import hold_lifter

        notice = (
            f"nothing in it is trained; sigma was measured on: {notice_of(data)}"
            if data
            else "nothing in it is trained"
        )
        return hold_lifter(data or []), {"command": "none: nothing in it is trained", "notice": notice}, {}
    if data:
        raise UserError(f"--data {data[0]}: only for {', '.join(UNTRAINED)}; training set the sigma of {name}")
    path = Path(name) / checkpoint.FILE if Path(name).is_dir() else Path(name)
    if not path.exists():
        raise UserError(f"{path}: no checkpoint; train one: trainers train causal-small --data DIR")
    meta = checkpoint.metadata(path)
    missing = {"recipe", "settings", "step", "figures"} - set(meta)
    if missing:
        raise UserError(f"{path}: lacks {', '.join(sorted(missing))}; not a checkpoint of `trainers train`")
    model = recipe_module(meta["recipe"]).build_for_export(json.loads(meta["settings"]), checkpoint.weights(path))
    provenance = {"command": meta["command"], "steps": int(meta["step"]), "settings": meta["fingerprint"]}
    provenance["notice"] = meta.get("notice") or "the checkpoint names no data, so the terms of its data are not known"
    return model, provenance, json.loads(meta["figures"])
