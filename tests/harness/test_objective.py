from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.objective import NAMES, UNITS_US, kept, parse
from reports.format import Figures

SPACES = st.text(" \t", max_size=2)
NUMBERS = st.integers(1, 59).map(str) | st.tuples(st.integers(0, 59), st.integers(1, 999)).map(
    lambda parts: f"{parts[0]}.{parts[1]:03}"
)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, dict[str, float]]:
    """Draw an objective as somebody might write it, and the limits that are meant."""
    names = draw(st.lists(st.sampled_from(sorted(NAMES)), min_size=1, unique=True))
    parts, limits = [], {}
    for name in names:
        units = {"%": 0.01} if name == "errors" else {**UNITS_US, "\N{GREEK SMALL LETTER MU}s": 1.0, "MS": 1e3}
        unit, number = draw(st.sampled_from(sorted(units))), draw(NUMBERS)
        pieces = [name, draw(st.sampled_from(["<", "<="])), number, unit]
        parts.append("".join(f"{draw(SPACES)}{piece}" for piece in pieces) + draw(SPACES))
        limits[NAMES[name]] = float(number) * units[unit]
    return ",".join(parts), limits


@given(written())
def test_what_is_written_is_read(given_: tuple[str, dict[str, float]]) -> None:
    text, limits = given_
    read = parse(text)
    assert read.limits == {"error_share": 0.001, **limits}
    assert parse(read.text) == read


def test_errors_may_be_a_tenth_of_a_per_cent_where_nothing_is_said_of_them() -> None:
    assert parse("p99<20ms").limits == {"error_share": 0.001, "p99_us": 20_000}
    assert parse("p50<=.5ms,errors<1%").limits == {"error_share": 0.01, "p50_us": 500}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a limit is missing. Write NAME<NUMBER UNIT"),
        ("p99<20ms,", "a limit is missing"),
        ("p99>20ms", "'p99>20ms' is not a limit"),
        ("p99<twenty ms", "is not a limit"),
        ("p99<-1ms", "is not a limit"),
        ("p99=20ms", "is not a limit"),
        ("p98<20ms", r"'p98' cannot be limited. Did you mean 'p99'\? known are errors, max, mean, p50, p95, p99"),
        ("p99.9<20ms", r"'p99.9' cannot be limited. Did you mean 'p99'\?"),
        ("p99<20", "'p99<20' has no unit. P99 takes us or µs or ms or s"),
        ("p99<20min", "has the unit 'min'"),
        ("p99<20%", "has the unit '%'. P99 takes us"),
        ("errors<1ms", "has the unit 'ms'. Errors takes %"),
        ("errors<0.1", "has no unit. Errors takes %"),
        ("p99<0ms", "can tell no rates apart. P99 takes more than 0"),
        ("errors<100%", "less than 100 %"),
        ("errors<0%", "more than 0"),
        ("p99<" + "9" * 400 + "s", "less than an hour"),
        ("p99<20ms,P99<=30ms", "it limits p99 twice. Leave one"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_valid(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        parse(text)
    assert repr(text) in str(raised.value)
    assert str(raised.value).endswith("--slo 'p99<20ms,errors<0.1%'.")
    assert "\n" not in str(raised.value)


@given(st.text(string.printable, max_size=30))
def test_nonsense_is_refused_in_words(text: str) -> None:
    try:
        parse(text)
    except UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most texts raise, some may not


def figures(**facts: Any) -> Figures:
    nothing: dict[Any, Any] = {"app": None, "store": None, "generator": None}
    known: dict[str, Any] = {
        "requests": 1_000, "outcomes": {"ok": 1_000}, "window_s": 3.0, "requests_per_s": 333.0, "error_share": 0.0,
        "mean_us": 4e3, "p50_us": 3e3, "p95_us": 9e3, "p99_us": 20e3, "max_us": 80e3,
        **dict.fromkeys(("cpu_us_per_request", "rss_bytes", "pss_bytes", "cpu_share"), nothing),
    }  # fmt: skip
    return Figures.model_validate(known | facts)


@pytest.mark.parametrize(
    ("facts", "state", "answer"),
    [
        ({}, "VALID", True),
        ({}, "SUSPECT", True),
        ({"p99_us": 20_001}, "VALID", False),
        ({"p99_us": 19e3, "at_least": ["p99_us", "max_us"]}, "VALID", False),
        ({"max_us": 9e9, "at_least": ["max_us"]}, "VALID", True),
        ({"error_share": 0.011}, "VALID", False),
        ({}, "INVALID", None),
        ({"p99_us": 1}, "OVERLOADED", False),
        ({}, "FAILED", False),
        ({"p99_us": None}, "VALID", None),
        ({"p99_us": None, "error_share": 0.5}, "VALID", False),
    ],
)
def test_whether_a_trial_kept_it(facts: dict[str, Any], state: str, answer: bool | None) -> None:  # noqa: FBT001 - expected
    assert kept(figures(**facts), parse("p99<20ms,errors<1%"), state) is answer


def test_a_trial_without_figures_says_nothing() -> None:
    assert kept(None, parse("p99<20ms"), "INVALID") is None


def test_an_objective_may_allow_errors_that_fail_a_trial_but_never_a_wrong_answer() -> None:
    some = figures(error_share=0.005, outcomes={"ok": 995, "http_error": 5})
    wrong = figures(error_share=0.005, outcomes={"ok": 995, "http_error": 4, "wrong_answer": 1})
    assert kept(some, parse("errors<1%"), "FAILED") is True
    assert kept(some, parse("p99<1s"), "FAILED") is False
    assert kept(wrong, parse("errors<1%"), "FAILED") is False
    for overload in ({"achieved_share": 0.98}, {"achieved_share": 0.0}, {"queue_growth": 100.0}):
        assert kept(some.model_copy(update=overload), parse("errors<1%"), "FAILED") is False
