from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.trials import stationarity

scipy_stats: Any = pytest.importorskip("scipy.stats")
Floats = np.ndarray[Any, np.dtype[np.float64]]


def noise(rng: np.random.Generator, bins: int, *, like_before: float = 0.0) -> Floats:
    """Draw standard normal values, each as much like the one before."""
    drawn = rng.normal(size=bins + 50)
    for place in range(1, len(drawn)):
        drawn[place] = like_before * drawn[place - 1] + math.sqrt(1 - like_before**2) * drawn[place]
    return np.asarray(drawn[50:])


@settings(deadline=None)  # scipy takes its time
@given(st.lists(st.integers(0, 30).map(float), min_size=8, max_size=60))
def test_score_and_slope_are_those_of_scipy(values: list[float]) -> None:
    found = stationarity.trend(np.array(values) + 100, related=False)
    assert found is not None
    slope, intercept, *_ = scipy_stats.theilslopes(np.array(values) + 100, method="separate")
    del intercept
    bins = len(values)
    start = float(np.median(np.array(values) + 100 - slope * np.arange(bins)))
    assert found.change == pytest.approx(slope * (bins - 1) / start, abs=1e-9)
    tau = scipy_stats.kendalltau(np.arange(bins), values, method="asymptotic")
    if not math.isnan(tau.pvalue):
        # Ours is a little larger, for the score is whole and the normal distribution is not.
        assert tau.pvalue - 1e-9 <= found.p <= tau.pvalue + 0.15


def test_what_stands_still_has_no_trend() -> None:
    assert stationarity.trend(np.full(12, 7.0)) == stationarity.Trend(p=1.0, change=0.0)
    assert stationarity.trend(np.zeros(12)) == stationarity.Trend(p=1.0, change=0.0)
    assert stationarity.trend(np.full(7, 7.0)) is None


def test_bins_without_a_value_leave_gaps() -> None:
    rising = np.linspace(100, 200, 41)
    rising[1:20] = np.nan
    found = stationarity.trend(rising)
    assert found is not None
    assert found.change == pytest.approx(1.0)
    assert found.p < 0.001


@pytest.mark.parametrize("bins", [12, 40])
@pytest.mark.parametrize("like_before", [0.0, 0.3])
def test_a_healthy_window_alarms_in_less_than_one_of_a_hundred(bins: int, like_before: float) -> None:
    rng = np.random.default_rng(bins)
    runs = 600
    alarms = 0
    for _ in range(runs):
        latency = 1_000 * np.exp(0.12 * noise(rng, bins, like_before=like_before))
        answered = 1 + 0.05 * noise(rng, bins)
        alarms += bool(stationarity.trends(latency, answered))
    assert alarms / runs <= 0.01 + 2 * math.sqrt(0.01 * 0.99 / runs)


@pytest.mark.parametrize(("bins", "rise", "least"), [(12, 0.6, 0.75), (40, 0.3, 0.95), (120, 0.2, 0.95)])
def test_a_trend_that_matters_is_found(bins: int, rise: float, least: float) -> None:
    rng = np.random.default_rng(bins)
    found = 0
    for _ in range(100):
        latency = 1_000 * np.linspace(1, 1 + rise, bins) * np.exp(0.05 * noise(rng, bins))
        trends = stationarity.trends(latency, np.ones(bins))
        assert "throughput" not in trends
        found += trends.get("latency", 0.0) > rise / 2
    assert found / 100 >= least


def test_a_trend_that_is_sure_but_small_is_not_named() -> None:
    assert not stationarity.trends(np.linspace(1_000, 1_090, 40), np.linspace(1, 0.92, 40))
    assert stationarity.trends(np.linspace(1_000, 1_120, 40), np.linspace(1, 0.88, 40)) == {
        "latency": pytest.approx(0.12),
        "throughput": pytest.approx(-0.12),
    }


def warm_up(rng: np.random.Generator, *, colder: float, settles_s: float, rate: float = 300.0) -> int | None:
    """Return after how many bins a warm-up of at most 8 s ends whose latency falls to its level."""
    throughput: list[float] = []
    latency: list[float] = []
    for number in range(32):
        arrivals = int(rng.poisson(rate * stationarity.BIN_S))
        level = 1_000 * (1 + colder * math.exp(-number * stationarity.BIN_S / settles_s))
        throughput.append(arrivals)
        latency.append(float(np.median(level * rng.lognormal(0, 0.5, arrivals))) if arrivals else math.nan)
        if stationarity.steady(throughput, latency):
            return number + 1
    return None


@pytest.mark.parametrize("rate", [5.0, 300.0, 3_000.0])
def test_a_steady_warm_up_ends_soon(rate: float) -> None:
    rng = np.random.default_rng(2)
    ends = [warm_up(rng, colder=0.0, settles_s=1, rate=rate) for _ in range(60)]
    assert None not in ends
    assert np.median([end or 0 for end in ends]) <= 14


def test_a_warm_up_does_not_end_while_latency_falls() -> None:
    rng = np.random.default_rng(2)
    ends = [warm_up(rng, colder=3.0, settles_s=1.0) for _ in range(60)]
    # 3 e^(-t/1 s) is under a tenth from 3.4 s on, and the last 3 s are looked at.
    assert np.median([end or 32 for end in ends]) >= 18
    assert sum(end is None for end in ends) <= 3
    assert sum(warm_up(rng, colder=8.0, settles_s=4.0) is None for _ in range(30)) >= 27


def test_too_few_bins_are_never_steady() -> None:
    bins = stationarity.STEADY_BINS
    flat = [100.0] * bins
    assert stationarity.steady(flat, flat)
    assert not stationarity.steady(flat[1:], flat[1:])
    assert not stationarity.steady([], [])


def test_long_windows_have_longer_bins() -> None:
    assert stationarity.bins(3.0) == (12, 0.25)
    assert stationarity.bins(0.6) == (2, 0.25)
    assert stationarity.bins(0.2) == (0, 0.25)
    assert stationarity.bins(60.0) == (240, 0.25)
    assert stationarity.bins(3_600.0) == (240, 15.0)
