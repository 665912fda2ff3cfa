"""The shape of every table but the first: heads, rows and a remark, which each exporter lays out its own way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reports.words.units import MISSING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class Struck(str):
    """A variant's name that is to be struck through: its audit takes it out of the choice."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Head:
    """A column: its name, its unit, and whether it holds words, which are set flush left and may be broken."""

    name: str
    unit: str = ""
    words: bool = False

    @property
    def text(self) -> str:
        """Name and unit in a line."""
        return f"{self.name} {self.unit}".strip()


@dataclass(frozen=True, slots=True)
class Listing:
    """A table of texts; the first cell of a row names what it is about."""

    key: str
    title: str
    heads: Sequence[Head]
    rows: Sequence[Sequence[str]]
    remark: str = ""
    about: Sequence[str] = ()
    """The variant that each row is about, where no column names it."""

    def striking(self, names: Collection[str]) -> Listing:
        """Strike these variants through, wherever a column names variants."""
        places = {place for place, head in enumerate(self.heads) if head.name in {"variant", "over"}}
        rows = [
            [Struck(cell) if place in places and cell in names else cell for place, cell in enumerate(row)]
            for row in self.rows
        ]
        return replace(self, rows=rows)

    def without_empty_columns(self) -> Listing:
        """Leave out what no row has anything in: only what a run holds is shown."""
        kept = [place for place in range(len(self.heads)) if any(row[place] not in {"", MISSING} for row in self.rows)]
        rows = [[row[place] for place in kept] for row in self.rows]
        return replace(self, heads=[self.heads[place] for place in kept], rows=rows)
