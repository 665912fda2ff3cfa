from __future__ import annotations

import pytest

from reports.listings import crossover, policies
from reports.record.judgement import Told
from reports.record.model import Interval
from tests.reports import synthetic, synthetic_distance

NAMES = ("redis:conflict=reject,driver=sync", "redis:write=always", "redis", "redis:driver=sync", "http:slide=always")


def told(a: str, b: str, share: float, level: float | None = None) -> list[Told]:
    change = Interval(estimate=share, low=share - 0.02, high=share + 0.02, level=level, blocks=3)
    state = "differ" if level else "too few blocks"
    return [
        Told(a=a, b=b, metric=metric, change=change, state=state) for metric in ("p50_us", "app_cpu_us_per_request")
    ]


def test_a_policy_is_priced_over_the_same_variant_without_it() -> None:
    run = synthetic_distance.run(rtts=(0.0, 1.0))
    run.variants = [synthetic.variant(name) for name in NAMES]
    run.trials, run.summaries, run.capacities = [], [], []
    assert policies.listing(run) is None
    run.told = [
        *told("redis", "redis:write=always", 0.25),
        *told("redis:conflict=reject,driver=sync", "redis:driver=sync", -0.2),
        *told("redis", "redis:driver=sync", 0.5),
    ]
    listing = policies.listing(run)
    assert listing is not None
    assert [head.text for head in listing.heads][2::2] == ["p50 ratio", "app CPU ratio"]
    assert listing.rows == [
        ["redis:conflict=reject,driver=sync", "redis:driver=sync", *["1.25", "1.22 – 1.28"] * 2],  # noqa: RUF001 - a range
        ["redis:write=always", "redis", *["1.25", "1.23 – 1.27"] * 2],  # noqa: RUF001 - a range
    ]
    assert "too few for an interval" in listing.remark
    run.told = told("redis", "redis:write=always", 0.25, level=0.95)
    listing = policies.listing(run)
    assert listing is not None
    assert "95 % intervals, for all pairs at once" in listing.remark
    run.plan.load.kind = "closed"
    listing = policies.listing(run)
    assert listing is not None
    assert "p50 ratio" not in {head.text for head in listing.heads}


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("redis:write=always", "redis"),
        ("redis:conflict=retry,driver=sync,write=always", "redis:driver=sync"),
        ("redis:driver=sync", "redis:driver=sync"),
        ("writes", "writes"),
    ],
)
def test_a_policy_is_an_option_of_its_own(name: str, base: str) -> None:
    assert crossover.without(name, policies.POLICIES) == base
