from __future__ import annotations

import re
from typing import Any

import pytest

from reports.format import OUTCOMES, Figures, Verdict
from reports.verdict import verdict, worst


def figures(*, generator: float | None = 0.5, store: float | None = None, **facts: Any) -> Figures:
    outcomes = facts.pop("outcomes", {"ok": 2_000})
    requests = sum(outcomes.values())
    failed = sum(outcomes.get(name, 0) for name in OUTCOMES[1:4]) + outcomes.get("timeout", 0)
    nothing: dict[Any, Any] = {"app": None, "store": None, "generator": None}
    known = {
        "requests": requests,
        "outcomes": outcomes,
        "window_s": 1.0,
        "requests_per_s": requests,
        "error_share": failed / requests if requests else 0,
        **dict.fromkeys(("mean_us", "p50_us", "p95_us", "p99_us", "max_us"), 5 if requests else None),
        **dict.fromkeys(("cpu_us_per_request", "rss_bytes", "pss_bytes"), nothing),
        "cpu_share": {"app": 0.9, "store": store, "generator": generator},
    }
    return Figures.model_validate(known | facts)


@pytest.mark.parametrize(
    ("seen", "state", "words"),
    [
        ({}, "VALID", ""),
        ({"outcomes": {"ok": 9_999, "wrong_answer": 1}}, "FAILED", "1 of 10,000 answers were wrong"),
        ({"outcomes": {"ok": 999, "http_error": 1}}, "VALID", ""),
        ({"outcomes": {"ok": 998, "http_error": 1, "timeout": 1}}, "FAILED", "http_error 1, timeout 1"),
        ({"outcomes": {"ok": 900, "refused": 100}}, "VALID", ""),
        ({"outcomes": {}}, "INVALID", "no request"),
        ({"outcomes": {"ok": 1}, "p50_us": None}, "INVALID", "only 1 request"),
        ({"generator": 0.70}, "VALID", ""),
        ({"generator": 0.83}, "SUSPECT", "83 % of its core (limit 70 %).* at-least"),
        ({"generator": 0.96}, "SUSPECT", "it was the limit, not the app"),
        ({"generator": None}, "SUSPECT", "not known"),
        ({"generator": 0.99, "outcomes": {"ok": 9, "wrong_answer": 1}}, "FAILED", "wrong.*it was the limit"),
    ],
)
def test_the_verdict_of_a_trial(seen: dict[str, Any], state: str, words: str) -> None:
    found = verdict(figures(**seen))
    assert found.state == state
    assert bool(found.reasons) == bool(words)
    pattern = words.replace("(", r"\(").replace(")", r"\)")

    assert re.search(pattern, " ".join(found.reasons))


def test_a_trial_without_figures_is_invalid_for_the_reason_that_is_known() -> None:
    assert verdict(None, error="the app did not start") == Verdict(state="INVALID", reasons=["the app did not start"])
    assert verdict(None).reasons == ["nothing was measured"]
    assert verdict(figures(), error="the drain was cut short").state == "INVALID"


def test_a_generator_of_two_processes_has_two_cores() -> None:
    assert verdict(figures(generator=1.3), generator_processes=2).state == "VALID"
    assert "its 2 cores" in verdict(figures(generator=1.5), generator_processes=2).reasons[0]


def test_a_store_beside_the_generator_can_fill_its_core() -> None:
    crowded = figures(generator=0.6, store=0.38)
    [reason] = verdict(crowded, cpus={"app": [0], "generator": [1], "store": [1]}).reasons
    assert "store and generator shared CPU 1, which was 98 % busy" in reason
    assert verdict(crowded, cpus={"app": [0], "generator": [1], "store": [0]}).state == "VALID"
    assert verdict(crowded).state == "VALID"


def test_the_gravest_arm_speaks_for_the_trial() -> None:
    joined = worst(
        [
            Verdict(state="SUSPECT", reasons=["a", "b"]),
            Verdict(state="FAILED", reasons=["b"]),
            Verdict(state="VALID"),
        ]
    )
    assert joined == Verdict(state="FAILED", reasons=["a", "b"])
