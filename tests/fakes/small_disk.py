"""The real record stage on a disk that is nearly full: `FAKES_DISK_BYTES` is the most a file may have."""

from __future__ import annotations

import os
import resource

from realtime.stages import record


def main(ctx) -> None:
    most = int(os.environ["FAKES_DISK_BYTES"])
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    record.main(ctx)
