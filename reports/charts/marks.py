"""What a drawn mark stands for: whose it is, its figure with unit and interval, told to whoever points at it."""

from __future__ import annotations

from dataclasses import dataclass

from reports.listings.listing import Head, Listing
from reports.words.units import MISSING


@dataclass(frozen=True, slots=True)
class Mark:
    """A figure in a chart, as it is written."""

    variant: str
    what: str
    figure: str
    """Without its unit; `Written` where it is to be found in the data."""
    unit: str
    reach: str = ""
    """What it ranges over, such as "1.20 – 1.31", in the same unit."""  # noqa: RUF001 - a range
    note: str = ""
    """What else is to be said of it, such as a verdict."""

    @property
    def told(self) -> str:
        """All of it in a line."""
        said = f"{self.variant}, {self.what}: {self.figure} {self.unit}".rstrip()
        reach = f" ({self.reach})" if self.reach else ""
        return f"{said}{reach}{f', {self.note}' if self.note else ''}"


def listing(chart: str, title: str, marks: list[Mark]) -> Listing:
    """Return the marks of a chart as a table, for those who cannot see it or want the figures."""
    rows = [[each.variant, each.what, each.figure, each.unit, each.reach or MISSING, each.note] for each in marks]
    heads = [
        Head("variant", words=True), Head("what", words=True), Head("figure"), Head("unit", words=True),
        Head("from – to"), Head("note", words=True),  # noqa: RUF001 - a range
    ]  # fmt: skip
    return Listing(f"{chart}-data", f"Figures: {title}", heads, rows).without_empty_columns()
