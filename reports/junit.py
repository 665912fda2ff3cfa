"""A judgement as JUnit XML, which every CI shows: a test case per pair and deciding metric, counts, sentinel.

The elements and attributes are those that Jenkins, GitLab and GitHub's actions have in common.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree as ET

from reports import advice, sentences
from reports.counts import is_more
from reports.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reports.format import Run
    from reports.judgement import Comparison, CountChange, Judged, Judgement

    Outcome = Literal["failure", "error", "skipped"]


@dataclass(frozen=True, slots=True)
class _Case:
    """A test case; without an outcome it passed."""

    name: str
    outcome: Outcome | None = None
    message: str = ""
    details: Sequence[str] = ()


def render(run: Run, judgement: Judgement) -> str:
    """Return the file: REGRESSED is a failure, INVALID an error, INCONCLUSIVE skipped."""
    suites = {each.name: list(_pair(each, judgement)) for each in run.comparisons}
    for change in judgement.counts:
        suites.setdefault(change.variant, [])
    for name, cases in suites.items():
        cases.append(_counts([change for change in judgement.counts if change.variant == name], judgement))
    suites["session-bench"] = list(_whole(run, judgement))
    root = ET.Element("testsuites", name="session-bench regress")
    block_s = advice.seconds_per_block(run) or 0.0
    total: Counter[str] = Counter()
    blocks = {each.name: each.blocks for each in run.comparisons}
    for name, cases in suites.items():
        spent_s = block_s / max(len(run.comparisons), 1) * blocks.get(name, 0)
        total.update(_suite(root, run, judgement, name=name, cases=cases, spent_s=spent_s))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(total[key]))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(
    root: ET.Element, run: Run, judgement: Judgement, *, name: str, cases: Sequence[_Case], spent_s: float
) -> Counter[str]:
    outcomes = Counter(case.outcome for case in cases)
    numbers = Counter(
        tests=len(cases), failures=outcomes["failure"], errors=outcomes["error"], skipped=outcomes["skipped"]
    )
    facts = {key: str(value) for key, value in numbers.items()}
    facts |= {"name": plain(name), "timestamp": run.started_at[:19], "time": f"{spent_s:.3f}"}
    suite = ET.SubElement(root, "testsuite", facts)
    properties = ET.SubElement(suite, "properties")
    known = {
        "verdict": judgement.state,
        "base": sentences.revision(judgement.base),
        "head": sentences.revision(judgement.head),
        "seed": run.plan.seed,
        "differences": "; ".join(judgement.differences),
    }
    for key, value in known.items():
        ET.SubElement(properties, "property", name=key, value=plain(value))
    for case in cases:
        each = ET.SubElement(
            suite, "testcase", classname=f"session-bench.{plain(name)}", name=plain(case.name),
            time=f"{spent_s / len(cases):.3f}",
        )  # fmt: skip
        details = "\n".join(map(plain, case.details))
        if case.outcome is None:
            if details:
                ET.SubElement(each, "system-out").text = details
        elif case.outcome == "skipped":
            ET.SubElement(each, "skipped", message=plain(case.message))
        else:
            ET.SubElement(each, case.outcome, message=plain(case.message), type=judgement.state).text = details
    return numbers


def _pair(pair: Comparison, judgement: Judgement) -> Iterator[_Case]:
    blamed = False
    for judged in pair.metrics:
        if not judged.decides:
            continue
        case = _metric(pair, judged, judgement)
        blamed = blamed or case.outcome == "failure"
        yield case
    if pair.state == "REGRESSED" and not blamed:
        # Errors or wrong answers that only the head gives are no metric's.
        yield _Case("answers", "failure", "; ".join(pair.reasons) or "the head fails where the base does not")
    elif pair.state == "INVALID" and not any(judged.decides for judged in pair.metrics):
        yield _Case("measurement", "error", "; ".join(pair.reasons) or "nothing was measured")


def _metric(pair: Comparison, judged: Judged, judgement: Judgement) -> _Case:
    row = sentences.row(pair.name, judged, sentences.alpha(judgement))
    name = f"{row.metric} within {row.tolerance} %"
    details = [
        f"base {row.base} {row.unit}, head {row.head} {row.unit}, change {row.change} %, 95 % interval {row.interval}",
        f"{row.verdict}, p {row.p}; {sentences.over(pair)} could see {row.seen} %",
        *pair.reasons,
    ]
    if pair.state == "INVALID":
        return _Case(name, "error", "; ".join(pair.reasons) or "the measurement is invalid", details)
    if pair.state == "REGRESSED" and judged.state == "slower":
        return _Case(name, "failure", sentences.moved(judged), details)
    if pair.state != "PASS" and judged.state not in {"within", "faster"}:
        return _Case(name, "skipped", sentences.unclear(judged), details)
    return _Case(name, None, details=details)


def _counts(changes: Sequence[CountChange], judgement: Judgement) -> _Case:
    said = [sentences.counted(change) for change in changes]
    risen = [sentences.counted(change) for change in changes if is_more(change)]
    if risen and judgement.state in {"REGRESSED", "INVALID"}:
        return _Case("exact counts", "failure", "; ".join(risen), said)
    if not judgement.counts_known:
        said.append("There is no committed file of counts: they were held against this run's base alone.")
    return _Case("exact counts", None, details=said)


def _whole(run: Run, judgement: Judgement) -> Iterator[_Case]:
    """Yield what is no pair's: variants that could not take part, the sentinel, and the measurement as a whole."""
    for variant in run.variants:
        if variant.error is not None:
            yield _Case(f"{variant.name} starts", "error", variant.error)
    if judgement.sentinel is not None:
        out = sentences.void(judgement)
        said = sentences.sentinel(judgement)
        yield _Case("sentinel", "error" if out else None, said, [said, *judgement.sentinel.reasons])
    reasons = sentences.reasons(judgement, run.comparisons) or ["no reason was recorded"]
    if judgement.state == "INVALID":
        yield _Case("measurement", "error", sentences.headline(judgement, run.comparisons), reasons)
    elif not run.comparisons:
        yield _Case("measurement", "error", "no pair was measured", reasons)
    else:
        yield _Case("measurement", None, details=[sentences.about(run, judgement)])
