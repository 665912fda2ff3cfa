"""A judgement as JUnit XML: a test case per pair and deciding metric, exact counts, sentinel."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reports.exporters import cases
from reports.exporters.cases import Case, Suite
from reports.listings import advice, sentences
from reports.record.counts import is_more
from reports.words import measures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reports.format import Run
    from reports.record.judgement import Comparison, CountChange, Judged, Judgement


def render(run: Run, judgement: Judgement) -> str:
    """Return the file: REGRESSED is a failure, INVALID an error, INCONCLUSIVE skipped."""
    found = {each.name: list(_pair(each, judgement)) for each in run.comparisons}
    for change in judgement.counts:
        found.setdefault(change.variant, [])
    for name, made in found.items():
        made.append(_counts([change for change in judgement.counts if change.variant == name], judgement))
    found["session-bench"] = list(_whole(run, judgement))
    block_s = advice.seconds_per_block(run) or 0.0
    blocks = {each.name: each.blocks for each in run.comparisons}
    properties = {
        "verdict": judgement.state,
        "base": sentences.revision(judgement.base),
        "head": sentences.revision(judgement.head),
        "seed": run.plan.seed,
        "differences": "; ".join(judgement.differences),
    }
    suites = []
    for name, made in found.items():
        spent_s = block_s / max(len(run.comparisons), 1) * blocks.get(name, 0)
        timed = [replace(case, kind=judgement.state, spent_s=spent_s / len(made)) for case in made]
        suites.append(Suite(name, timed, properties, spent_s))
    return cases.render("session-bench regress", suites, run.started_at)


def _pair(pair: Comparison, judgement: Judgement) -> Iterator[Case]:
    blamed = False
    for judged in pair.metrics:
        if not judged.decides:
            continue
        case = _metric(pair, judged, judgement)
        blamed = blamed or case.outcome == "failure"
        yield case
    if pair.state == "REGRESSED" and not blamed:
        # Errors or wrong answers that only the head gives are no metric's.
        yield Case("answers", "failure", "; ".join(pair.reasons) or "the head fails where the base does not")
    elif pair.state == "INVALID" and not any(judged.decides for judged in pair.metrics):
        yield Case("measurement", "error", "; ".join(pair.reasons) or "nothing was measured")


def _metric(pair: Comparison, judged: Judged, judgement: Judgement) -> Case:
    row = sentences.row(pair.name, judged, sentences.alpha(judgement))
    # A share in the name would make it another test wherever a floor makes another share of it: CI knows tests by name.
    name = f"{row.metric} within its tolerance"
    details = [
        f"base {row.base} {row.unit}, head {row.head} {row.unit}, change {row.change} %, 95 % interval {row.interval}",
        f"{row.verdict}, p {row.p}; the tolerance is {row.tolerance} %; {sentences.over(pair)} could see {row.seen} %",
        *pair.reasons,
    ]
    if pair.state == "INVALID":
        return Case(name, "error", "; ".join(pair.reasons) or "the measurement is invalid", details)
    if pair.state == "REGRESSED" and judged.state == "slower":
        return Case(name, "failure", sentences.moved(judged), details)
    if pair.state != "PASS" and judged.state not in {"within", "faster"}:
        return Case(name, "skipped", sentences.unclear(judged), details)
    return Case(name, None, details=details)


def _counts(changes: Sequence[CountChange], judgement: Judgement) -> Case:
    said = [measures.counted(change) for change in changes]
    risen = [measures.counted(change) for change in changes if is_more(change)]
    if risen and judgement.state in {"REGRESSED", "INVALID"}:
        return Case("exact counts", "failure", "; ".join(risen), said)
    if not judgement.counts_known:
        said.append("There is no committed file of counts: they were held against this run's base alone.")
    return Case("exact counts", None, details=said)


def _whole(run: Run, judgement: Judgement) -> Iterator[Case]:
    """Yield what is no pair's: variants that could not take part, the sentinel, and the measurement as a whole."""
    for variant in run.variants:
        if variant.error is not None:
            yield Case(f"{variant.name} starts", "error", variant.error)
    if judgement.sentinel is not None:
        out = sentences.void(judgement)
        said = sentences.sentinel(judgement)
        yield Case("sentinel", "error" if out else None, said, [said, *judgement.sentinel.reasons])
    reasons = sentences.reasons(judgement, run.comparisons) or ["no reason was recorded"]
    if judgement.state == "INVALID":
        yield Case("measurement", "error", sentences.headline(judgement, run.comparisons), reasons)
    elif not run.comparisons:
        yield Case("measurement", "error", "no pair was measured", reasons)
    else:
        yield Case("measurement", None, details=[sentences.about(run, judgement)])
