"""The tables of distance: what each series does at each round-trip time, and what the relay saw and cost."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

from reports.listings import crossover, struck, view
from reports.listings.listing import Head, Listing, Struck
from reports.words import units
from reports.words.units import MISSING, Written

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.format import Run
    from reports.record.relayed import Relayed

RELAY_FULL: Final = 0.70
"""Of a core: beyond it the relay may hold up what passes, as a generator that is so busy does."""
LATE_SHARE: Final = 0.10
LATE_US: Final = 100.0
"""A relay that is late by more than this share of the delay shifts the axis; what is below so many µs at p99, the
scheduler does to any process."""


def listing(run: Run) -> Listing | None:
    """Return the figures over distance, and in words where two series cross; None where there is no series."""
    found = crossover.series(run)
    if not found:
        return None
    metrics, out = crossover.metrics(run), struck.checks(run)
    rows = []
    for each in found:
        called = Struck(each.name) if any(point.variant in out for point in each.points) else each.name
        for point in each.points:
            cells = []
            for metric, name in metrics.items():
                figure = point.figures.get(metric)
                middle, span = (MISSING, MISSING) if figure is None else crossover.written(figure, metric)
                cells += [units.at_least(middle, bounded=metric in point.bounds)]
                cells += [span] if name == "throughput" else []
            cells += [crossover.bounds(point.capacity) if point.capacity else MISSING]
            rtt = Written(f"{point.rtt_ms:g}", point.rtt_ms)
            rows.append([called, rtt, "" if point.state == "VALID" else point.state, *cells])
    heads = [Head("series", words=True), Head("rtt", "ms"), Head("verdict", words=True)]
    for metric, name in metrics.items():
        unit = "ms" if metric.endswith("_us") else "/s"
        heads += [Head("answers", unit), Head("range", unit)] if name == "throughput" else [Head(name, unit)]
    heads += [Head("capacity", "/s")]
    exact = all(figure.exact for each in found for point in each.points for figure in point.figures.values())
    ranges = "95 % intervals of the blocks" if exact else "the smallest to the largest block"
    said = [*crossover.sentences(run), f"Ranges are {ranges}."]
    if any(point.capacity for each in found for point in each.points):
        said.append("A capacity lies in its range with 95 % confidence.")
    remark = " ".join([*said, *_own_cost(run)])
    about = [point.variant for each in found for point in each.points]
    return Listing("distances", "What distance costs", heads, rows, remark, about).without_empty_columns()


def _own_cost(run: Run) -> list[str]:
    """Say what the relay costs by itself, as it was measured before the run."""
    if (cost := run.relay_cost) is None:
        return []
    added, direct = (f"{units.us(time)} µs" for time in (cost.added_us, cost.direct_us))
    busy = units.percent(cost.busy_share)
    return [
        f"With no delay the relay adds {added} to a round trip of {direct}.",
        f"It carried {cost.most_per_s:,.0f} of them a second with {busy} of a core.",
    ]


def relay(run: Run) -> Listing | None:
    """Return what the relay between app and store saw, by variant, and whether it stood in the way."""
    rows, notes = [], []
    for variant in view.ordered(run):
        seen = [
            trial.relayed
            for trial in view.latency_trials(run)
            if trial.relayed is not None
            and trial.verdict.state != "INVALID"
            and any(arm.variant == variant.name for arm in trial.arms)
        ]
        if not seen:
            continue
        trips = _median(each.round_trips_per_request for each in seen)
        there = _median(each.to_store_bytes_per_request for each in seen)
        back = _median(each.from_store_bytes_per_request for each in seen)
        late = [_median(getattr(each, f"late_{name}_us") for each in seen) for name in ("p50", "p99")]
        rows.append(
            [
                variant.name, MISSING if trips is None else Written(f"{trips:.2f}", trips),
                *(MISSING if size is None else Written(f"{size:,.0f}", size) for size in (there, back)),
                *(MISSING if time is None else units.us(time) for time in late),
                units.percent(max(each.cpu_share for each in seen)),
            ]
        )  # fmt: skip
        notes += [f"{variant.name}: {note}." for note in _doubts(seen)]
    if not rows:
        return None
    heads = [
        Head("variant", words=True), Head("round trips", "/req"), Head("to store", "B/req"), Head("back", "B/req"),
        Head("late p50", "µs"), Head("late p99", "µs"), Head("CPU", "of a core"),
    ]  # fmt: skip
    remark = [
        "A relay stands between app and store and holds every answer back by the round-trip time.",
        "Medians of the blocks, its CPU the most of any; late is how much longer it held a chunk than it was to.",
        *_own_cost(run),
        *notes,
    ]
    return Listing("relay", "The relay between app and store", heads, rows, " ".join(remark))


def _doubts(seen: list[Relayed]) -> list[str]:
    """Return in which way a relay may have been what was measured."""
    notes = []
    busy = max(each.cpu_share for each in seen)
    if busy > RELAY_FULL:
        notes.append(f"the relay used {units.percent(busy)} of a core and may have held up what passed")
    rtt_us = seen[0].rtt_ms * 1e3
    p50, p99 = (_median(getattr(each, f"late_{name}_us") for each in seen) for name in ("p50", "p99"))
    if p50 is not None and p50 > LATE_SHARE * rtt_us:
        notes.append(f"the relay was late by {units.us(p50)} µs at the median, of a delay of {seen[0].rtt_ms:g} ms")
    elif p99 is not None and p99 > max(LATE_SHARE * rtt_us, LATE_US):
        notes.append(f"the relay was late by {units.us(p99)} µs at p99, of a delay of {seen[0].rtt_ms:g} ms")
    return notes


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
