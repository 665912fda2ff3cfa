"""What is not the subject's: an A/A pair spread over the run, and a generator that was later for one arm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from reports.judging import paired
from reports.judging.metrics import Pair, effective, log_ratios, measured
from reports.words import wording
from reports.words.units import plural, us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.record.judgement import Comparison, Tolerance

FEWEST_BLOCKS: Final = 8
"""With fewer, no two-sided p is below the limit."""
P_LIMIT: Final = 0.01
LAG_SHARE: Final = 1 / 3
"""Of what is tolerated in a metric, the arms' dispatch lags may lie so much apart."""


def sentinel(pair: Pair) -> Comparison:
    """Judge an A/A pair: PASS in range, INVALID out of it, INCONCLUSIVE where it has too few blocks to tell."""
    comparison = measured(pair, fewest=FEWEST_BLOCKS, alpha=P_LIMIT / 2, family=1)
    if out := sentinel_out(pair):
        comparison.state, comparison.reasons = "INVALID", [out]
    else:
        comparison.state = "INCONCLUSIVE" if comparison.reasons else "PASS"
    return comparison


def sentinel_out(pair: Pair) -> str | None:
    """Return in words why an A/A pair is out of range: a change beyond doubt that is more than its tolerance."""
    if troubles := [*pair.invalid, *pair.head_only_errors]:
        return f"the sentinel came to nothing: {'; '.join(troubles)}"
    for metric in pair.deciding:
        base, head = pair.values.get(metric, ([], []))
        try:
            ratios = log_ratios(base, head)
        except ValueError as error:
            return f"the sentinel came to nothing: {wording.name(metric)} {error}"
        if not len(ratios):
            continue
        change, limit = math.expm1(paired.estimate(ratios)), effective(pair.tolerance(metric), base)
        p = min(1.0, 2 * min(paired.p_not_above(ratios), paired.p_not_below(ratios, 0.0)))
        if p < P_LIMIT and abs(change) > limit:
            return (
                f"two arms of the same code lie {wording.share(change)} apart in {wording.name(metric)} over "
                f"{plural(len(ratios), 'block')} (limit {wording.tolerance(limit)}, p = {p:.1g}): something else than "
                "the code slows one arm down"
            )
    return None


def lag_apart(
    base_lags_us: Sequence[float], head_lags_us: Sequence[float], tolerance: Tolerance, base_us: Sequence[float]
) -> str | None:
    """Return in words that the generator was later for one arm than for the other, by more than may be.

    The lags are the median dispatch lags of each block, `base_us` the base's response times, one a block; what may be
    is a third of what is tolerated. None also where nothing is known.
    """
    if not (len(base_lags_us) and len(head_lags_us) and len(base_us)):
        return None
    base, head, typical = (float(np.median(each)) for each in (base_lags_us, head_lags_us, base_us))
    if not typical > 0:
        return None
    limit = LAG_SHARE * effective(tolerance, base_us) * typical
    if abs(head - base) <= limit:
        return None
    return (
        f"the generator was late by {us(base)} µs for the base and by {us(head)} µs for the head, as medians of "
        f"blocks (they may lie {us(limit)} µs apart): the arms were not loaded alike"
    )
