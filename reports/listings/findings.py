"""What a run found beyond its table: cost over the baseline, capacity, where the mean goes, store operations."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

from reports.format import LAYERS
from reports.listings import (
    apart,
    correctness,
    counts_listing,
    crossover_listing,
    outage_listing,
    policies,
    sizes_listing,
    struck,
    view,
)
from reports.listings.listing import Head, Listing
from reports.words import units
from reports.words.units import MISSING, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reports.format import Capacity, Layer, Run
    from reports.record.model import Interval

COSTS: Final[dict[str, tuple[str, str, Callable[[float], str]]]] = {
    "p50_us": ("p50", "ms", units.ms_apart),
    "app_cpu_us_per_request": ("app CPU", "µs/req", units.us_apart),
}
"""What is told as cost over the baseline: its name, its unit, how it is written."""


def beside(run: Run) -> list[Listing]:
    """Return what stands beside the table, as far as the run has it.

    Which differ, cost over the baseline, what each step takes, capacity, what policies, size and distance cost, what
    faults did, correctness under load; variants that fail their audit struck.
    """
    out = struck.checks(run)
    found = (
        apart.matrix(run), costs(run), counts_listing.listing(run), capacities(run), policies.listing(run),
        sizes_listing.listing(run), crossover_listing.listing(run), *outage_listing.tables(run),
        correctness.listing(run),
    )  # fmt: skip
    return [each.striking(out) for each in found if each is not None]


def inside(run: Run) -> list[Listing]:
    """Return what goes further, as far as the run has it.

    Every two variants, where the mean goes, every step's counts, store operations, the relay, what went on beside the
    sessions of a fault.
    """
    found = (
        apart.pairs(run), layers(run), counts_listing.steps(run), app_loop(run), store_operations(run),
        crossover_listing.relay(run), outage_listing.bystanders(run),
    )  # fmt: skip
    return [each for each in found if each is not None]


def over(run: Run) -> dict[str, dict[str, Interval]]:
    """Return the costs over the baseline by variant and metric, of variants that have some.

    In closed load latency is no cost: every variant fills its app, and the slower one is asked less often.
    """
    told = [metric for metric in COSTS if metric != "p50_us" or view.is_open(run)]
    summaries = {summary.variant: summary.over_baseline for summary in run.summaries}
    found = {}
    for variant in view.ordered(run):
        known = summaries.get(variant.name, {})
        if costs := {metric: known[metric] for metric in told if metric in known}:
            found[variant.name] = costs
    return found


def costs(run: Run) -> Listing | None:
    """Return what each variant costs over the baseline, with its intervals."""
    found, base = over(run), run.baseline
    if not found or base is None:
        return None
    marks = {row.variant.name: row.mark for row in view.sheet(run).rows}
    rows = []
    for name, by_metric in found.items():
        cells = []
        for metric, (_, _, write) in COSTS.items():
            interval = by_metric.get(metric)
            cells += [units.signed(interval.estimate, write), span(interval, write)] if interval else [MISSING] * 2
        kind = dict.fromkeys(map(_kind, by_metric.values()))
        rows.append([name, marks[name], *cells, "; ".join(kind)])
    heads = [Head("variant", words=True), Head("verdict", words=True)]
    for name, unit, _ in COSTS.values():
        heads += [Head(name, unit), Head("from – to", unit)]  # noqa: RUF001 - the dash of ranges
    remark = (
        f"What a variant adds to {base}, the same app without a store behind its sessions: the middle "
        "(Hodges-Lehmann) of the differences block by block."
    )
    kinds = {row[-1] for row in rows}
    if len(kinds) == 1:
        remark += f" From and to: {kinds.pop()}."
        rows = [[*row[:-1], ""] for row in rows]
    levels = [interval.level for by_metric in found.values() for interval in by_metric.values()]
    if None in levels:
        remark += " So few blocks bear no interval."
    if any(levels):
        remark += " The intervals of a metric hold for all variants at once."
        if apart.tellable(run):
            remark += " Which variants differ is asked of all pairs and metrics at once, which tells fewer apart."
    title = f"Cost over {base}"
    return Listing("costs", title, [*heads, Head("interval", words=True)], rows, remark).without_empty_columns()


def span(interval: Interval, write: Callable[[float], str]) -> str:
    """Return the ends of an interval."""
    return units.span(interval.low, interval.high, lambda value: units.signed(value, write))


def _kind(interval: Interval) -> str:
    level = "extremes" if interval.level is None else f"{interval.level * 100:.3g} % interval"
    return f"{level} of {plural(interval.blocks, 'block')}"


def capacities(run: Run) -> Listing | None:
    """Return the capacities that were searched for."""
    if not run.capacities:
        return None
    heads = [
        Head("variant", words=True), Head("from", "arrivals/s"), Head("to", "arrivals/s"),
        Head("limit", words=True), Head("why", words=True), Head("trials"),
    ]  # fmt: skip
    by_name = {capacity.variant: capacity for capacity in run.capacities}
    rows = [
        [
            each.variant, _rate(each.lower_per_s), _rate(each.upper_per_s), each.limit, each.why,
            units.count(len(each.trials)),
        ]
        for variant in view.ordered(run)
        if (each := by_name.get(variant.name)) is not None
    ]  # fmt: skip
    objective = f"keeps {run.plan.objective.text}" if run.plan.objective else "sustains it"
    remark = (
        f"Capacity is the highest open rate at which a variant {objective}. With 95 % confidence it lies between from "
        "and to, by all trials of its search together. Why: the lowest rate at which a trial missed that with "
        "something full; it may lie below from."
    )
    if any(MISSING in row[1:3] for row in rows):
        remark += " A dash: nothing was shown to be carried, or not to be."
    return Listing("capacities", "Capacity", heads, rows, remark)


def bounds(capacity: Capacity) -> str:
    """Return where a capacity lies, in a few characters."""
    lower, upper = capacity.lower_per_s, capacity.upper_per_s
    if lower is None:
        return units.Written(f"< {_rate(upper)} /s", upper) if upper is not None else MISSING
    if upper is None:
        return units.Written(f"{units.AT_LEAST} {_rate(lower)} /s", lower)
    return units.Written(f"{_rate(lower)}–{_rate(upper)} /s", lower, upper)  # noqa: RUF001 - a range


def _rate(value: float | None) -> str:
    return MISSING if value is None else units.per_second(value)


def mean_parts(run: Run, name: str) -> dict[Layer, float]:
    """Return where a variant's mean response goes, in µs, so that the parts add up to it; empty if nobody knows.

    Parts are medians over the blocks. Medians do not add up by themselves: what they leave to the median of the
    means, or take too much, is put to what is unattributed anyway, but that is never below zero.
    """
    seen = [figures.layers_us for _, figures in view.measured(run, name) if figures.layers_us]
    if not seen:
        return {}
    parts: dict[Layer, float] = {
        layer: statistics.median(each.get(layer, 0.0) for each in seen)
        for layer in LAYERS
        if layer != "unattributed" and any(layer in each for each in seen)
    }
    mean = statistics.median(sum(each.values()) for each in seen)
    parts["unattributed"] = max(mean - sum(parts.values()), 0.0)
    return parts


def layers(run: Run) -> Listing | None:
    """Return where the mean response of every variant goes."""
    rows = []
    for variant in view.ordered(run):
        if parts := mean_parts(run, variant.name):
            known = [units.ms(parts[layer]) if layer in parts else MISSING for layer in LAYERS]
            rows.append([variant.name, *known, units.ms(sum(parts.values()))])
    if not rows:
        return None
    remark = (
        "Means, which add up as percentiles do not; medians over the blocks. client: all that is outside the app, from "
        "waiting for a user to the loopback; framework: the app without its sessions; session: the middleware without "
        "its store; store: round trips to the store; unattributed: the rest."
    )
    heads = [Head("variant", words=True), *(Head(layer, "ms") for layer in LAYERS), Head("mean", "ms")]
    return Listing("mean-parts", "Where the mean response goes", heads, rows, remark)


def app_loop(run: Run) -> Listing | None:
    """Return how late the apps' event loops woke."""
    rows = []
    for variant in view.ordered(run):
        trials = [figures for _, figures in view.measured(run, variant.name)]
        times = [_median(getattr(each, f"app_loop_lag_{name}_us") for each in trials) for name in ("p50", "p99")]
        if any(time is not None for time in times):
            rows.append([variant.name, *(MISSING if time is None else units.ms(time) for time in times)])
    if not rows:
        return None
    remark = "How late the app's event loop woke, in buckets 9 % wide; medians over the blocks."
    heads = [Head("variant", words=True), Head("p50", "ms"), Head("p99", "ms")]
    return Listing("app-loop", "Event-loop lag of the app", heads, rows, remark)


def store_operations(run: Run) -> Listing | None:
    """Return the store operations of every variant, as the app saw them."""
    rows = []
    for variant in view.ordered(run):
        trials = [figures.store_ops for _, figures in view.measured(run, variant.name)]
        for name in dict.fromkeys(name for each in trials for name in each):
            seen = [each[name] for each in trials if name in each]
            count, failed = sum(each.count for each in seen), sum(each.failed for each in seen)
            times = [_median(getattr(each, f"{key}_us") for each in seen) for key in ("mean", "p50", "p99")]
            rows.append(
                [
                    variant.name,
                    name,
                    units.count(count),
                    units.count(failed),
                    *(units.us(time) if time is not None else MISSING for time in times),
                ]
            )
    if not rows:
        return None
    heads = [
        Head("variant", words=True), Head("operation", words=True), Head("count"), Head("failed"),
        Head("mean", "µs"), Head("p50", "µs"), Head("p99", "µs"),
    ]  # fmt: skip
    remark = (
        "As the app saw them, driver and round trip included: counts of all blocks, medians of the blocks' times, "
        "percentiles in buckets 9 % wide."
    )
    return Listing("store-operations", "Store operations", heads, rows, remark)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
