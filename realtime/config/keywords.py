"""Settings as keywords of `realtime.process`: names of flags, and every unambiguous key."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from realtime.config.loader import build, key_paths, load
from realtime.config.schema import RunConfig
from realtime.config.yaml_file import ConfigError

FLAGS = {  # the flags of `realtime run` that say how a film is looked at
    "people": "detector.people",
    "model": "detector.model",
    "engine": "lift.engine",
    "device": "lift.device",
    "fov": "camera.fov_deg",
    "intrinsics": "camera.intrinsics",
    "height": "camera.height_m",
    "tilt": "camera.tilt_deg",
    "rotate": "source.rotate",
    "seed": "demo.seed",
}
UNUSED = (
    "publish",
    "remote",
    "pipeline",
    "record",
    "view",
    "terminal",
)  # sections that change nothing about a film's poses
TAKEN = ("height", "spec", "every_frame")  # said by a flag of that name, or by the call itself


def keywords() -> dict[str, str]:
    """Keyword -> setting: "people" -> "detector.people", "held_ms" -> "lift.held_ms"."""
    paths = [path for path in key_paths(RunConfig) if path[0] not in UNUSED and len(path) == 2]
    often = Counter(path[-1] for path in paths)
    alone = {path[-1]: ".".join(path) for path in paths if often[path[-1]] == 1 and path[-1] not in TAKEN}
    return alone | FLAGS


def configured(config: RunConfig | str | Path | None, given: dict[str, Any]) -> RunConfig:
    """Return settings of a call: the config's, or a settings file's, under the keywords; checked, or ConfigError."""
    base = config if isinstance(config, RunConfig) else load(str(config) if config else None)
    known, values, origins = keywords(), asdict(base), {}
    for keyword, value in given.items():
        if keyword not in known:
            near = difflib.get_close_matches(keyword, known, 1, 0.0)[0]
            raise ConfigError(f"{keyword}={value!r:.60}: unknown setting; nearest is {near} ({known[near]})")
        section, key = known[keyword].split(".")
        values[section][key], origins[section, key] = value, keyword
    return build(RunConfig, values, lambda path: origins.get((path[0], path[-1]), ".".join(path)))
