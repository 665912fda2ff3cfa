"""Each check finds what it is for and nothing else: every flaw, tried by every check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from harness.audit import auditor
from tests.audit.bench import states
from tests.audit.broken import Flaw, all_flaws

if TYPE_CHECKING:
    from tests.audit.bench import Bench

FLAWS: Final = all_flaws()
Matrix = dict[str, dict[int, str]]


def served(flaw: type[Flaw]) -> str:
    return f"{flaw.variant} by {flaw.workers}"


@pytest.fixture(scope="module")
def matrix(bench: Bench) -> Matrix:
    """Give how every check ended on every flaw, and on the healthy variants that they were made of."""
    subjects = {flaw.spelled(): bench.broken(flaw) for flaw in FLAWS}
    for flaw in FLAWS:
        if served(flaw) not in subjects:
            subjects[served(flaw)] = bench.subject(flaw.variant, workers=flaw.workers)
    made = bench.audits((subject, None) for subject in subjects.values())
    return {name: states(audit) for name, audit in zip(subjects, made, strict=True)}


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: f"{flaw.breaks}-{flaw.__name__}")
def test_a_flaw_fails_its_check_and_no_other(matrix: Matrix, flaw: type[Flaw]) -> None:
    healthy = matrix[served(flaw)]
    assert "FAIL" not in healthy.values()
    assert matrix[flaw.spelled()] == {**healthy, flaw.breaks: "FAIL"}


def test_every_check_has_a_flaw_that_it_finds() -> None:
    assert {flaw.breaks for flaw in FLAWS} == {check.number for check in auditor.all_checks()}
