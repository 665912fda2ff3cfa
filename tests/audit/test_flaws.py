"""Each check finds what it is for and nothing else: every flaw, tried by its check and by those around it.

TEST_WHOLE_AUDITS=1 has every check made on every flaw, which takes minutes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest

from harness.audit import auditor
from tests.audit.bench import states
from tests.audit.broken import COSTLY, Flaw, all_flaws

if TYPE_CHECKING:
    from tests.audit.bench import Bench

FLAWS: Final = all_flaws()
CHECKS: Final = frozenset(check.number for check in auditor.all_checks())
WHOLE: Final = os.environ.get("TEST_WHOLE_AUDITS") == "1"
Matrix = dict[str, dict[int, str]]


def tried_on(flaw: type[Flaw]) -> frozenset[int]:
    return CHECKS if WHOLE else (CHECKS - COSTLY) | flaw.near | {flaw.breaks}


def served(flaw: type[Flaw]) -> str:
    return f"{flaw.variant} by {flaw.workers}"


@pytest.fixture(scope="module")
def matrix(bench: Bench) -> Matrix:
    """Give how the checks ended on every flaw, and on the healthy variants that they were made of."""
    wanted = {flaw.spelled(): (bench.broken(flaw), tried_on(flaw)) for flaw in FLAWS}
    for flaw in FLAWS:
        name = served(flaw)
        model, tried = wanted.get(name) or (bench.subject(flaw.variant, workers=flaw.workers), frozenset())
        wanted[name] = model, tried | tried_on(flaw)
    return {name: states(audit) for name, audit in zip(wanted, bench.audits(wanted.values()), strict=True)}


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: f"{flaw.breaks}-{flaw.__name__}")
def test_a_flaw_fails_its_check_and_no_other(matrix: Matrix, flaw: type[Flaw]) -> None:
    healthy = {number: state for number, state in matrix[served(flaw)].items() if number in tried_on(flaw)}
    assert "FAIL" not in healthy.values()
    assert matrix[flaw.spelled()] == {**healthy, flaw.breaks: "FAIL"}


def test_every_check_has_a_flaw_that_it_finds() -> None:
    assert {flaw.breaks for flaw in FLAWS} == CHECKS
