"""A pair of arms over the blocks of a run, and what each of its metrics shows by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from reports.judging import paired
from reports.judging.family import smallest_effect
from reports.record.judgement import Comparison, Judged, Tolerance
from reports.record.model import Interval
from reports.words import wording
from reports.words.units import plural

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reports.judging.paired import Floats
    from reports.record.judgement import State

TOLERANCES: Final[dict[str, Tolerance]] = {
    "app_cpu_us_per_request": Tolerance(share=0.03, floor=5.0),
    "p50_us": Tolerance(share=0.05, floor=20.0),
    "p95_us": Tolerance(share=0.10, floor=50.0),
    "p99_us": Tolerance(share=0.20, floor=100.0),
    "store_cpu_us_per_request": Tolerance(share=0.03, floor=5.0),
}
DECIDING: Final = ("app_cpu_us_per_request", "p50_us")
LEVEL: Final = 0.95
"""Of the intervals that are shown."""
FEWEST_SHOWN: Final = 6
"""Under six blocks the extremes are shown instead."""


@dataclass
class Pair:
    """Two arms over the blocks of one run.

    `values` are by metric those of base and head, one per block, in the order of blocks. A metric without a tolerance
    has the default one. `head_only_errors` and `invalid` are reasons in words: what the head did wrong while the base
    did not, and why nothing that was measured counts.
    """

    name: str
    base: str
    head: str
    values: dict[str, tuple[list[float], list[float]]]
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    deciding: Collection[str] = DECIDING
    head_only_errors: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)

    def tolerance(self, metric: str) -> Tolerance:
        """Return how much slower still counts as the same; for a metric that nobody knows, nothing."""
        return self.tolerances.get(metric) or TOLERANCES.get(metric) or Tolerance(share=0.0)


def effective(tolerance: Tolerance, base: Sequence[float]) -> float:
    """Return a tolerance as a share of the base's median: its own share, or its floor where that is more."""
    return max(tolerance.share, tolerance.floor / float(np.median(base)))


def log_ratios(base: Sequence[float], head: Sequence[float]) -> Floats:
    """Return ln(head/base) per block.

    Raises ValueError when the blocks of one arm are not those of the other, or a value is no positive number.
    """
    if len(base) != len(head):
        raise ValueError(f"has {plural(len(base), 'value')} of the base and {len(head)} of the head")
    both = np.asarray([base, head], dtype=np.float64)
    bad = ~(np.isfinite(both) & (both > 0))
    if bad.any():
        arm, block = (int(each[0]) for each in np.nonzero(bad))
        raise ValueError(f"is {both[arm, block]:g} in block {block + 1} of {len(base)}, which is no measurement")
    # The larger over the smaller, so that the arms mirror each other to the last bit and ties stay ties.
    sizes = np.log(both.max(axis=0) / both.min(axis=0))
    return np.asarray(np.where(both[1] >= both[0], sizes, -sizes))


def shown(ratios: Floats, alpha: float = (1 - LEVEL) / 2) -> Interval:
    """Return the change as a share, with the interval of level 1 - 2 alpha; there must be a block.

    The level that is written is 95 %, of which alpha may be a part; see `Interval` for too few blocks.
    """
    found = paired.interval(ratios, alpha) if len(ratios) >= FEWEST_SHOWN else None
    low, high = found or (float(np.min(ratios)), float(np.max(ratios)))
    return Interval(
        estimate=math.expm1(paired.estimate(ratios)),
        low=math.expm1(low),
        high=math.expm1(high),
        level=LEVEL if found else None,
        blocks=len(ratios),
    )


def measured(pair: Pair, *, fewest: int, alpha: float, family: int) -> Comparison:
    """Return what every metric of a pair shows by itself: no adjusted p, and no verdict from what was timed.

    The comparison is REGRESSED when only the head failed; INVALID, and says why, when a metric that decides has fewer
    than `fewest` blocks or a value that is none; else INCONCLUSIVE. `alpha` and `family` are those of `smallest_seen`.
    """
    invalid, metrics = list(pair.invalid), []
    if not pair.deciding:
        invalid.append("no metric was to decide")
    for metric in dict.fromkeys([*pair.deciding, *pair.values]):
        decides = metric in pair.deciding
        base, head = pair.values.get(metric, ([], []))
        judged = Judged(metric=metric, decides=decides, tolerance=pair.tolerance(metric), base=[], head=[])
        trouble = "" if len(base) >= fewest else f"is known in {plural(len(base), 'block')}; {fewest} are the fewest"
        try:
            ratios = log_ratios(base, head)
        except ValueError as error:
            trouble = str(error)
        else:
            judged.base, judged.head = [*base], [*head]
            _test(judged, ratios, alpha, family if decides else 1)
        if decides and trouble:
            invalid.append(f"{wording.name(metric)} {trouble}")
        metrics.append(judged)
    # A head that fails does other work than the base: its times are shown, and say nothing.
    state: State = "REGRESSED" if pair.head_only_errors else "INVALID" if invalid else "INCONCLUSIVE"
    return Comparison(
        name=pair.name,
        base=pair.base,
        head=pair.head,
        blocks=min((len(each.base) for each in metrics if each.decides), default=0),
        state=state,
        reasons=[*pair.head_only_errors, *invalid],
        metrics=metrics,
    )


def _test(judged: Judged, ratios: Floats, alpha: float, family: int) -> None:
    blocks = len(ratios)
    if not blocks:
        return
    judged.change = shown(ratios)
    judged.p_slower = paired.p_not_above(ratios)
    judged.p_faster = paired.p_not_below(ratios, 0.0)
    judged.p_within = paired.p_not_below(ratios, math.log1p(effective(judged.tolerance, judged.base)))
    if blocks > 1:
        judged.smallest_seen = smallest_effect(float(np.std(ratios, ddof=1)), blocks, alpha, family)
