"""The real lift stage with the real opening of a real engine, whose runtime is slow at its very first call.

FAKES (see detector.py): first_call_s.  What ONNX Runtime and GPUs really do at first: allocate, compile, page in.
"""

from __future__ import annotations

import time
from typing import Any

from engines.backends.ort import OrtEngine
from realtime.lift import stage as lift_stage
from tests.support.fakes.detector import fakes

_run = OrtEngine.run
_calls: list[float] = []


def slow_at_first(engine: OrtEngine, *inputs: Any, **commit: Any) -> Any:
    if not _calls:
        time.sleep(fakes().get("first_call_s", 0))
    _calls.append(time.monotonic())
    return _run(engine, *inputs, **commit)


def main(ctx: Any) -> None:
    OrtEngine.run = slow_at_first  # type: ignore[method-assign, assignment]
    lift_stage.main(ctx)
