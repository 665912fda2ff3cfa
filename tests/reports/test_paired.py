from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.judging import paired

scipy_stats: Any = pytest.importorskip("scipy.stats")

WHOLE = st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=9)
DISTINCT = st.lists(st.integers(1, 10_000), min_size=5, max_size=20, unique=True)


def by_enumeration(differences: list[float]) -> float:
    """Return the share of all assignments of signs whose sum of positive ranks is as large as was seen."""
    ranks = scipy_stats.rankdata(np.abs(differences))
    kept = [(rank, value > 0) for rank, value in zip(ranks, differences, strict=True) if value != 0]
    seen = sum(rank for rank, positive in kept if positive)
    cases = itertools.product((False, True), repeat=len(kept))
    sums = [sum(rank for (rank, _), positive in zip(kept, case, strict=True) if positive) for case in cases]
    return float(np.mean([each >= seen for each in sums]))


@given(WHOLE)
def test_p_is_the_share_of_sign_assignments_also_with_ties_and_zeros(differences: list[float]) -> None:
    assert paired.p_not_above(differences) == by_enumeration(differences)
    assert paired.p_not_below(differences, 0.0) == by_enumeration([-value for value in differences])


@settings(deadline=None)  # scipy takes its time
@given(DISTINCT, st.integers(0, 2**20))
def test_without_ties_p_is_scipys(sizes: list[int], signs: int) -> None:
    values = [size if signs >> place & 1 else -size for place, size in enumerate(sizes)]
    for found, alternative in ((paired.p_not_above(values), "greater"), (paired.p_not_below(values, 0), "less")):
        expected = scipy_stats.wilcoxon(values, alternative=alternative, method="exact").pvalue
        assert found == pytest.approx(expected, rel=1e-9)


def test_the_two_one_sided_tests_of_a_change() -> None:
    slower = np.log1p(np.linspace(0.04, 0.06, 12))
    assert paired.p_not_above(slower) == 2**-12
    assert paired.p_not_below(slower, math.log1p(0.10)) == 2**-12
    assert paired.p_not_below(slower, math.log1p(0.03)) == 1
    assert paired.p_not_above([0.0, 0.0]) == 1


def test_a_thousand_differences_lose_no_small_p() -> None:
    assert 0 < paired.p_not_above(np.linspace(1, 2, 400)) < 1e-100


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_the_estimate_is_the_median_of_all_averages_of_two(values: list[float]) -> None:
    averages = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(values, 2)]
    assert paired.estimate(values) == pytest.approx(float(np.median(averages)), rel=1e-9, abs=1e-6)


@given(DISTINCT, st.sampled_from([0.025, 0.025 / 7, 0.05, 0.15]), st.integers(0, 2**20))
def test_the_interval_holds_what_the_tests_do_not_refuse(sizes: list[int], alpha: float, signs: int) -> None:
    # Multiples of an irrational number: no average of two is a bound of another pair by rounding.
    values = [(3**0.5 * size) * (1 if signs >> place & 1 else -1) for place, size in enumerate(sizes)]
    found = paired.interval(values, alpha)
    if len(values) < paired.fewest(alpha):
        assert found is None
        return
    assert found is not None
    low, high = found
    width = 1e-6
    assert paired.p_not_above(values, low - width) <= alpha < paired.p_not_above(values, low + width)
    assert paired.p_not_below(values, high + width) <= alpha < paired.p_not_below(values, high - width)


def test_tables_of_the_signed_rank_distribution() -> None:
    # Critical values of textbooks: the k-th average from either end, for 95 %.
    powers = [2.0**place for place in range(12)]
    for count, k in ((6, 1), (8, 4), (10, 9), (12, 14)):
        averages = paired.walsh(powers[:count])
        assert paired.interval(powers[:count], 0.025) == (averages[k - 1], averages[-k])
    assert [paired.fewest(alpha) for alpha in (0.05, 0.025, 0.025 / 7, 0.025 / 28)] == [5, 6, 9, 11]


@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_a_level_must_be_one(alpha: float) -> None:
    with pytest.raises(ValueError, match="one tail"):
        paired.fewest(alpha)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    runs = 600
    for draw in (rng.normal, rng.standard_cauchy, lambda size: np.round(rng.normal(size=size), 1)):
        found = [paired.interval(draw(size=12), 0.025) for _ in range(runs)]
        covered = sum(bounds is not None and bounds[0] <= 0 <= bounds[1] for bounds in found)
        # Three standard errors under 95 %; ties only widen it.
        assert covered / runs > 0.95 - 3 * math.sqrt(0.05 * 0.95 / runs)
