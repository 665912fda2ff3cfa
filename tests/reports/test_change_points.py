from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest

from reports.judging import change_points
from reports.judging.change_points import ALARMS, FEWEST_BETWEEN, FEWEST_RUNS, changes, penalty


def levels(dice: np.random.Generator, *runs: tuple[int, float]) -> list[float]:
    return [float(value) for count, level in runs for value in dice.normal(level, 1.0, count)]


@pytest.mark.parametrize("runs", [10, 20, 50])
def test_in_series_in_which_nothing_changed_hardly_one_in_a_hundred_shows_a_change(runs: int) -> None:
    dice = np.random.default_rng(runs)
    series = 1_000
    alarms = sum(bool(changes(levels(dice, (runs, 0.0)))) for _ in range(series))
    # Three standard deviations of chance above what is promised.
    assert alarms / series <= ALARMS + 3 * (ALARMS * (1 - ALARMS) / series) ** 0.5


def test_it_does_not_matter_how_the_figures_scatter() -> None:
    dice = np.random.default_rng(2)
    heavy = [np.exp(dice.standard_cauchy(20).clip(-50, 50)).tolist() for _ in range(200)]
    assert sum(bool(changes(each)) for each in heavy) / len(heavy) <= ALARMS + 0.02


@pytest.mark.parametrize(("count", "by"), [(16, 4.0), (30, 3.0)])
def test_a_new_level_is_found_where_it_begins(count: int, by: float) -> None:
    dice = np.random.default_rng(4)
    half = count // 2
    found = [changes(levels(dice, (half, 100.0), (half, 100.0 + by))) for _ in range(40)]
    assert sum(len(each) == 1 and abs(each[0] - half) <= 1 for each in found) >= 0.85 * len(found)


def test_two_changes_are_told_apart() -> None:
    found = changes(levels(np.random.default_rng(7), (15, 0.0), (15, 8.0), (15, 16.0)))
    assert found == [15, 30]


def test_one_bad_day_is_no_change() -> None:
    values = levels(np.random.default_rng(3), (20, 100.0))
    values[11] = 10_000.0
    assert changes(values) == []


def test_too_few_runs_say_nothing() -> None:
    assert changes([1.0] * (FEWEST_RUNS // 2) + [9.0] * (FEWEST_RUNS - 1 - FEWEST_RUNS // 2)) == []


def test_what_never_moves_has_no_change() -> None:
    assert changes([1.0] * 40) == []


def test_no_two_changes_are_nearer_than_is_promised() -> None:
    found = [0, *changes(levels(np.random.default_rng(9), *((4, 20.0 * (place % 2)) for place in range(10)))), 40]
    assert min(later - earlier for earlier, later in itertools.pairwise(found)) >= FEWEST_BETWEEN


def test_the_penalty_grows_with_the_series() -> None:
    drawn = [penalty(runs) for runs in range(FEWEST_RUNS, 600)]
    assert drawn == sorted(drawn)


def test_without_the_library_nothing_breaks_until_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert change_points.installed()
    monkeypatch.setitem(sys.modules, "ruptures", None)
    assert not change_points.installed()
    with pytest.raises(ImportError):
        changes([*range(FEWEST_RUNS)])
