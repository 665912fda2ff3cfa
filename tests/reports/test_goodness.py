from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.trials import goodness

scipy_stats: Any = pytest.importorskip("scipy.stats")


@settings(deadline=None, max_examples=50)  # scipy takes its time
@given(st.lists(st.floats(1e-6, 1 - 1e-6), min_size=2, max_size=200))
def test_the_statistic_is_scipys(values: list[float]) -> None:
    expected = scipy_stats.goodness_of_fit(
        scipy_stats.uniform,
        values,
        known_params={"loc": 0, "scale": 1},
        statistic="ad",
        n_mc_samples=1,
    ).statistic
    assert goodness.anderson_darling(np.array(values)) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("statistic", "p"), [(1.2478, 0.25), (1.9330, 0.10), (2.4922, 0.05), (3.0775, 0.025), (3.8781, 0.01)]
)
def test_the_limit_has_the_critical_values_of_the_tables(statistic: float, p: float) -> None:
    assert goodness.anderson_darling_p(statistic, 10**9) == pytest.approx(p, abs=2e-4)


def test_p_of_few_values_agrees_with_simulation() -> None:
    rng = np.random.default_rng(3)
    for count in (5, 40):
        drawn = [goodness.anderson_darling(row) for row in rng.random((4_000, count))]
        for statistic in (0.3, 0.8, 1.5, 2.5):
            assert goodness.anderson_darling_p(statistic, count) == pytest.approx(
                np.mean([each >= statistic for each in drawn]), abs=0.025
            )
    assert goodness.anderson_darling_p(0.0, 10) == 1


def whole_us(rng: np.random.Generator, rate: float, seconds: float) -> Any:
    """Intervals between arrivals of a Poisson process whose times were cut to whole µs."""
    times = np.cumsum(rng.exponential(1e6 / rate, int(rate * seconds * 1.5) + 50))
    return np.diff(np.floor(times[times < seconds * 1e6]).astype(np.int64))


@pytest.mark.parametrize(("rate", "seconds"), [(20, 3), (300, 3), (10_000, 0.5), (100_000, 0.2)])
def test_true_arrivals_look_true_also_in_whole_us(rate: float, seconds: float) -> None:
    rng = np.random.default_rng(11)
    found = [goodness.exponential_p(whole_us(rng, rate, seconds), rate) for _ in range(120)]
    p = [each for each in found if each is not None]
    # p-values of a true hypothesis are uniform.
    assert scipy_stats.kstest(p, "uniform").pvalue > 1e-3
    assert len(p) >= 115


@pytest.mark.parametrize("slip", [0.9, 1.1])
def test_a_rate_that_is_not_the_plans_is_found(slip: float) -> None:
    intervals = whole_us(np.random.default_rng(5), 300, 20)
    assert (goodness.exponential_p(intervals, 300 * slip) or 0) < 1e-6


def test_arrivals_that_were_lost_are_found() -> None:
    times = np.cumsum(whole_us(np.random.default_rng(5), 1_000, 10))
    held_up = np.diff(np.sort(np.where((times > 2e6) & (times < 3e6), 3_000_000, times)))
    assert (goodness.exponential_p(held_up, 1_000) or 0) < 1e-6


def test_constant_arrivals_are_constant_to_within_rounding() -> None:
    times = np.floor(17.3 + np.arange(500) * 1e6 / 300).astype(np.int64)
    assert goodness.constant_p(np.diff(times), 300) == 1
    assert goodness.constant_p(np.diff(times), 299) == 0
    late = times.copy()
    late[100] += 4
    assert goodness.constant_p(np.diff(late), 300) == 0


def test_few_arrivals_say_nothing() -> None:
    few = np.full(goodness.FEWEST - 1, 10)
    assert goodness.exponential_p(few, 1) is None
    assert goodness.constant_p(few, 1) is None
