"""What every block of a judged pair gave: its change, and the values of base and head."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from reports.listings.listing import Head, Listing
from reports.words import units
from reports.words.measures import measure
from reports.words.units import MISSING, Written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.record.judgement import Comparison


def by_block(base: Sequence[float], head: Sequence[float]) -> list[float]:
    """Return the change of every block as a share of the base, which is above zero."""
    return [now / before - 1 for before, now in zip(base, head, strict=True)]


def spreads(comparisons: Sequence[Comparison]) -> Listing:
    """Return the changes of all blocks in a row per pair and metric that decides."""
    heads = [Head("pair", words=True), Head("metric", words=True), Head("s.d.", "%")]
    rows = []
    for each in comparisons:
        for judged in each.metrics:
            if judged.decides and judged.base:
                seen = by_block(judged.base, judged.head)
                spread = statistics.stdev(seen) if len(seen) > 1 else None
                written = MISSING if spread is None else Written(f"{spread * 100:.1f}", spread)
                rows.append([each.name, measure(judged.metric).name, written, " ".join(map(units.change, seen))])
    return Listing("blocks", "Every block", [*heads, Head("each block", "%", words=True)], rows)


def values(comparisons: Sequence[Comparison]) -> Listing:
    """Return base and head of every metric in every block."""
    heads = [Head("pair", words=True), Head("metric", words=True), Head("block"), Head("base"), Head("head")]
    rows = []
    for each in comparisons:
        for judged in each.metrics:
            told = measure(judged.metric)
            pairs = zip(judged.base, judged.head, by_block(judged.base, judged.head), strict=True)
            rows += [
                [
                    each.name, f"{told.name} {told.unit}".strip(), units.number(block),
                    told.write(base), told.write(head), units.change(change),
                ]
                for block, (base, head, change) in enumerate(pairs, 1)
            ]  # fmt: skip
    return Listing("values", "Base and head in every block", [*heads, Head("change", "%")], rows)
