"""A machine that is too slow: one line, its remedy computed from what was measured; the page says the same."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files

import pytest

from realtime.supervise.slow_machine import remedy
from realtime.wire.messages import Health

SMALL, LARGE = "424x240", "640x480"


def stages(detect_ms, others_ms=4.0, age_ms=0.0, camera_hz=30.0, reason="lagging"):
    parts = [
        Health("capture", "READY", rate_hz=camera_hz),
        Health("detect", "DEGRADED", reason, p50_ms=detect_ms, p99_ms=1.2 * detect_ms),
        Health("occlude", "READY", p50_ms=others_ms / 2, p99_ms=others_ms / 2),
        Health("lift", "READY", p50_ms=others_ms / 2, p99_ms=others_ms / 2),
    ]
    return (*parts, Health("publish", "READY", p50_ms=age_ms, p99_ms=age_ms)) if age_ms else tuple(parts)


CASES = {
    "far too slow: all that helps, and the age that its poses have": (
        stages(236, age_ms=310), {"detector": "mediapipe pose_landmarker_full-1", "picture": LARGE},
        "this machine needs 240 ms a frame; try --model lite --size 424x240, or --max-age 400",
    ),
    "lite would do": (
        stages(34, age_ms=60), {"detector": "full", "picture": LARGE},
        "this machine needs 38 ms a frame; try --model lite",
    ),
    "of heavy, full would do": (
        stages(50, age_ms=70), {"detector": "heavy", "picture": LARGE},
        "this machine needs 54 ms a frame; try --model full",
    ),
    "of heavy, nothing but lite is cheap enough": (
        stages(80, age_ms=70), {"detector": "heavy", "picture": SMALL},
        "this machine needs 84 ms a frame; try --model lite",
    ),
    "the cheapest with the smallest picture: only time is left": (
        stages(150, age_ms=190), {"detector": "lite", "picture": SMALL},
        "this machine needs 154 ms a frame; try --max-age 250",
    ),
    "a limit that is wide enough is not named again": (
        stages(150, age_ms=190), {"detector": "lite", "picture": SMALL, "max_age_ms": 400.0},
        "this machine needs 154 ms a frame; try --fps 6",
    ),
    "a stream has a size of its own, another's bundle no cheaper model": (
        stages(150), {"detector": "mediapipe mine", "picture": ""},
        "this machine needs 154 ms a frame; try --max-age 250",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_one_line_says_what_a_frame_takes_and_what_helps(name):
    found, info, line = CASES[name]
    assert remedy(found, info) == line


def test_nothing_is_said_of_a_machine_that_keeps_up_or_of_another_trouble():
    assert remedy(stages(236, reason=""), {}) == "" == remedy(stages(236, reason="frozen"), {})


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_page_computes_the_same(tmp_path):
    (tmp_path / "slow.js").write_bytes(files("realtime.viewer").joinpath("page/slow.js").read_bytes())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    given = [page_facts(*case) for case in CASES.values()]
    (tmp_path / "program.js").write_text(
        'import { remedy } from "./slow.js";\n'
        f"const given = {json.dumps(given)};\n"
        "process.stdout.write(JSON.stringify(given.map(([stages, source]) => remedy(new Map(stages), source))));"
    )
    done = subprocess.run(["node", "program.js"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    for (_, _, line), found in zip(CASES.values(), json.loads(done.stdout)):
        assert f"this machine needs {found['took_ms']:.0f} ms a frame; try {', or '.join(found['tries'])}" == line


def page_facts(reports, info, line):
    width, _, height = info["picture"].partition("x")
    table = [[one.stage, {"p50_ms": one.p50_ms, "p99_ms": one.p99_ms, "rate_hz": one.rate_hz}] for one in reports]
    size = {"width": int(width or 0), "height": int(height or 0), "askable": bool(info["picture"])}
    return [table, size | {"detector": info["detector"], "max_age_ms": info.get("max_age_ms", 150.0)}]
