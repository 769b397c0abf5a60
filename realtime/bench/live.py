"""Run the pipeline as `realtime run` does, with a rendered film in place of the camera.

Run as a program with the settings as JSON, and the name of a variant; prints one JSON line a second.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace

from realtime import pipeline
from realtime.bench.film import FilmSource, open_film
from realtime.capture import stage as capture_stage
from realtime.config.loader import load
from realtime.config.schema import RunConfig
from realtime.pipeline import Table
from realtime.supervise import supervisor
from realtime.supervise.stage_runner import Context
from realtime.supervise.terminal import as_json


def film_capture(ctx: Context) -> None:
    """Run the capture stage with a mapped film as its source."""
    capture_stage.run(ctx, FilmSource(open_film(ctx.config.source.spec), ctx.config.source))


VARIANTS = {  # of a run: its stages that differ
    "plain": {},
    "traced": {name: f"realtime.bench.traced:{name}" for name in ("detect", "occlude", "lift")},
    "rest on the last core": {name: f"realtime.bench.pinned:{name}" for name in ("occlude", "lift")},
    "rest on the last core, detector on the others": {
        name: f"realtime.bench.pinned:{name}" for name in ("detect", "occlude", "lift")
    },
}


def table(config: RunConfig, variant: str = "plain") -> Table:
    chosen = pipeline.live(config.pipeline.processes)
    mains = {"capture": "realtime.bench.live:film_capture", **VARIANTS[variant]}
    return chosen | {name: replace(chosen[name], main=main) for name, main in mains.items()}


def settings(given: dict[str, object]) -> RunConfig:
    return load(None, {key: (key, value) for key, value in given.items()})


def main(given: str, variant: str = "plain") -> int:
    config = settings(json.loads(given))
    return supervisor.run(
        config, table(config, variant), lambda snapshot: print(json.dumps(as_json(snapshot, None)), flush=True)
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
