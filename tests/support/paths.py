"""Places of the checkout that tests read: its root, and the data that travels with the tests."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
