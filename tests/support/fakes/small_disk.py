"""The real record stage on a disk that is nearly full: `FAKES_DISK_BYTES` is the most a file may have."""

from __future__ import annotations

import os
import resource

from realtime.recording import stage as recording_stage


def main(ctx) -> None:
    most = int(os.environ["FAKES_DISK_BYTES"])
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    recording_stage.main(ctx)
