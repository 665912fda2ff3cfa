"""What each policy costs: variants beside others of the run that differ only in when they read, write or refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.judging.told import METRICS
from reports.listings import crossover, view
from reports.listings.listing import Head, Listing
from reports.words.measures import measure
from reports.words.units import MISSING

if TYPE_CHECKING:
    from reports.format import Run
    from reports.record.model import Interval

POLICIES: Final = ("read", "write", "slide", "conflict")
"""Options that give up or buy a property of the session, and of which each has a default."""


def listing(run: Run) -> Listing | None:
    """Return the price of each policy over the same variant with the defaults, as ratios; None where there is none.

    The ratios are those of `run.told`, paired block by block and told all at once.
    """
    metrics = [metric for metric in METRICS if metric != "p50_us" or view.is_open(run)]
    known = {(each.a, each.b, each.metric): each.change for each in run.told}
    known |= {(each.b, each.a, each.metric): _turned(each.change) for each in run.told}
    names = [variant.name for variant in view.ordered(run)]
    rows, levels = [], set()
    for name in names:
        base = crossover.without(name, POLICIES)
        if base == name or base not in names:
            continue
        found = [known.get((base, name, metric)) for metric in metrics]
        if any(change is not None for change in found):
            levels |= {change.level for change in found if change is not None}
            rows.append([name, base, *(cell for change in found for cell in _cells(change))])
    if not rows:
        return None
    heads = [Head("variant", words=True), Head("over", words=True)]
    for metric in metrics:
        heads += [Head(measure(metric).name, "ratio"), Head("from – to", "ratio")]  # noqa: RUF001 - a range
    interval = "the extremes of the blocks, which are too few for an interval"
    if None not in levels:
        interval = f"{max(level for level in levels if level is not None) * 100:.3g} % intervals, for all pairs at once"
    remark = (
        "So many times what the same variant takes with the default policies, block by block. "
        f"From and to: {interval}. A range that holds 1 tells no difference."
    )
    return Listing("policies", "What each policy costs", heads, rows, remark).without_empty_columns()


def _turned(change: Interval) -> Interval:
    """Return how much more the one takes than the other, from how much more the other takes than the one."""
    estimate, low, high = (1 / (1 + each) - 1 for each in (change.estimate, change.high, change.low))
    return change.model_copy(update={"estimate": estimate, "low": low, "high": high})


def _cells(change: Interval | None) -> list[str]:
    if change is None:
        return [MISSING, MISSING]
    return [f"{1 + change.estimate:.2f}", f"{1 + change.low:.2f} – {1 + change.high:.2f}"]  # noqa: RUF001 - a range
