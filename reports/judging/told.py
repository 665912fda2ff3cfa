"""Which backends of a run are told apart: every two of them, block by block, all at once."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Final, Literal

from reports.judging.metrics import LEVEL, TOLERANCES, effective, log_ratios, shown
from reports.record.judgement import Told
from reports.stats import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.format import Trial
    from reports.record.judgement import Tolerance
    from reports.record.model import Interval

METRICS: Final = ("p50_us", "app_cpu_us_per_request")


def told(trials: Sequence[Trial], names: Sequence[str], tolerances: Mapping[str, Tolerance] = TOLERANCES) -> list[Told]:
    """Return for every two of the variants, in the order of `names`, and each of `METRICS` whether they differ.

    Only latency trials count, paired by block, and of a block a variant's last one that is not INVALID. The intervals
    cover all true changes at once with a probability of 95 % (Bonferroni, over as many as are told). Two variants
    differ when theirs excludes zero; they are tied when it lies within the tolerance on both sides; with fewer blocks
    than the level takes, the extremes are shown. A metric that a block lacks, or knows only a lower bound of, is told
    of neither: what is missing is most often what was too bad to be known.
    """
    by_block: dict[str, dict[int, dict[str, float]]] = {}
    for trial in trials:
        if trial.purpose == "latency" and trial.verdict.state != "INVALID":
            for arm in trial.arms:
                if arm.figures is not None:
                    exact = {k: v for k, v in metrics(arm.figures).items() if k not in arm.figures.at_least}
                    by_block.setdefault(arm.variant, {})[trial.block] = exact
    both: dict[tuple[str, str, str], tuple[list[float], list[float]]] = {}
    for a, b in combinations(names, 2):
        of_a, of_b = by_block.get(a, {}), by_block.get(b, {})
        shared = sorted(of_a.keys() & of_b.keys())
        for metric in METRICS:
            if shared and all(of[block].get(metric, 0) > 0 for of in (of_a, of_b) for block in shared):
                both[a, b, metric] = (
                    [of_a[block][metric] for block in shared],
                    [of_b[block][metric] for block in shared],
                )
    alpha = (1 - LEVEL) / 2 / max(len(both), 1)
    found = []
    for (a, b, metric), (of_one, of_other) in both.items():
        change = shown(log_ratios(of_one, of_other), alpha)
        delta = effective(tolerances[metric], of_one) if metric in tolerances else 0.0
        found.append(Told(a=a, b=b, metric=metric, change=change, state=_state(change, delta)))
    return found


def _state(change: Interval, delta: float) -> Literal["differ", "tied", "not told apart", "too few blocks"]:
    if change.level is None:
        return "too few blocks"
    if change.low > 0 or change.high < 0:
        return "differ"
    return "tied" if -math.log1p(delta) < math.log1p(change.low) and change.high < delta else "not told apart"
