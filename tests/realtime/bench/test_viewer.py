"""The viewer's promises at three times their aims, in a browser that draws in software."""

import json

import pytest

from realtime.bench import viewer as bench
from tests.support.viewing import CHROMIUM

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(180)]


def test_the_viewer_is_quick_and_light(capsys):
    pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    assert bench.main(["--seconds", "4"]) == 0
    table, last = capsys.readouterr().out.strip().rsplit("\n", 1)
    found = json.loads(last)
    assert "first skeleton after opening" in table
    for name, aim in bench.AIMS.items():
        assert found[name] <= 3 * aim, f"{name}: {found[name]}, aim {aim}"


def test_too_little_drawn_is_no_measurement():
    with pytest.raises(bench.CannotMeasure, match="only 3 frames were drawn"):
        bench.figures([0.5], 0.02, [1.0, 2.0, 3.0], 10.0)
