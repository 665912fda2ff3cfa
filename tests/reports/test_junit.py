from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from reports.exporters import junit
from tests.reports import synthetic_judged

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.format import Run

# What Jenkins' junit-10.xsd, Ant's schema and GitLab's parser all take: children in this order, these attributes.
CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase", "system-out", "system-err"],
    "properties": ["property"],
    "testcase": ["skipped", "error", "failure", "system-out", "system-err"],
}
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors", "skipped"},
    "testsuite": {"name", "timestamp", "time", "tests", "failures", "errors", "skipped"},
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
}
FORMS = {
    "tests": r"\d+", "failures": r"\d+", "errors": r"\d+", "skipped": r"\d+", "time": r"\d+\.\d{3}",
    "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "type": r"[A-Z]+",
}  # fmt: skip
OUTCOMES = ("failure", "error", "skipped")


def parsed(run: Run) -> ET.Element:
    assert run.judgement is not None
    return ET.fromstring(junit.render(run, run.judgement))  # noqa: S314 - ours


def check_schema(element: ET.Element) -> None:
    """Hold an element and all below it against the subset that every reader takes."""
    assert set(element.attrib) == ATTRIBUTES.get(element.tag, set()), element.tag
    for name, value in element.attrib.items():
        assert re.fullmatch(FORMS.get(name, r"[^\n\r\t]*"), value), (name, value)
    allowed = CHILDREN.get(element.tag, [])
    tags = [child.tag for child in element]
    assert set(tags) <= set(allowed)
    assert tags == sorted(tags, key=allowed.index)
    if element.tag == "testcase":
        assert sum(tag in OUTCOMES for tag in tags) <= 1
    for child in element:
        check_schema(child)


def check_sums(root: ET.Element) -> None:
    names = {"tests": ".//testcase", "failures": ".//failure", "errors": ".//error", "skipped": ".//skipped"}
    for each in [root, *root]:
        for name, path in names.items():
            assert int(each.attrib[name]) == len(each.findall(path)), name


def outcomes(run: Run) -> dict[tuple[str, str], str]:
    """Return what became of every test case, by suite and name."""
    return {
        (suite.attrib["name"], case.attrib["name"]): next((c.tag for c in case if c.tag in OUTCOMES), "passed")
        for suite in parsed(run)
        for case in suite.iter("testcase")
    }


@pytest.mark.parametrize("kind", synthetic_judged.KINDS)
def test_every_state_keeps_to_the_schema(kind: str) -> None:
    root = parsed(synthetic_judged.check(kind, synthetic_judged.FIVE))
    assert root.tag == "testsuites"
    check_schema(root)
    check_sums(root)


def test_a_broken_file_would_be_noticed() -> None:
    root = parsed(synthetic_judged.check("regressed"))
    next(root.iter("testcase")).attrib.pop("classname")
    with pytest.raises(AssertionError):
        check_schema(root)
    root = parsed(synthetic_judged.check("regressed"))
    root[0].attrib["failures"] = "7"
    with pytest.raises(AssertionError):
        check_sums(root)


def test_what_passes() -> None:
    assert outcomes(synthetic_judged.check("pass", ("redis", "memory"))) == {
        ("redis", "app CPU within its tolerance"): "passed", ("redis", "p50 within its tolerance"): "passed",
        ("redis", "exact counts"): "passed", ("memory", "app CPU within its tolerance"): "passed",
        ("memory", "p50 within its tolerance"): "passed", ("memory", "exact counts"): "passed",
        ("session-bench", "sentinel"): "passed", ("session-bench", "measurement"): "passed",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "case", "outcome"),
    [
        ("regressed", ("redis", "app CPU within its tolerance"), "failure"),
        ("regressed", ("redis", "p50 within its tolerance"), "failure"),
        ("counts", ("redis", "exact counts"), "failure"),
        ("counts", ("redis", "p50 within its tolerance"), "passed"),
        ("answers", ("redis", "answers"), "failure"),
        ("inconclusive", ("redis", "app CPU within its tolerance"), "skipped"),
        ("invalid", ("redis", "app CPU within its tolerance"), "error"),
        ("invalid", ("session-bench", "measurement"), "error"),
        ("nothing", ("session-bench", "measurement"), "error"),
        ("sentinel", ("session-bench", "sentinel"), "error"),
        ("component", ("session-bench", "redis@base starts"), "error"),
    ],
)
def test_what_does_not_pass(kind: str, case: tuple[str, str], outcome: str) -> None:
    assert outcomes(synthetic_judged.check(kind))[case] == outcome


@pytest.mark.parametrize("kind", synthetic_judged.KINDS)
def test_a_reader_of_this_file_alone_decides_as_the_exit_code_does(kind: str) -> None:
    run = synthetic_judged.check(kind, synthetic_judged.FIVE)
    assert run.judgement is not None
    seen = Counter(outcomes(run).values())
    assert bool(seen["failure"]) == (run.judgement.state == "REGRESSED")
    assert bool(seen["error"]) == (run.judgement.state == "INVALID")
    assert bool(seen["skipped"]) >= (run.judgement.state == "INCONCLUSIVE")
    assert seen.total()


def test_a_check_without_a_pair_is_never_green() -> None:
    run = synthetic_judged.check("nothing")
    assert run.judgement is not None
    run.judgement.state = "PASS"
    assert outcomes(run)["session-bench", "measurement"] == "error"


def test_only_what_decides_is_a_test_case() -> None:
    names = [name for suite, name in outcomes(synthetic_judged.check("regressed")) if suite == "redis"]
    assert not [name for name in names if name.startswith(("p95", "p99", "store"))]


def test_the_time_of_a_pair_is_what_it_took() -> None:
    root = parsed(synthetic_judged.check("pass", ("redis", "memory")))
    # 12 blocks of 28 s, shared by two pairs.
    assert [float(suite.attrib["time"]) for suite in root] == [168, 168, 0]
    assert float(root.attrib["time"]) == 336


def test_a_case_is_called_the_same_whatever_its_tolerance_comes_to() -> None:
    run = synthetic_judged.check("regressed").model_copy(deep=True)
    known = outcomes(run).keys()
    for judged in run.comparisons[0].metrics:
        judged.tolerance.floor = judged.base[0]
    assert outcomes(run).keys() == known
    assert "the tolerance is 98 %" in ET.tostring(parsed(run), encoding="unicode")


def test_hostile_names_are_only_text() -> None:
    run = synthetic_judged.hostile()
    root = parsed(run)
    check_schema(root)
    check_sums(root)
    assert root[0].attrib["name"].startswith('redis:"><script>alert(1)</script>|')
    assert run.judgement is not None
    text = junit.render(run, run.judgement)
    assert not set(text) & {"\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"}
    assert "<script" not in text


@pytest.mark.parametrize("kind", ["regressed", "inconclusive", "counts"])
def test_junit(golden: Callable[[str, str], None], kind: str) -> None:
    run = synthetic_judged.check(kind)
    assert run.judgement is not None
    golden(f"junit-{kind}.xml", junit.render(run, run.judgement))
