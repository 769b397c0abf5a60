"""Say in one line that a machine is too slow for its camera, and what helps, computed from what was measured.

The viewer's page says the same: realtime/viewer/page/slow.js.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from realtime.config.detector_models import COSTS, NAMES, named_in
from realtime.wire.messages import Health

WORK = ("detect", "occlude", "lift")  # what a frame costs
SMALL = (424, 240)  # px
AGE_STEP_MS, AGE_MARGIN = 50, 1.25  # of --max-age: above the slowest frames, in steps
USUAL_AGE_MS = 150.0


def slow(stage: Health) -> bool:
    """Only too slow: one cause, which `remedy` tells once for all stages."""
    return stage.reason == "lagging"


def remedy(stages: Sequence[Health], info: Mapping[str, Any]) -> str:
    """Return what a frame costs on this machine, and what to do about it; empty where nothing lags.

    `info`: `detector`, its name; `picture`, "WxH" px, of a source that can be asked for another size; `max_age_ms`.
    """
    if not any(slow(stage) for stage in stages):
        return ""
    named = {stage.stage.split()[-1]: stage for stage in stages}  # of several cameras the last one
    took_ms = sum(stage.p50_ms for name, stage in named.items() if name in WORK)
    detect_ms = named["detect"].p50_ms if "detect" in named else 0.0
    budget_ms = 1000 / named["capture"].rate_hz if "capture" in named and named["capture"].rate_hz else 0.0
    model, left_ms = cheaper(str(info.get("detector", "")), took_ms, detect_ms, budget_ms)
    words = [f"--model {model}"] if model else []
    words += [f"--size {SMALL[0]}x{SMALL[1]}"] if left_ms > budget_ms and larger(str(info.get("picture", ""))) else []
    age_ms = max_age_ms(named)
    tries = [" ".join(words)] if words else []
    tries += [f"--max-age {age_ms}"] if age_ms > float(info.get("max_age_ms", USUAL_AGE_MS)) else []
    tries = tries or [f"--fps {max(1, math.floor(1000 / max(took_ms, 1)))}"]
    return f"this machine needs {took_ms:.0f} ms a frame; try {', or '.join(tries)}"


def cheaper(detector: str, took_ms: float, detect_ms: float, budget_ms: float) -> tuple[str, float]:
    """Find the dearest model below the one in use whose frame should fit, else the cheapest; and its time, ms.

    No model where the one in use is the cheapest, or none of ours.
    """
    used = named_in(detector, otherwise=NAMES[0])
    model, left_ms = "", took_ms
    for name in reversed(NAMES[: NAMES.index(used)]):
        model, left_ms = name, took_ms - detect_ms * (1 - COSTS[name] / COSTS[used])
        if left_ms <= budget_ms:
            break
    return model, left_ms


def larger(picture: str) -> bool:
    """Is a picture "WxH" larger than the one that is recommended?"""
    width, _, height = picture.partition("x")
    return bool(height) and int(width) * int(height) > SMALL[0] * SMALL[1]


def max_age_ms(named: Mapping[str, Health]) -> int:
    """Return a limit that nearly all of this machine's poses meet: by their age when published, else by the work on
    them."""
    whole = named["publish"].p99_ms if "publish" in named else 0.0
    slowest = whole or sum(stage.p99_ms for name, stage in named.items() if name in WORK)
    return math.ceil(AGE_MARGIN * slowest / AGE_STEP_MS) * AGE_STEP_MS
