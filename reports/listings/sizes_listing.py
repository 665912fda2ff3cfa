"""The table of payload sizes: the median of reads, or what was sent most, at every size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.listings import sizes
from reports.listings.listing import Head, Listing
from reports.words import units
from reports.words.units import MISSING

if TYPE_CHECKING:
    from reports.format import Run

REFUSED: Final = "no"
"""A word for a 413 that leaves eight sizes and a long name room in 80 columns."""


def listing(run: Run) -> Listing | None:
    """Return the p50 of the commonest request at every size, a row per variant; None where sizes were not tried."""
    steps, found = sizes.steps(run), sizes.points(run)
    if not steps:
        return None
    step, tried = steps[0], sorted({point.payload_bytes for line in found.values() for point in line})
    rows = []
    for name, line in found.items():
        at = {point.payload_bytes: point for point in line}
        state = line[0].state
        rows.append([name, "" if state == "VALID" else state, *(_cell(at.get(size), step) for size in tried)])
    cells = {cell for row in rows for cell in row[2:]}
    heads = [Head("variant", words=True), Head("verdict", words=True)]
    if not any(verdict for _, verdict, *_ in rows):
        # A size of which nothing is known keeps its column.
        heads, rows = heads[:1], [[name, *known] for name, _, *known in rows]
    for size in tried:
        name, _, unit = units.size(size).partition(" ")
        heads.append(Head(name, unit))
    remark = [
        f"p50 of {step} in ms by the session's payload, medians of the blocks.",
        *sizes.sentences(run),
        *([f'Where sessions are refused, it says "{REFUSED}".'] if REFUSED in cells else []),
        "sizes.csv has every other request by its size.",
    ]
    return Listing("payloads", "What a session's size costs", heads, rows, " ".join(remark))


def _cell(point: sizes.Point | None, step: str) -> str:
    if point is None:
        return MISSING
    if step in point.times:
        return units.at_least(units.ms(point.times[step].median), bounded=step in point.bounds)
    return REFUSED if point.refused and not point.kept else MISSING
