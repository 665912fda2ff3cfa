from __future__ import annotations

import re
from typing import Any

import pytest

from reports.format import OUTCOMES, Figures, Instrument, Load, Verdict
from reports.verdict import growth_limit, verdict, worst

OPEN = Load(kind="open", users=64, rate_per_s=2_000)
PINNED = {"app": [0], "generator": [1], "store": [1]}


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


def opened(**facts: Any) -> Figures:
    """Return figures of 2,000 arrivals in a second, all well."""
    known: dict[str, Any] = {"mean_us": 2_000, "p50_us": 2_000, "p95_us": 4_000, "p99_us": 8_000, "max_us": 9_000}
    known |= {"achieved_share": 1.0, "queued_share": 0.0, "queue_growth": 0.5, "arrivals_p": 0.5}
    known |= {"dispatch_lag_p50_us": 70, "dispatch_lag_p99_us": 500}
    return figures(**known | {"generator": 0.2} | facts)


WELL: dict[str, Any] = {
    "loop_lag_p50_us": 80, "loop_lag_p99_us": 900, "waiting_share": 0.2, "steal_share": 0.01, "clock_ppm": 40,
    "cpu_apart": {"app": 0.0},
}  # fmt: skip


def judge(seen: dict[str, Any], known: dict[str, Any], **facts: Any) -> Verdict:
    return verdict(opened(**seen), load=OPEN, instrument=Instrument(**WELL | known), cpus=PINNED, **facts)


@pytest.mark.parametrize(
    ("seen", "known", "state", "words"),
    [
        ({}, {}, "VALID", ""),
        # The generator: CPU, waiting for it, both together.
        ({"generator": 0.70}, {}, "VALID", ""),
        ({"generator": 0.72}, {}, "SUSPECT", "72 % of its core (limit 70 %), so latency holds"),
        ({"generator": 0.95}, {"waiting_share": 0.0}, "SUSPECT", "latency holds"),
        ({"generator": 0.96}, {}, "INVALID", "96 % of its core (limit 95 %): it was the limit, not the app"),
        ({"generator": None}, {}, "SUSPECT", "not known"),
        ({}, {"waiting_share": 0.30}, "VALID", ""),
        ({}, {"waiting_share": 0.31}, "SUSPECT", "waited 31 % of the window"),
        ({}, {"waiting_share": 0.50}, "SUSPECT", "waited 50 %"),
        ({}, {"waiting_share": 0.51}, "INVALID", "was starved: it waited 51 % of the window for its core (limit 50 %)"),
        ({"generator": 0.60}, {"waiting_share": 0.36}, "INVALID", "it used 60 % .* another 36 %"),
        ({"generator": 0.60, "store": 0.36}, {}, "SUSPECT", "store and generator shared CPU 1, .*: latency holds"),
        # How late its loop woke.
        ({}, {"loop_lag_p99_us": 5_000}, "VALID", ""),
        ({}, {"loop_lag_p99_us": 5_001}, "SUSPECT", "woke 5.00 ms late"),
        ({"p99_us": 30_000}, {"loop_lag_p99_us": 6_000}, "VALID", ""),
        ({"p99_us": 90_000}, {"loop_lag_p99_us": 20_000}, "VALID", ""),
        ({"p99_us": 90_000}, {"loop_lag_p99_us": 20_001}, "INVALID", "something kept it from running"),
        # Dispatch lag: long in itself, and much of the response.
        ({"dispatch_lag_p50_us": 150, "p50_us": 900}, {}, "VALID", ""),
        ({"dispatch_lag_p50_us": 151, "p50_us": 900}, {}, "SUSPECT", "0.151 ms late in the median, which is 17 %"),
        ({"dispatch_lag_p50_us": 199}, {}, "VALID", ""),
        ({"dispatch_lag_p50_us": 201}, {}, "SUSPECT", "limits 0.150 ms and 10 %"),
        ({"dispatch_lag_p99_us": 1_000, "p99_us": 2_000}, {}, "VALID", ""),
        ({"dispatch_lag_p99_us": 1_001, "p99_us": 2_000}, {}, "SUSPECT", "1.00 ms late at p99, which is 50 %"),
        ({"dispatch_lag_p99_us": 1_999}, {}, "VALID", ""),
        ({"dispatch_lag_p50_us": 1_000}, {}, "SUSPECT", "50 %"),
        ({"dispatch_lag_p50_us": 1_001}, {}, "INVALID", "it measured itself"),
        ({"dispatch_lag_p50_us": 140, "p50_us": 200}, {}, "VALID", ""),
        # The machine and its clocks.
        ({}, {"steal_share": 0.05}, "VALID", ""),
        ({}, {"steal_share": 0.06}, "SUSPECT", "took 6.0 % of the CPUs' time (limit 5.0 %)"),
        ({}, {"steal_share": 0.20}, "INVALID", "took 20 %"),
        ({}, {"foreign_share": 0.10}, "VALID", ""),
        ({}, {"foreign_share": 0.11}, "SUSPECT", "used 11 % of the CPUs' time (limit 10 %)"),
        ({}, {"foreign_share": 0.25}, "INVALID", "used 25 %"),
        ({}, {"clock_ppm": -1_000}, "VALID", ""),
        ({}, {"clock_ppm": -1_001}, "INVALID", "1,001 ppm"),
        ({}, {"cpu_apart": {"app": 0.02}}, "VALID", ""),
        ({}, {"cpu_apart": {"app": 0.03, "store": 0.0}}, "SUSPECT", "the app's CPU are 3.0 % apart"),
        ({"arrivals_p": 1e-4}, {}, "VALID", ""),
        ({"arrivals_p": 2e-5}, {}, "INVALID", "p 2e-05, limit 0.0001"),
        ({"arrivals_p": 0.0}, {}, "INVALID", "p under 0.000001"),
        ({"arrivals_p": None}, {}, "VALID", ""),
        # What had not settled.
        ({"trends": {"latency": 0.34}}, {}, "SUSPECT", "latency rose by 34 % through the window"),
        ({"trends": {"throughput": -0.2}}, {}, "SUSPECT", "answered fell by 20 %"),
        # A rate that was not sustained, and whose fault it was.
        ({"achieved_share": 0.99}, {}, "VALID", ""),
        (
            {"achieved_share": 0.98},
            {},
            "OVERLOADED",
            "2,000 arrivals/s could not .* 2.0 % .*; the app used 90 % of its core",
        ),
        ({"queue_growth": 16.0}, {}, "VALID", ""),
        ({"queue_growth": 17.0}, {}, "OVERLOADED", "at its end 17 more were unanswered .*limit 16"),
        ({"achieved_share": 0.5, "generator": 0.97}, {}, "INVALID", "it was the limit.*could not be sustained"),
        ({"achieved_share": 0.5}, {"waiting_share": 0.8}, "INVALID", "starved.*could not be sustained"),
        ({"achieved_share": 0.5, "trends": {"latency": 9.0}}, {}, "OVERLOADED", "sustained"),
        ({"achieved_share": 0.5, "generator": 0.72}, {}, "OVERLOADED", "sustained.*latency holds"),
        ({"achieved_share": 0.5, "outcomes": {"ok": 9, "wrong_answer": 1}}, {}, "FAILED", "1 of 10 .*sustained"),
        ({"generator": 0.99, "outcomes": {"ok": 9, "http_error": 1}}, {}, "FAILED", "10 % of requests failed"),
        ({"outcomes": {}}, {}, "INVALID", "no arrival was drawn in the window"),
    ],
)
def test_the_verdict_of_open_load(seen: dict[str, Any], known: dict[str, Any], state: str, words: str) -> None:
    found = judge(seen, known)
    said = " ".join(found.reasons)
    assert found.state == state, said
    assert bool(found.reasons) == bool(words), said
    assert re.search(words.replace("(", r"\(").replace(")", r"\)"), said), said


@pytest.mark.parametrize(
    ("shares", "cpus", "words"),
    [
        ({"app": 0.97}, PINNED, "; the app used 97 % of its core"),
        ({"app": 0.97}, {}, "; the app used 97 % of a core"),
        ({"app": 1.9}, PINNED | {"app": [0, 2]}, "; the app used 95 % of its 2 cores"),
        ({"app": 0.92, "store": 0.95}, PINNED, "; the app used 92 % of its core and the store used 95 % of its core"),
        ({"app": 0.4}, PINNED, "84 % of the arrivals found none of the 64 users free, while neither app nor store"),
    ],
)
def test_an_overload_has_a_likely_reason(shares: dict[str, float], cpus: dict[str, list[int]], words: str) -> None:
    share = {"app": 0.0, "store": 0.0, "generator": 0.2} | shares
    figures = opened(achieved_share=0.7, queued_share=0.84, cpu_share=share)
    [reason, *_] = verdict(figures, load=OPEN, cpus=cpus).reasons
    assert words in reason
    figures = opened(achieved_share=0.7, cpu_share={"app": 0.1, "store": None, "generator": 0.2})
    assert (
        verdict(figures, load=OPEN).reasons[0].endswith("its CPU: a pool, a lock, a disk or another program held them")
    )


def test_a_queue_may_grow_by_chance_and_by_what_does_not_matter() -> None:
    # 2,000 arrivals a second of 2 ms each: 4 in flight, 9 by chance; 1 % of those between the fifths are 16.
    assert growth_limit(opened()) == pytest.approx(16)
    assert growth_limit(opened(mean_us=50_000)) == pytest.approx(3 * 201**0.5)
    assert growth_limit(opened(mean_us=None)) == pytest.approx(16)


def test_closed_load_is_not_held_to_what_open_load_is() -> None:
    late = opened(dispatch_lag_p50_us=9_999, achieved_share=0.1, arrivals_p=0.0)
    starved = Instrument(waiting_share=0.9, loop_lag_p99_us=90_000)
    assert verdict(late, load=Load(users=4), instrument=starved).state == "VALID"
    assert verdict(late, load=Load(users=4), instrument=Instrument(steal_share=0.3)).state == "INVALID"


def test_a_warm_up_that_ended_at_its_bound_is_suspect() -> None:
    assert judge({}, {}, steady=True).state == judge({}, {}, steady=None).state == "VALID"
    assert "warm-up ended at its bound" in judge({}, {}, steady=False).reasons[0]


def test_a_clock_that_was_set_back_is_not_believed() -> None:
    found = judge({}, {}, backwards=2)
    assert (found.state, found.reasons) == ("INVALID", ["2 requests ended before they began: the clock was set back"])


def test_the_closed_phase_can_fail_a_trial() -> None:
    assert judge({}, {}, closed=figures()).state == "VALID"
    found = judge({}, {}, closed=figures(outcomes={"ok": 9, "wrong_answer": 1}))
    assert (found.state, found.reasons) == ("FAILED", ["in the closed phase 1 of 10 answers were wrong"])
    held_back = judge({}, {}, closed=figures(generator=0.8))
    assert held_back.state == "SUSPECT"
    assert "80 % of its core (limit 70 %), so throughput is an at-least figure" in held_back.reasons[0]


def test_two_generators_on_one_cpu_have_one_core() -> None:
    assert judge({"generator": 0.98}, {}, generator_processes=2).state == "INVALID"
