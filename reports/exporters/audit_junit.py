"""Audits as JUnit XML: a suite per variant, a test case per check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.exporters import cases
from reports.exporters.cases import Case, Suite
from reports.listings import evidence, matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.format import Run, Variant
    from reports.record.audited import Audit, Check


def render(run: Run) -> str:
    """Return the file: FAIL is a failure, SKIPPED skipped, an audit that could not be made an error.

    WAIVED and CANNOT pass, and say what they are: nobody can mend by a commit what was chosen.
    """
    variants = {variant.name: variant for variant in run.variants}
    suites = [
        Suite(
            audit.variant,
            list(each(audit)),
            _properties(variants.get(audit.variant), audit),
            sum(check.seconds for check in audit.checks),
        )
        for audit in run.audits
    ]
    suites += [Suite(name, [_missing(error)]) for name, error in matrix.missing(run)]
    return cases.render("session-bench audit", suites, run.started_at)


def _properties(variant: Variant | None, audit: Audit) -> dict[str, object]:
    server = variant.server.label if variant and variant.server else ""
    return {
        "set": "quick" if audit.quick else "whole",
        "struck": "yes" if audit.strikes else "no",
        "driver": variant.driver if variant else "",
        "server": server,
    }


def each(audit: Audit) -> Iterator[Case]:
    """Yield the cases of one audit, of which there is one in any case."""
    if audit.error is not None:
        yield _missing(audit.error)
    elif not audit.checks:
        # An empty suite would look as if all were well.
        yield _missing("no check was made")
    for check in audit.checks:
        yield _case(check)


def _missing(error: str) -> Case:
    return Case("audit", "error", error, [error], kind="ERROR")


def _case(check: Check) -> Case:
    name = f"{check.number} {check.name}"
    if check.state == "PASS":
        return Case(name, details=[check.found], spent_s=check.seconds)
    if check.state == "SKIPPED":
        return Case(name, "skipped", check.found, spent_s=check.seconds)
    told = [f"It must hold: {check.claim}", f"Source: {check.source}"]
    if figures := evidence.figures(check):
        told.append(f"Figures: {figures}")
    details = [f"{check.state}: {check.found}", *told, *evidence.exchanges(check)]
    if check.state == "FAIL":
        return Case(name, "failure", check.found, details, kind="FAIL", spent_s=check.seconds)
    return Case(name, details=details, spent_s=check.seconds)
