"""Two runs side by side, before anybody lays it out: what parts them, then both in multiples of what keeps nothing.

The answer is that of `judging.compared`: where it refuses to compute a difference, none is computed here either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.judging.compared import measured
from reports.judging.history import METRICS as SHOWN
from reports.judging.history import multiples
from reports.listings.history_listing import TIMES, told
from reports.listings.listing import Head, Listing
from reports.words import units
from reports.words.text import plain
from reports.words.units import MISSING, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reports.format import Run, Spread
    from reports.judging.compared import Across
    from reports.judging.fingerprint import Difference

ADVISORY: Final = "ADVISORY: this is never a gate."
REFUSED: Final = "REFUSED: no difference is computed."
NO_GATE: Final = (
    "Two runs are of two days: each variant is seen against what keeps nothing in the same block, which takes most of "
    "the day out of it, but not all. There is no interval, since the blocks of one run say nothing of how days differ. "
    "A verdict takes both in one run: session-bench run for variants, session-bench regress for revisions."
)
_RANGES: Final = "Medians of the blocks, with the smallest and the largest."


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs."""

    letter: str
    folder: str
    run: Run

    @property
    def line(self) -> str:
        """Which run it is: A, its folder, its day, its blocks."""
        began = self.run.started_at[:16].replace("T", " ")
        return f"{self.letter}  {self.folder}, {began}, {units.plural(self.run.plan.blocks, 'block')}"


@dataclass(frozen=True, slots=True)
class SideBySide:
    """What two runs and the answer on them say."""

    answer: Across
    sides: tuple[Side, Side]

    @property
    def title(self) -> str:
        """The answer in a line."""
        a, b = (plain(side.folder) for side in self.sides)
        return f"{'Refused' if self.answer.kind == 'refused' else 'Advisory'}: {b} beside {a}"

    @property
    def head(self) -> str:
        """The answer in a word, and that it is no gate."""
        return REFUSED if self.answer.kind == "refused" else ADVISORY

    @property
    def reasons(self) -> Sequence[str]:
        """Why it was refused, or why it is no more than advice."""
        return self.answer.reasons or [NO_GATE]

    def parting(self) -> list[Listing]:
        """Return in what the runs differ: what forbids to compare them, then what only must be known."""
        forbids = facts(self.answer.differences, "forbids", "What forbids it")
        beside = facts(self.answer.beside, "beside", "What differs besides, and does not forbid it")
        return [each for each in (forbids, beside) if each.rows]

    def found(self) -> Listing:
        """Return what changed; where that may not be computed, both as they were measured."""
        return both(self.answer) if self.answer.kind == "refused" else changes(self.answer)

    def tables(self) -> list[Listing]:
        """Return every table, in the order of a page."""
        found = self.found()
        return [*self.parting(), *([found] if found.rows else []), *map(multiples_of, self.sides)]


def facts(differences: Sequence[Difference], key: str, title: str) -> Listing:
    """Return facts in which two runs differ, with both values."""
    heads = [Head("what", words=True), Head("A", words=True), Head("B", words=True)]
    return Listing(key, title, heads, [[each.what, each.a, each.b] for each in differences])


def both(answer: Across) -> Listing:
    """Return both runs' figures as they were measured, and no difference."""
    heads = [Head("variant", words=True), Head("metric", words=True), Head("A"), Head("B")]
    rows = []
    for row in answer.rows:
        measure = told(row.metric)
        cells = [MISSING if each is None else span(each, measure.write) for each in (row.a, row.b)]
        rows.append([row.variant, f"{measure.name} {measure.unit}", *cells])
    return Listing("both", "Both as they were measured", heads, rows, _RANGES)


def changes(answer: Across) -> Listing:
    """Return both runs' multiples of the baseline, and by how much they differ."""
    heads = [Head("variant", words=True), Head("metric", words=True), Head("A"), Head("B"), Head("change", "%")]
    rows = []
    for row in answer.rows:
        cells = [MISSING if each is None else span(each, units.significant) for each in (row.a_over, row.b_over)]
        change = MISSING if row.change is None else units.change(row.change)
        rows.append([row.variant, told(row.metric).name, *cells, change])
    return Listing("changes", f"In multiples of {answer.baseline} in the same block", heads, rows, _RANGES)


def span(spread: Spread, write: Callable[[float], str]) -> str:
    """Return a median with its range."""
    if spread.trials == 1:
        return write(spread.median)
    reach = units.span(spread.min, spread.max, write, "–")  # noqa: RUF001 - a range
    return Written(f"{write(spread.median)} ({reach})", spread.median)


def multiples_of(side: Side) -> Listing:
    """Return one run's table by itself: each variant's medians, and in multiples of its own baseline."""
    run, base = side.run, side.run.baseline
    heads = [Head("variant", words=True)]
    for metric in SHOWN:
        heads += [Head(told(metric).name, told(metric).unit), *([Head(told(metric).name, TIMES)] if base else [])]
    seen = {variant.name: measured(run, variant.name) for variant in run.variants}
    rows = []
    for name, own in seen.items():
        cells = [name]
        for metric in SHOWN:
            value = own.spread(metric)
            cells.append(MISSING if value is None else told(metric).write(value.median))
            if base is not None:
                over = None if name == base else multiples(own, seen[base], metric)
                cells.append(MISSING if over is None else units.significant(over.estimate))
        if any(cell != MISSING for cell in cells[1:]):
            rows.append(cells)
    also = f"; {TIMES}: the middle of the multiples of {base} in the same block" if base else ""
    remark = f"Medians of the blocks{also}."
    letter = side.letter.lower()
    return Listing(f"run-{letter}", f"{side.letter} by itself", heads, rows, remark).without_empty_columns()
