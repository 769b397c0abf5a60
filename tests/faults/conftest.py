"""The layouts of processes that a fault is injected into."""

from __future__ import annotations

import pytest

from realtime.pipeline import LAYOUTS
from tests.support.fakes.run import LAYOUT


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every run of the test has this layout, those in other processes too."""
    name: str = request.param
    monkeypatch.setenv(LAYOUT, name)
    return name
