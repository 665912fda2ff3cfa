"""A run that compares variants as JUnit XML: a suite per variant, a case for what it had to bear.

Nobody fails by being slower than another: what fails is what ends a run with exit code 1, wrong answers, a fault that
was not borne, a capacity under the common rate, a check of the audit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from reports.exporters import audit_junit, cases
from reports.exporters.cases import Case, Suite
from reports.judging.compared import why
from reports.listings import view
from reports.words import units
from reports.words.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reports.format import Capacity, Run, Trial, Variant


_GRAVE: Final[tuple[tuple[str, Literal["failure", "error"]], ...]] = (("FAILED", "failure"), ("INVALID", "error"))
"""States of a trial that no case passes with, the gravest first, and what they are here."""


def render(run: Run) -> str:
    """Return the file: FAILED is a failure, INVALID an error, as is a variant that could not start."""
    suites = [_suite(run, variant) for variant in view.ordered(run)]
    return cases.render("session-bench run", suites, run.started_at)


def _suite(run: Run, variant: Variant) -> Suite:
    own = [trial for trial in run.trials if any(arm.variant == variant.name for arm in trial.arms)]
    properties = {
        "scenario": run.plan.scenario,
        "blocks": run.plan.blocks,
        "seed": run.plan.seed,
        "driver": variant.driver,
        "server": variant.server.label if variant.server else "",
        "durability": variant.durability,
    }
    return Suite(variant.name, list(_cases(run, variant, own)), properties, sum(map(_spent_s, own)))


def _cases(run: Run, variant: Variant, own: Sequence[Trial]) -> Iterator[Case]:
    if variant.error is not None:
        yield Case("start", "error", variant.error, [variant.error], kind="ERROR")
    else:
        yield _load(run, [trial for trial in own if trial.purpose == "latency"])
    for fault in run.plan.faults:
        if made := [trial for trial in own if trial.fault == fault]:
            yield _judged(f"through {fault.text}", made)
    for capacity in run.capacities:
        if capacity.variant == variant.name:
            yield _capacity(run, capacity)
    for audit in run.audits:
        if audit.variant == variant.name:
            yield from audit_junit.each(audit)


def _load(run: Run, made: Sequence[Trial]) -> Case:
    if not made:
        return Case("load", "skipped", "the run ended before its turn")
    rate = run.plan.load.rate_per_s
    return _judged(f"load at {units.per_second(rate)}/s" if rate else "load", made)


def _judged(name: str, made: Sequence[Trial]) -> Case:
    """Return the case of trials, of which a block's last attempt counts."""
    last = {trial.block: trial for trial in made}.values()
    details = [f"{plural(len(last), 'trial')}: " + ", ".join(f"{trial.number} {trial.verdict.state}" for trial in last)]
    details += [f"trial {trial.number}: {each}" for trial in last for each in trial.verdict.reasons]
    spent_s = sum(map(_spent_s, made))
    for state, outcome in _GRAVE:
        if found := [trial for trial in last if trial.verdict.state == state]:
            message = f"{len(found)} of {plural(len(last), 'trial')} {state}; trial {found[0].number}: {why(found[0])}"
            return Case(name, outcome, message, details, state, spent_s)
    return Case(name, details=details, spent_s=spent_s)


def _capacity(run: Run, capacity: Capacity) -> Case:
    """Return the case of a capacity, which fails under the common rate; the generator's own limit says nothing."""
    name = f"capacity with {run.plan.objective.text}" if run.plan.objective else "capacity"
    if capacity.lower_per_s is None and capacity.limit == "generator":
        return Case(name, "skipped", f"the generator gave out first. {capacity.why}")
    low, high = ("?" if end is None else units.per_second(end) for end in (capacity.lower_per_s, capacity.upper_per_s))
    said = f"{low} to {high} arrivals/s, where {capacity.limit} gives out. {capacity.why}"
    common = run.plan.load.rate_per_s or 0.0
    if (capacity.lower_per_s or 0.0) < common:
        message = f"not shown to carry the common rate of {units.per_second(common)} arrivals/s: {said}"
        return Case(name, "failure", message, [message], kind="MISSED")
    return Case(name, details=[said])


def _spent_s(trial: Trial) -> float:
    return trial.warmup_s + trial.window_s + trial.closed_s
