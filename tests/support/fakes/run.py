"""The real supervisor with fake detector and engine: `python -m tests.support.fakes.run '{"source.spec": "demo"}'`.

Settings by their dotted names; prints one JSON line per report, as `realtime run --json` would.  The layout of
processes is the environment's where the settings name none: STEADYPOSE_TEST_PROCESSES=apart pytest tests/faults
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, replace

from realtime.config.loader import load
from realtime.config.schema import RunConfig
from realtime.pipeline import Table
from realtime.supervise import supervisor

LAYOUT = "STEADYPOSE_TEST_PROCESSES"
FAKE_MAINS = {
    "detect": "tests.support.fakes.detector:main",
    "occlude": "tests.support.fakes.engine:occlude_main",
    "lift": "tests.support.fakes.engine:main",
    "file": "tests.support.fakes.engine:file_main",
}


def faked(table: Table) -> Table:
    return {name: replace(stage, main=FAKE_MAINS.get(name, stage.main)) for name, stage in table.items()}


def settings(values: dict) -> RunConfig:
    values = {"pipeline.processes": os.environ.get(LAYOUT, "joined")} | values
    return load(None, {key: (key, value) for key, value in values.items()})


def plain(shot: supervisor.Snapshot) -> dict:
    names = {"info": {k: v for k, v in shot.info.items() if isinstance(v, str)}}
    return asdict(shot) | names | {"stages": {one.stage: asdict(one) for one in shot.stages}}


def main() -> int:
    config = settings(json.loads(sys.argv[1]))
    try:
        return supervisor.run(
            config,
            faked(supervisor.table_for(config)),
            lambda shot: print(json.dumps(plain(shot)), flush=True),
        )
    except Exception as error:
        if not hasattr(error, "exit_code"):
            raise
        print(f"realtime: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
