"""Who beats whom in a figure, every two of many: block by block where there are blocks enough, by ranges where not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from reports.judging import paired
from reports.judging.metrics import FEWEST_SHOWN, LEVEL, TOLERANCES, effective

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from reports.choice.needs_metrics import Metric
    from reports.format import Run
    from reports.judging.paired import Floats
    from reports.record.judgement import Told

FEWEST_FOR_RANGES: Final = 3
"""Of two blocks each the ranges of equals lie apart in one case of three; of three each in one of ten."""


class Relations:
    """How candidates stand to each other; what the run tells of two of them goes before what is seen here.

    `values` are by candidate and block, each with whether it is only a lower bound. Two are told apart by the interval
    of their ratio in the blocks that both have, over as many pairs as there are. Where blocks are too few for that, or
    one is a bound, they are where their ranges lie apart, of three blocks each; of a bound nobody knows how much more
    it is, so that it is never the smaller one. All of one against another is computed at once: of 200 there are 19,900.
    """

    def __init__(self, run: Run, values: Mapping[str, Mapping[int, tuple[float, bool]]], metric: Metric) -> None:
        self._names, self._metric = list(values), metric
        self._told = _told(run, metric)
        blocks = {block: place for place, block in enumerate(sorted({key for seen in values.values() for key in seen}))}
        self._values = np.full((len(values), len(blocks)), np.nan)
        self._bounded = np.zeros(self._values.shape, dtype=np.bool_)
        for row, seen in enumerate(values.values()):
            for block, (value, bounded) in seen.items():
                self._values[row, blocks[block]], self._bounded[row, blocks[block]] = value, bounded
        self._known = ~np.isnan(self._values)
        self._counts = self._known.sum(axis=1)
        self._lowest = np.where(self._known, self._values, np.inf).min(axis=1, initial=np.inf)
        self._highest = np.where(self._known, self._values, -np.inf).max(axis=1, initial=-np.inf)
        self._first, self._second = np.triu_indices(len(blocks))
        pairs = len(values) * (len(values) - 1) // 2
        # By the number of blocks that two share: the rank of the ends of their interval; 0 where there is none.
        alpha = (1 - LEVEL) / 2 / max(pairs, 1)
        ranks = [paired.rank(count, alpha) if count >= FEWEST_SHOWN else None for count in range(len(blocks) + 1)]
        self._ranks = np.array([rank or 0 for rank in ranks])

    def unbeaten(self) -> list[str]:
        """Return whom nobody beats, in the order that was given."""
        return [name for place, name in enumerate(self._names) if not self._beaten(place)]

    def all_tied(self, names: Sequence[str]) -> bool:
        """Whether every two of these are tied, either way round."""
        places = [self._names.index(name) for name in names]
        return all(self._tied_with_all(place, [each for each in places if each != place]) for place in places)

    def _beaten(self, place: int) -> bool:
        name, more = self._names[place], self._metric.more
        told = [self._told.get(frozenset((name, other))) for other in self._names]
        if any(each is not None and _beats(each, name, more=more) for each in told):
            return True
        others = [row for row, each in enumerate(told) if each is None and row != place]
        ranks = self._rank(others, place)
        if (self._apart(others, place) & (ranks == 0)).any():
            return True
        exact = [other for other, rank in zip(others, ranks, strict=True) if rank]
        averages = self._walsh(exact, place)
        # The end of an interval lies beyond zero where fewer averages than its rank are on the other side of it.
        against = averages <= 0 if more else averages >= 0
        return bool((against.sum(axis=1) < ranks[ranks > 0]).any())

    def _tied_with_all(self, place: int, others: Sequence[int]) -> bool:
        told = {other: self._told.get(frozenset((self._names[place], self._names[other]))) for other in others}
        if any(each is not None and each.state != "tied" for each in told.values()):
            return False
        others = [other for other in others if told[other] is None]
        ranks = self._rank(others, place)
        if not ranks.all():
            return False
        averages = np.sort(self._walsh(others, place), axis=1)
        tolerance = TOLERANCES.get(self._metric.recorded)
        for other, row, rank in zip(others, averages, ranks.tolist(), strict=True):
            shared = self._known[other] & self._known[place]
            delta = effective(tolerance, self._values[place, shared].tolist()) if tolerance else 0.0
            low, high = math.expm1(row[rank - 1]), math.expm1(row[int(np.count_nonzero(~np.isnan(row))) - rank])
            if low > 0 or high < 0 or not (-math.log1p(delta) < math.log1p(low) and high < delta):
                return False
        return True

    def _rank(self, others: Sequence[int], place: int) -> npt.NDArray[np.int64]:
        """Return the rank of the ends of each one's interval over that one; 0 where ranges must do."""
        shared = self._known[others] & self._known[place]
        doubtful = self._bounded[others] | self._bounded[place] | (self._values[others] <= 0)
        doubtful |= self._values[place] <= 0
        ranks = self._ranks[shared.sum(axis=1)]
        return np.asarray(np.where((doubtful & shared).any(axis=1), 0, ranks), dtype=np.int64)

    def _apart(self, others: Sequence[int], place: int) -> npt.NDArray[np.bool_]:
        """Return of each one whether it beats that one by their ranges."""
        if self._counts[place] < FEWEST_FOR_RANGES:
            return np.zeros(len(others), dtype=np.bool_)
        enough = self._counts[others] >= FEWEST_FOR_RANGES
        bounds: npt.NDArray[np.bool_] = np.asarray(self._bounded.any(axis=1))
        if self._metric.more:
            apart = (self._highest[place] < self._lowest[others]) & ~bounds[place]
        else:
            apart = (self._highest[others] < self._lowest[place]) & ~bounds[others]
        return np.asarray(apart & enough)

    def _walsh(self, others: Sequence[int], place: int) -> Floats:
        """Return the Walsh averages of ln(one/that one) over the blocks that both have, a row each; else NaN."""
        one, that = self._values[others], self._values[place]
        # As `metrics.log_ratios`, so that two mirror each other to the last bit.
        sizes = np.log(np.maximum(one, that) / np.minimum(one, that))
        ratios = np.where(one >= that, sizes, -sizes)
        return np.asarray(ratios[:, self._first] / 2 + ratios[:, self._second] / 2)


def _told(run: Run, metric: Metric) -> dict[frozenset[str], Told]:
    found = (each for each in run.told if each.metric == metric.recorded and each.state != "too few blocks")
    return {frozenset((each.a, each.b)): each for each in found}


def _beats(told: Told, name: str, *, more: bool) -> bool:
    """Whether the other one of two that are told apart beats this one."""
    less = told.b if told.change.estimate < 0 else told.a
    return told.state == "differ" and (less == name) == more
