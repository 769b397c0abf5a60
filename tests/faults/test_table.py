"""FAULTS.md says of every fault which test injects it, or that none does; this holds it to that.

`python -m tests.faults.test_table` writes the test column anew.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "FAULTS.md"
ROWS = {"A": 10, "B": 16, "C": 7, "D": 13, "E": 14, "F": 9, "G": 10, "H": 25}
ROW = re.compile(r"^\| ([A-H]\d+) \| (.+) \| (.+) \| (.+) \|$", re.M)
FAULT_TEST = re.compile(r"test_([a-h]\d+)_\w+")


def existing() -> dict[str, list[str]]:
    """Fault -> names of the tests that carry its id."""
    found = defaultdict(set)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (match := FAULT_TEST.fullmatch(node.name)):
                found[match[1].upper()].add(node.name)
    return {fault: sorted(names) for fault, names in found.items()}


def cell(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "open"


def listed() -> dict[str, str]:
    return {row[1]: row[4] for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))}


def test_every_fault_has_its_row_once():
    expected = [f"{group}{n}" for group, rows in ROWS.items() for n in range(1, rows + 1)]
    assert [row[1] for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))] == expected
    assert len(expected) == 104


def test_the_page_names_exactly_the_tests_that_exist():
    tests = existing()
    wrong = {
        fault: cell(tests.get(fault, [])) for fault, said in listed().items() if said != cell(tests.get(fault, []))
    }
    assert not wrong, f"run `python -m tests.faults.test_table`; FAULTS.md differs in {wrong}"


def test_every_fault_test_has_a_row():
    assert set(existing()) <= set(listed())


if __name__ == "__main__":
    tests = existing()
    page = ROW.sub(
        lambda row: f"| {row[1]} | {row[2]} | {row[3]} | {cell(tests.get(row[1], []))} |",
        PAGE.read_text(encoding="utf-8"),
    )
    PAGE.write_text(page, encoding="utf-8")
