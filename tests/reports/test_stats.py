from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import columns, quantiles, stats, tables
from reports.format import OUTCOMES, Arm, Trial, Verdict

TIMES = st.integers(0, 10_000_000)
SECOND = 1_000_000


def request(**facts: Any) -> dict[str, Any]:
    row = {"arm": 0, "name": "GET /profile", "phase": "solo", "worker": 0, "sent_us": 10, "outcome": "ok"}
    row |= {"service_us": 100, "response_us": facts.get("service_us", 100)}
    return dict.fromkeys(tables.REQUESTS.names) | row | facts


def requests(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=tables.REQUESTS)


def sample(t_us: int, role: str, pid: int, cpu_ms: float, **facts: Any) -> dict[str, Any]:
    row = {"t_us": t_us, "role": role, "arm": 0, "pid": pid, "cpu_ns": round(cpu_ms * 1e6)}
    return dict.fromkeys(tables.RESOURCES.names) | row | facts


def resources(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=tables.RESOURCES)


def figures(rows: list[dict[str, Any]], samples: pa.Table | None = None, **facts: Any) -> Any:
    return stats.figures(requests(*rows), samples, **{"arm": 0, "window_s": 1.0, **facts})


@given(st.lists(TIMES, min_size=1, max_size=300), st.sampled_from([50, 95, 99]))
def test_a_percentile_is_the_inverse_of_the_empirical_distribution(values: list[int], percent: int) -> None:
    found = quantiles.percentiles(np.array(values), [percent])[0]
    share = Fraction(percent, 100)
    if len(values) * (1 - share) < 1:
        assert found is None
    else:
        # By definition: the smallest value x that was seen for which F(x) reaches the share.
        reached = [x for x in set(values) if Fraction(sum(value <= x for value in values), len(values)) >= share]
        assert found == min(reached)


def test_p99_needs_a_hundred_requests() -> None:
    assert figures([request(service_us=n) for n in range(1, 100)]).p99_us is None
    assert figures([request(service_us=n) for n in range(1, 101)]).p99_us == 99


@given(
    st.lists(st.tuples(TIMES, st.sampled_from(OUTCOMES)), min_size=1, max_size=60),
    st.integers(0, 100_000_000),
)
def test_a_figure_without_a_mark_does_not_depend_on_how_long_the_unanswered_would_have_taken(
    rows: list[tuple[int, str]], longer: int
) -> None:
    seen = figures([request(service_us=time, outcome=outcome) for time, outcome in rows])
    after = figures(
        [request(service_us=time + longer * (outcome in columns.CENSORED), outcome=outcome) for time, outcome in rows]
    )
    for name in ("p50_us", "p95_us", "p99_us", "mean_us", "max_us"):
        if name in seen.at_least:
            assert getattr(after, name) >= getattr(seen, name)
        else:
            assert getattr(after, name) == getattr(seen, name)


def test_an_unanswered_request_marks_the_figures_that_rest_on_it() -> None:
    fast = [request(service_us=100)] * 98
    cut = [request(service_us=50, outcome="cut")] * 2
    found = figures(fast + cut)
    assert (found.p50_us, found.p95_us, found.p99_us) == (100, 100, 100)
    assert found.at_least == ["p99_us", "mean_us", "max_us", "service_p99_us", "service_mean_us"]


def test_errors_are_counted_and_not_timed() -> None:
    rows = [request(service_us=200)] * 8 + [
        request(service_us=1, outcome=outcome) for outcome in ("http_error", "wrong_answer")
    ]
    found = figures(rows)
    assert (found.requests, found.p50_us, found.requests_per_s) == (10, 200, 8)
    assert found.error_share == pytest.approx(0.2)
    assert found.outcomes == {"ok": 8, "http_error": 1, "wrong_answer": 1}


def test_a_refusal_that_was_planned_is_an_answer() -> None:
    found = figures([request(outcome="refused", status=409)] * 2)
    assert (found.p50_us, found.requests_per_s, found.error_share) == (100, 2, 0)


def test_a_request_belongs_to_the_window_by_its_intended_start() -> None:
    sent = [request(sent_us=at) for at in (-1, 0, SECOND - 1, SECOND)]
    assert figures(sent).requests == 2
    scheduled = [
        request(scheduled_us=0, sent_us=2 * SECOND, response_us=3 * SECOND),
        request(scheduled_us=-1, sent_us=5),
        request(scheduled_us=7, sent_us=None, service_us=None, response_us=9, outcome="unsent"),
    ]
    found = figures(scheduled)
    assert found.requests == 2
    assert found.max_us == 3 * SECOND


def test_steps_have_figures_of_their_own() -> None:
    rows = [request(name="a", service_us=10)] * 3 + [request(name="b", service_us=20)] * 2
    found = figures(rows)
    assert {name: (step.requests, step.p50_us) for name, step in found.steps.items()} == {
        "a": (3, 10),
        "b": (2, 20),
    }
    assert found.steps["a"].cpu_us_per_request == {"app": None, "store": None, "generator": None}


def test_arms_are_kept_apart() -> None:
    rows = [request(arm=0)] * 3 + [request(arm=1, service_us=900)] * 2
    samples = resources(
        *(sample(t, "app", 1, 10 * t / SECOND) for t in (0, SECOND)),
        *(sample(t, "app", 2, 80 * t / SECOND, arm=1) for t in (0, SECOND)),
        *(sample(t, "generator", 3, 5 * t / SECOND, arm=None) for t in (0, SECOND)),
    )
    found = figures(rows, samples, arm=1)
    assert (found.requests, found.p50_us) == (2, 900)
    assert found.cpu_us_per_request["app"] == pytest.approx(40_000)
    assert found.cpu_us_per_request["generator"] == pytest.approx(1_000)


def test_cpu_is_read_at_the_ends_of_the_window() -> None:
    samples = resources(
        sample(-SECOND // 2, "app", 1, 1_000),
        sample(SECOND // 2, "app", 1, 1_100),
        sample(3 * SECOND // 2, "app", 1, 1_400),
    )
    found = figures([request()] * 10, samples)
    # 50 ms of the 100 before the middle, and 150 ms of the 300 after it.
    assert found.cpu_us_per_request["app"] == pytest.approx(20_000)
    assert found.cpu_share["app"] == pytest.approx(0.2)
    assert found.cpu_us_per_request["store"] is None


def test_cpu_of_processes_that_come_and_go_is_counted_once() -> None:
    samples = resources(
        sample(0, "app", 1, 500),
        sample(250_000, "app", 1, 520),  # gone after this
        sample(500_000, "app", 2, 30),  # came after the sweep before: began at zero
        sample(SECOND, "app", 2, 70),
    )
    assert figures([request()], samples).cpu_share["app"] == pytest.approx(0.020 + 0.070)


def test_a_process_number_given_out_again_does_not_run_backwards() -> None:
    samples = resources(sample(0, "store", 7, 900), sample(500_000, "store", 7, 910), sample(SECOND, "store", 7, 4))
    assert figures([request()], samples).cpu_share["store"] == pytest.approx(0.014)


def test_a_counter_first_seen_with_everything_else_starts_where_it_stands() -> None:
    samples = resources(sample(250_000, "store", 7, 9_000), sample(SECOND, "store", 7, 9_010))
    assert figures([request()], samples).cpu_share["store"] == pytest.approx(0.010)


def test_cpu_without_an_answer_has_no_share_per_request() -> None:
    samples = resources(sample(0, "app", 1, 0), sample(SECOND, "app", 1, 10))
    found = figures([request(outcome="transport_error")], samples)
    assert found.cpu_us_per_request["app"] is None
    assert found.cpu_share["app"] == pytest.approx(0.010)


def test_memory_is_the_largest_sum_over_a_roles_processes() -> None:
    samples = resources(
        sample(-250_000, "app", 1, 0, rss_bytes=900, pss_bytes=900),  # warm-up
        sample(0, "app", 1, 0, rss_bytes=100, pss_bytes=10),
        sample(0, "app", 2, 0, rss_bytes=150, pss_bytes=None),
        sample(500_000, "app", 1, 0, rss_bytes=120, pss_bytes=11),
        sample(500_000, "app", 2, 0, rss_bytes=110, pss_bytes=12),
        sample(SECOND + 9, "app", 1, 0, rss_bytes=240, pss_bytes=33),  # drain
    )
    found = figures([request()], samples)
    assert found.rss_bytes["app"] == 250
    assert found.pss_bytes["app"] == 33
    assert found.rss_bytes["generator"] is None


def test_an_empty_window_has_nothing_to_say() -> None:
    found = figures([request(sent_us=-5)], resources(sample(0, "app", 1, 0), sample(SECOND, "app", 1, 1)))
    assert (found.requests, found.p50_us, found.max_us, found.mean_us) == (0, None, None, None)
    assert (found.error_share, found.requests_per_s, found.steps) == (0, 0, {})


def trial(number: int, p50: int, state: Any = "VALID", *, empty: bool = False) -> Trial:
    found = None if empty else figures([request(service_us=p50)] * 4 + [request(outcome="wrong_answer")])
    return Trial(
        number=number,
        block=number,
        arms=[Arm(variant="redis", figures=found)],
        started_at="2026-05-04T10:00:00Z",
        warmup_s=1,
        window_s=1,
        verdict=Verdict(state=state),
    )


def test_a_summary_takes_the_trials_that_count() -> None:
    [summary] = stats.summaries(
        [
            trial(1, 100),
            trial(2, 900, "INVALID"),
            trial(3, 300, "FAILED"),
            trial(4, 200, "SUSPECT"),
            trial(5, 0, "INVALID", empty=True),
            trial(6, 240, "OVERLOADED"),
        ]
    )
    p50 = summary.metrics["p50_us"]
    assert (p50.median, p50.min, p50.max, p50.trials) == (220, 100, 300, 4)
    assert summary.states == {"VALID": 1, "INVALID": 2, "FAILED": 1, "SUSPECT": 1, "OVERLOADED": 1}
    assert (summary.trials, summary.requests, summary.errors, summary.wrong_answers) == (4, 20, 4, 4)
    assert "p99_us" not in summary.metrics
    assert "store_rss_bytes" not in summary.metrics
    assert set(summary.metrics) <= set(stats.METRICS)


def test_timed_requests_are_those_that_the_percentiles_are_of() -> None:
    table = requests(
        request(sent_us=30, service_us=3),
        request(sent_us=20, service_us=2, outcome="timeout"),
        request(sent_us=10, service_us=1, outcome="http_error"),
        request(sent_us=5, arm=1),
    )
    start_us, response_us, right = stats.timed(table, 0)
    assert (start_us.tolist(), response_us.tolist(), right.tolist()) == ([20, 30], [2, 3], [False, True])
