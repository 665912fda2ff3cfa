from __future__ import annotations

from typing import Any

import pytest

from reports import stats
from reports.format import Arm, Figures, Trial, Verdict
from reports.judging import paired
from reports.judging.baseline import over
from reports.record.model import Interval
from tests.reports.tabled import SECOND, request, requests, resources, sample

P50 = "p50_us"


def blocks(*values: float | None) -> dict[int, dict[str, float]]:
    return {number: {} if value is None else {P50: value} for number, value in enumerate(values)}


def test_what_it_costs_is_paired_by_block() -> None:
    base = [100.0, 200, 300, 400, 500, 600]
    costs = [7.0, 9, 6, 8, 5, 10]
    dearer = [value + cost for value, cost in zip(base, costs, strict=True)]
    found = over({"none": blocks(*base), "redis": blocks(*dearer)}, "none", [P50])
    # However much the blocks differ; with six of them the extremes cover 96.9 %, which is the first to reach 95 %.
    assert found == {"redis": {P50: Interval(estimate=7.5, low=5, high=10, level=0.95, blocks=6)}}


def test_intervals_of_several_variants_hold_at_once() -> None:
    base = {"none": blocks(*[0.0] * 12)}
    costs = [float(value) for value in (3, 7, 1, 9, 4, 8, 2, 6, 5, 12, 10, 11)]
    alone = over(base | {"a": blocks(*costs)}, "none", [P50])["a"][P50]
    among_seven = over(base | {f"v{n}": blocks(*costs) for n in range(7)}, "none", [P50])["v3"][P50]
    assert alone.low > among_seven.low
    assert (among_seven.low, among_seven.high) == paired.interval(costs, 0.025 / 7)
    assert among_seven.level == 0.95


@pytest.mark.parametrize(("count", "variants", "level"), [(5, 1, None), (6, 1, 0.95), (6, 2, None), (7, 3, 0.95)])
def test_too_few_blocks_for_the_level_show_the_extremes(count: int, variants: int, level: float | None) -> None:
    values: dict[str, Any] = {f"v{n}": blocks(*map(float, range(count))) for n in range(variants)}
    found = over(values | {"none": blocks(*[0.0] * count)}, "none", [P50])["v0"][P50]
    assert (found.low, found.high, found.level, found.blocks) == (0, count - 1, level, count)


def test_only_blocks_that_both_have_are_paired() -> None:
    found = over({"none": blocks(1, 1), "redis": {1: {P50: 5}, 9: {P50: 50}}}, "none", [P50])
    assert found["redis"][P50] == Interval(estimate=4, low=4, high=4, level=None, blocks=1)
    assert over({"redis": blocks(1)}, "none", [P50]) == {}


def test_a_metric_that_a_block_does_not_know_has_no_cost() -> None:
    assert over({"none": blocks(1, 1), "redis": blocks(5, None)}, "none", [P50]) == {}


def figures(p50: int, app_ms: float, store_ms: float | None, *, cut: bool = False) -> Figures:
    samples = [*(sample(t * SECOND, "app", 1, app_ms * t) for t in (0, 1))]
    if store_ms is not None:
        samples += [sample(t * SECOND, "store", 2, store_ms * t) for t in (0, 1)]
    rows = [request(service_us=p50, outcome="cut" if cut else "ok")] * 4
    return stats.figures(requests(*rows, request()), resources(*samples), arm=0, window_s=1.0)


def trial(variant: str, block: int, seen: Figures | None, state: Any = "VALID", **facts: Any) -> Trial:
    return Trial(
        number=1, block=block, arms=[Arm(variant=variant, figures=seen)], started_at="2026-05-04T10:00:00Z",
        warmup_s=1, window_s=1, verdict=Verdict(state=state), **facts,
    )  # fmt: skip


def test_the_last_attempt_that_counts_stands_for_its_block() -> None:
    trials = [
        trial("none", 0, figures(1_000, 5, None)),
        trial("redis", 0, figures(9_000, 90, 90), "INVALID"),
        trial("redis", 0, figures(1_400, 7, 3), attempt=2),
        trial("redis", 1, figures(9_000, 90, 90)),
        trial("redis", 0, figures(9_000, 90, 90), purpose="ladder"),
    ]
    none, redis = stats.summaries(trials, "none")
    assert none.over_baseline == {}
    costs = {name: found.estimate for name, found in redis.over_baseline.items()}
    assert costs["p50_us"] == 400
    assert costs["app_cpu_us_per_request"] == pytest.approx((7_000 - 5_000) / 5)
    # `none` has no store, so the store's CPU is what it costs over it.
    assert costs["store_cpu_us_per_request"] == pytest.approx(3_000 / 5)
    assert set(costs) <= set(stats.COSTS)
    # A store that nobody could watch is not one that costs nothing.
    unwatched = [*trials[:1], trial("redis", 0, figures(1_400, 7, None))]
    assert "store_cpu_us_per_request" not in stats.summaries(unwatched, "none")[1].over_baseline
    assert stats.summaries(trials)[1].over_baseline == {}


def test_a_lower_bound_less_something_is_nothing() -> None:
    trials = [trial("none", 0, figures(10, 5, None)), trial("redis", 0, figures(900, 5, None, cut=True))]
    redis = stats.summaries(trials, "none")[1]
    assert "p50_us" in redis.metrics
    assert "p50_us" not in redis.over_baseline
    assert "app_cpu_us_per_request" in redis.over_baseline
