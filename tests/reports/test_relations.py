"""Who beats whom, held against the definition: two at a time, as it reads."""

from __future__ import annotations

import math
import random
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from reports.choice import needs_contest
from reports.choice.needs_metrics import APP_CPU, CPU, speed, throughput
from reports.choice.needs_relations import FEWEST_FOR_RANGES, Relations
from reports.judging.metrics import LEVEL, TOLERANCES, effective, log_ratios, shown
from reports.record.judgement import Told
from reports.record.model import Interval
from tests.reports import synthetic_choice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.choice.needs_metrics import Metric
    from reports.format import Run

Seen = dict[int, tuple[float, bool]]


def relation(a: Seen, b: Seen, metric: Metric, pairs: int) -> str:
    """Return whether a beats b, or is tied with it."""
    shared = sorted(a.keys() & b.keys())
    if shared and not any(of[block][1] or of[block][0] <= 0 for of in (a, b) for block in shared):
        of_a, of_b = ([of[block][0] for block in shared] for of in (a, b))
        change = shown(log_ratios(of_b, of_a), (1 - LEVEL) / 2 / pairs)
        if change.level is not None:
            if change.low > 0 or change.high < 0:
                return "beats" if (change.low > 0) == metric.more else ""
            tolerance = TOLERANCES.get(metric.recorded)
            delta = effective(tolerance, of_b) if tolerance else 0.0
            tied = -math.log1p(delta) < math.log1p(change.low) and change.high < delta
            return "tied" if tied else "not told apart"
    lower, upper = (b, a) if metric.more else (a, b)
    if min(len(a), len(b)) < FEWEST_FOR_RANGES or any(bounded for _, bounded in lower.values()):
        return "not told apart"
    apart = max(value for value, _ in lower.values()) < min(value for value, _ in upper.values())
    return "beats" if apart else "not told apart"


def relations(run: Run, values: Mapping[str, Seen], metric: Metric) -> dict[tuple[str, str], str]:
    told = {frozenset((each.a, each.b)): each for each in run.told if each.metric == metric.recorded}
    pairs = len(values) * (len(values) - 1) // 2
    found = {}
    for a, b in permutations(values, 2):
        known = told.get(frozenset((a, b)))
        if known is None or known.state == "too few blocks":
            found[a, b] = relation(values[a], values[b], metric, pairs)
        elif known.state == "differ":
            less = known.b if known.change.estimate < 0 else known.a
            found[a, b] = "beats" if (less == a) != metric.more else ""
        else:
            found[a, b] = known.state
    return found


def seen(dice: random.Random, blocks: int, noise: float) -> Seen:
    """Return figures of most blocks: a few of none, many alike, some only bounds, some nothing at all."""
    middle = dice.choice([100.0, 100.0, 101.0, 130.0, 3_000.0])
    found = {}
    for block in range(blocks):
        if dice.random() > 0.03:
            value = (
                0.0 if dice.random() < 0.004 else round(middle * math.exp(dice.gauss(0, noise)), dice.choice([0, 3]))
            )
            found[block] = (value, dice.random() < 0.01)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_all_at_once_are_as_two_at_a_time(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a simulation
    names = [f"redis:pool={each}" for each in range(1, dice.randint(2, 9) + 1)]
    blocks = dice.choice([1, 2, 3, 5, 8, 12, 16, 24])
    noise = dice.choice([0.0, 0.001, 0.02, 0.3])
    values = {name: found for name in names if (found := seen(dice, blocks, noise))}
    run = synthetic_choice.run(dict.fromkeys(names, (2.0,)))
    states = ("differ", "tied", "not told apart", "too few blocks")
    for metric in (speed(run), APP_CPU, CPU, throughput(run)):
        run.told = [
            Told(
                a=a, b=b, metric=metric.recorded, state=dice.choice(states),
                change=Interval(estimate=dice.choice([-0.2, 0.2]), low=-0.3, high=0.3, level=None, blocks=blocks),
            )
            for a, b in permutations(names, 2) if a < b and dice.random() < 0.1
        ]  # fmt: skip
        expected = relations(run, values, metric)
        beaten = {b for (_, b), each in expected.items() if each == "beats"}
        now = Relations(run, values, metric)
        assert now.unbeaten() == [name for name in values if name not in beaten]
        for least in range(2, len(values) + 1):
            some = dice.sample(list(values), least)
            assert now.all_tied(some) == all(expected[pair] == "tied" for pair in permutations(some, 2))


def test_hundreds_are_told_apart_by_what_two_hundred_take() -> None:
    # Of 19,900 pairs 20 blocks bear an interval, and 12 none: there the ranges decide.
    for blocks, state in ((24, "best"), (12, "not told apart")):
        dice = random.Random(blocks)  # noqa: S311 - a simulation
        pace = [1 + 0.02 * block for block in range(blocks)]
        times = {f"redis:pool={each}": [5 * by * (1 + dice.random() / 1e3) for by in pace] for each in range(1, 201)}
        times["redis:pool=7"] = [each * 0.97 for each in times["redis:pool=7"]]
        run = synthetic_choice.run(times)
        found = needs_contest.contest(run, run.variants, speed(run))
        assert (found.state, found.best[0]) == (state, "redis:pool=7")
        assert len(found.figures) == 200
