from __future__ import annotations

import numpy as np
import pytest

from reports import stats
from tests.reports.tabled import SECOND, request, requests, resources, sample

NO_LAGS = np.zeros(0, dtype=np.int64)
MS = 1_000_000
"""In ns."""


def test_loop_lag_is_in_us() -> None:
    lags_ns = np.arange(1, 101) * 1_500
    found = stats.instrument(None, lags_ns, window_s=1.0)
    assert (found.loop_lag_p50_us, found.loop_lag_p99_us) == (75.0, 148.5)
    assert stats.instrument(None, lags_ns[:99], window_s=1.0).loop_lag_p99_us is None
    assert stats.instrument(None, NO_LAGS, window_s=1.0).loop_lag_p50_us is None
    assert (found.waiting_share, found.cpu_apart) == (None, {})


def test_waiting_is_that_of_the_most_hindered_generator() -> None:
    table = resources(
        *(sample(t * SECOND, "generator", 7, 0, arm=None, waited_ns=50 * MS * t) for t in range(4)),
        *(sample(t * SECOND, "generator", 8, 0, arm=None, waited_ns=200 * MS * t) for t in range(4)),
        *(sample(t * SECOND, "app", 9, 0, waited_ns=900 * MS * t) for t in range(4)),
    )
    assert stats.instrument(table, NO_LAGS, window_s=2.0).waiting_share == pytest.approx(0.2)
    assert stats.instrument(table, NO_LAGS, window_s=0.5, from_s=2.25).waiting_share == pytest.approx(0.2)
    assert stats.instrument(table, NO_LAGS, window_s=1.0, from_s=8.0).waiting_share is None


def test_files_without_the_columns_say_nothing() -> None:
    table = resources(*(sample(t * SECOND, "generator", 7, 900 * t) for t in range(4)))
    found = stats.instrument(table, NO_LAGS, window_s=2.0)
    assert (found.waiting_share, found.cpu_apart) == (None, {})
    assert stats.instrument(resources(), NO_LAGS, window_s=2.0).waiting_share is None


@pytest.mark.parametrize(
    ("ticks_ms", "apart"),
    [(1_000, 0), (980, 0), (1_020, 0), (950, 0.03), (1_100, 0.08), (0, 0.98)],
)
def test_the_two_counts_of_cpu_may_differ_by_two_ticks_a_process(ticks_ms: int, apart: float) -> None:
    ends = ((0, 0, 0), (SECOND, 1_000, ticks_ms))
    table = resources(*(sample(t_us, "app", 7, cpu_ms, ticks_ns=ms * MS) for t_us, cpu_ms, ms in ends))
    assert stats.instrument(table, NO_LAGS, window_s=1.0).cpu_apart == {"app": pytest.approx(apart)}


def test_a_role_with_little_cpu_has_no_say_about_counting() -> None:
    table = resources(*(sample(t * SECOND, "app", 7, 400 * t, ticks_ns=100 * MS * t) for t in (0, 1)))
    assert stats.instrument(table, NO_LAGS, window_s=1.0).cpu_apart == {}


def test_a_child_that_ended_is_counted_once_in_both_ways() -> None:
    # The parent takes over the ticks of a child that ended; by task its last sample stays.
    table = resources(
        sample(0, "store", 1, 100, ticks_ns=100 * MS),
        sample(0, "store", 2, 300, ticks_ns=300 * MS),
        sample(SECOND // 2, "store", 1, 400, ticks_ns=400 * MS),
        sample(SECOND // 2, "store", 2, 600, ticks_ns=600 * MS),
        sample(SECOND, "store", 1, 700, ticks_ns=1_300 * MS),
    )
    assert stats.instrument(table, NO_LAGS, window_s=1.0).cpu_apart == {"store": 0}
    # Children that nobody ever sampled are only in the ticks.
    unseen = resources(
        sample(0, "store", 1, 100, ticks_ns=100 * MS), sample(SECOND, "store", 1, 700, ticks_ns=1_300 * MS)
    )
    assert stats.instrument(unseen, NO_LAGS, window_s=1.0).cpu_apart["store"] > 0.9


def test_context_switches_are_per_request_and_role() -> None:
    table = resources(
        *(sample(t * SECOND, "app", 1, 0, ctx_switches=30 * t) for t in (0, 1)),
        *(sample(t * SECOND, "app", 2, 0, ctx_switches=500 + 10 * t) for t in (0, 1)),
        *(sample(t * SECOND, "generator", 3, 0, arm=None) for t in (0, 1)),
    )
    found = stats.figures(requests(*[request()] * 10), table, arm=0, window_s=1.0)
    assert found.ctx_switches_per_request == {"app": pytest.approx(4.0), "store": None, "generator": None}
    assert stats.metrics(found)["app_ctx_switches_per_request"] == pytest.approx(4.0)


def test_an_interval_that_nobody_sampled_used_nobody_knows_what() -> None:
    table = resources(*(sample(t * SECOND, "app", 1, 500 * t) for t in (0, 1)))
    found = stats.closed_figures(requests(), table, arm=0, from_s=1.0, window_s=2.0)
    assert (found.cpu_share["app"], found.cpu_us_per_request["app"], found.rss_bytes["app"]) == (None, None, None)
