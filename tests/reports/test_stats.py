from __future__ import annotations

import tracemalloc
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import stats
from reports.format import OUTCOMES, Arm, Load, Trial, Verdict
from reports.record import columns, tables
from reports.trials import quantiles
from tests.reports.tabled import SECOND, arrival, request, requests, resources, sample, unsent

TIMES = st.integers(0, 10_000_000)


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


def trial(number: int, p50: int, state: Any = "VALID", *, empty: bool = False, **facts: Any) -> Trial:
    found = None if empty else figures([request(service_us=p50)] * 4 + [request(outcome="wrong_answer")])
    closed = facts.pop("closed", None)
    known = {"block": number, "arms": [Arm(variant="redis", figures=found, closed=closed)]}
    return Trial(
        number=number,
        started_at="2026-05-04T10:00:00Z",
        warmup_s=1,
        window_s=1,
        verdict=Verdict(state=state),
        **known | facts,
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


def test_only_latency_trials_make_a_summary() -> None:
    ladder = [trial(1, 100), trial(2, 9_000, purpose="ladder"), trial(3, 9_000, purpose="capacity")]
    [summary] = stats.summaries(ladder)
    assert (summary.trials, summary.metrics["p50_us"].max) == (1, 100)


def test_throughput_is_what_closed_loops_drew() -> None:
    loops = figures([request()] * 7)
    [closed_plan] = stats.summaries([trial(1, 100)])
    assert closed_plan.metrics["throughput_per_s"] == closed_plan.metrics["requests_per_s"]
    opened = figures([arrival(5)], load=Load(kind="open", users=4, rate_per_s=10))
    assert stats.metrics(opened, loops)["throughput_per_s"] == 7
    assert "throughput_per_s" not in stats.metrics(opened)


def test_the_closed_phase_has_figures_of_its_own() -> None:
    loops = [request(phase="closed", sent_us=at, service_us=40) for at in (6 * SECOND - 1, 6 * SECOND, 7 * SECOND)]
    rows = [arrival(5), arrival(6 * SECOND - 5), *loops]
    samples = resources(
        *(sample(t * SECOND, "app", 1, 100 * t, rss_bytes=t, ctx_switches=10 * t) for t in (0, 1, 6, 9))
    )
    table = requests(*rows)
    closed = stats.closed_figures(table, samples, arm=0, from_s=6.0, window_s=2.0)
    assert (closed.requests, closed.requests_per_s, closed.p50_us) == (2, 1, 40)
    assert closed.cpu_share["app"] == pytest.approx(0.1)
    assert closed.ctx_switches_per_request["app"] == pytest.approx(10)
    assert closed.rss_bytes["app"] == 9
    assert closed.queue_growth is None
    # Whatever the window, what was sent in the closed phase is none of its requests.
    assert figures(rows, window_s=10.0).requests == 2
    assert stats.timed(table, 0)[0].tolist() == [5, 6 * SECOND - 5]
    assert stats.timed(table, 0, closed_phase=True)[0].tolist() == [6 * SECOND - 1, 6 * SECOND, 7 * SECOND]


def test_the_service_time_is_what_stays_of_a_response_without_its_waiting() -> None:
    rows = [arrival(at, 50, response_us=50 + at) for at in range(100)]
    rows.append(unsent(200, 9_000))
    found = figures(rows)
    assert (found.service_p50_us, found.service_p99_us, found.service_mean_us) == (50, 50, 50)
    assert (found.p50_us, found.max_us) == (100, 9_000)
    # Nobody knows how long it would have been served, so it is not among the service times at all.
    assert found.at_least == ["mean_us", "max_us"]


def test_a_clock_that_was_set_back_is_seen() -> None:
    table = requests(request(), request(service_us=-1), request(service_us=None, response_us=-3, outcome="unsent"))
    assert stats.backwards(table) == 2


def test_timed_requests_are_those_that_the_percentiles_are_of() -> None:
    table = requests(
        request(sent_us=30, service_us=3),
        request(sent_us=20, service_us=2, outcome="timeout"),
        request(sent_us=10, service_us=1, outcome="http_error"),
        request(sent_us=5, arm=1),
    )
    start_us, response_us, right = stats.timed(table, 0)
    assert (start_us.tolist(), response_us.tolist(), right.tolist()) == ([20, 30], [2, 3], [False, True])


def test_figures_are_lean() -> None:
    """No word is decoded and no column made twice: ten million requests must fit beside their table."""
    count = 300_000
    rng = np.random.default_rng(1)
    start = np.sort(rng.integers(-SECOND, 30 * SECOND, count))
    service = rng.integers(100, 5_000, count)
    columns = {
        "arm": np.zeros(count, dtype=np.int8),
        "name": pa.array(["a", "b", "c"] * (count // 3)),
        "phase": pa.array(np.where(start < 0, "warmup", "solo")),
        "slice": pa.nulls(count),
        "user": rng.integers(0, 64, count),
        "worker": np.zeros(count, dtype=np.int16),
        "scheduled_us": start,
        "wake_lag_us": pa.array(np.full(count, 60), mask=rng.random(count) < 0.1),
        "sent_us": start + 60,
        "service_us": service,
        "response_us": service + 60,
        "received_bytes": pa.nulls(count),
        "status": pa.nulls(count),
        "outcome": pa.array(["ok"] * (count - 1) + ["timeout"]),
    }
    arrays = [
        pa.array(columns[field.name]).cast(field.type)
        if not pa.types.is_dictionary(field.type)
        else pa.array(columns[field.name]).dictionary_encode().cast(field.type)
        for field in tables.REQUESTS
    ]
    table = pa.Table.from_arrays(arrays, schema=tables.REQUESTS)
    load = Load(kind="open", users=64, rate_per_s=count / 31)
    stats.figures(table.slice(0, 100), None, arm=0, window_s=30, load=load)  # what is made once
    tracemalloc.start()
    try:
        found = stats.figures(table, None, arm=0, window_s=30, load=load)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        stats.timed(table, 0)
        _, peak_of_timed = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.requests > 0.9 * count
    assert peak / count < 90
    assert peak_of_timed / count < 60
