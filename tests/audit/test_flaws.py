"""Each check finds what it is for and nothing else: every flaw, tried by every check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.audit import auditor
from tests.audit.bench import states
from tests.audit.broken import Flaw, all_flaws

if TYPE_CHECKING:
    from tests.audit.bench import Bench

FLAWS = all_flaws()
Matrix = dict[str, dict[int, str]]


@pytest.fixture(scope="module")
def matrix(bench: Bench) -> Matrix:
    """Give how every check ended on every flaw, and on the healthy variants that they were made of."""
    healthy = sorted({(flaw.variant, flaw.workers) for flaw in FLAWS})
    subjects = [bench.broken(flaw) for flaw in FLAWS]
    subjects += [bench.subject(variant, workers=workers) for variant, workers in healthy]
    names = [*(flaw.spelled() for flaw in FLAWS), *map(str, healthy)]
    return {name: states(audit) for name, audit in zip(names, bench.audits(subjects), strict=True)}


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: f"{flaw.breaks}-{flaw.__name__}")
def test_a_flaw_fails_its_check_and_no_other(matrix: Matrix, flaw: type[Flaw]) -> None:
    healthy = matrix[str((flaw.variant, flaw.workers))]
    assert matrix[flaw.spelled()] == {**healthy, flaw.breaks: "FAIL"}
    assert "FAIL" not in healthy.values()


def test_every_check_has_a_flaw_that_it_finds() -> None:
    assert {check.number for check in auditor.all_checks()} == {flaw.breaks for flaw in FLAWS}
