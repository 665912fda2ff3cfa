"""JUnit XML, which every CI shows: suites of cases.

The elements and attributes are those that Jenkins, GitLab and GitHub's actions have in common.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree as ET

from reports.words.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Outcome = Literal["failure", "error", "skipped"]


@dataclass(frozen=True, slots=True)
class Case:
    """A test case; without an outcome it passed."""

    name: str
    outcome: Outcome | None = None
    message: str = ""
    details: Sequence[str] = ()
    kind: str = ""
    """Of a failure or an error, in capitals."""
    spent_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Suite:
    """A test suite, and what it took."""

    name: str
    cases: Sequence[Case]
    properties: Mapping[str, object] = field(default_factory=dict)
    spent_s: float = 0.0


def render(name: str, suites: Iterable[Suite], started_at: str) -> str:
    """Return the file."""
    root = ET.Element("testsuites", name=name)
    total: Counter[str] = Counter()
    spent_s = 0.0
    for suite in suites:
        total.update(_suite(root, suite, started_at))
        spent_s += suite.spent_s
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(total[key]))
    root.set("time", f"{spent_s:.3f}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, suite: Suite, started_at: str) -> Counter[str]:
    outcomes = Counter(case.outcome for case in suite.cases)
    numbers = Counter(
        tests=len(suite.cases), failures=outcomes["failure"], errors=outcomes["error"], skipped=outcomes["skipped"]
    )
    facts = {key: str(value) for key, value in numbers.items()}
    facts |= {"name": plain(suite.name), "timestamp": started_at[:19], "time": f"{suite.spent_s:.3f}"}
    element = ET.SubElement(root, "testsuite", facts)
    properties = ET.SubElement(element, "properties")
    for key, value in suite.properties.items():
        ET.SubElement(properties, "property", name=key, value=plain(value))
    for case in suite.cases:
        _case(element, suite, case)
    return numbers


def _case(suite: ET.Element, within: Suite, case: Case) -> None:
    each = ET.SubElement(
        suite, "testcase", classname=f"session-bench.{plain(within.name)}", name=plain(case.name),
        time=f"{case.spent_s:.3f}",
    )  # fmt: skip
    details = "\n".join(map(plain, case.details))
    if case.outcome is None:
        if details:
            ET.SubElement(each, "system-out").text = details
    elif case.outcome == "skipped":
        ET.SubElement(each, "skipped", message=plain(case.message))
    else:
        ET.SubElement(each, case.outcome, message=plain(case.message), type=case.kind).text = details
