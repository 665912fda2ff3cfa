from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from reports.exporters import run_junit
from reports.format import Capacity, Run
from tests.reports import synthetic_audits, synthetic_choice
from tests.reports.test_junit import check_schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reports.data import Recorded


def cases(run: Run) -> dict[tuple[str, str], ET.Element]:
    """Return every case by its suite and its name, of a file that every reader takes."""
    root = ET.fromstring(run_junit.render(run))  # noqa: S314 - ours
    check_schema(root)
    return {(suite.get("name", ""), case.get("name", "")): case for suite in root for case in suite.iter("testcase")}


def test_failed_invalid_and_missing_variants_are_told_apart(
    recorded: Recorded, golden: Callable[[str, str], None]
) -> None:
    found = cases(recorded.run)
    last = {(trial.arms[0].variant, trial.block): trial.verdict.state for trial in recorded.run.trials}
    for variant in recorded.run.variants:
        states = {state for (name, _), state in last.items() if name == variant.name}
        case = found[variant.name, "load" if variant.error is None else "start"]
        outcome = next((child.tag for child in case if child.tag != "system-out"), None)
        wanted = "failure" if "FAILED" in states else "error" if "INVALID" in states or variant.error else None
        assert outcome == wanted, variant.name
    golden("junit-run.xml", run_junit.render(recorded.run))


def test_a_fault_is_a_case_for_each_variant_that_has_a_store(harmed: Recorded) -> None:
    found = cases(harmed.run)
    for trial in harmed.run.trials:
        if trial.fault is not None:
            case = found[trial.arms[0].variant, f"through {trial.fault.text}"]
            assert (case.find("failure") is not None) == (trial.verdict.state == "FAILED")


def test_a_check_of_the_audit_is_a_case() -> None:
    run = synthetic_audits.bench()
    found = cases(run)
    for audit in run.audits:
        for check in audit.checks:
            case = found[audit.variant, f"{check.number} {check.name}"]
            assert (case.find("failure") is not None) == (check.state == "FAIL")


@pytest.mark.parametrize(
    ("lower", "limit", "outcome"),
    [(450.0, "app CPU", None), (150.0, "app CPU", "failure"), (None, "app CPU", "failure"),
     (None, "generator", "skipped")],
)  # fmt: skip
def test_a_capacity_under_the_common_rate_fails(lower: float | None, limit: str, outcome: str | None) -> None:
    run = synthetic_choice.run({"redis": [1.0, 2.0, 3.0]})
    why = "At 900/s it had nothing left."
    run.capacities = [Capacity(variant="redis", lower_per_s=lower, upper_per_s=500.0, limit=limit, why=why)]
    (case,) = (case for (_, name), case in cases(run).items() if name.startswith("capacity"))
    assert [child.tag for child in case if child.tag != "system-out"] == ([outcome] if outcome else [])
    assert why in "".join([*case.itertext(), *(child.get("message", "") for child in case)])


def test_it_is_written_beside_the_page(opened: Recorded, opened_written: dict[str, Path]) -> None:
    assert opened_written["junit.xml"].read_text() == run_junit.render(opened.run)
