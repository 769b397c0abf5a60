"""`make mutants` takes a long time; that it can run at all is known in a moment."""

from __future__ import annotations

import pytest

from tests.mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_names_a_line_and_tests_that_exist(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1, mutant.file
    where, _, function = mutant.tests[0].partition("::")
    assert (ROOT / where).exists(), where
    assert not function or f"def {function}(" in (ROOT / where).read_text(encoding="utf-8")
