"""Tables in a terminal: laid out for the width at hand, foreign text made harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich import box
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from reports.listings import matrix
from reports.listings.listing import Struck
from reports.listings.struck import FAILS
from reports.words.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions

    from reports.listings.listing import Listing

NAME_WIDTH: Final = 30
STYLES: Final = {"FAILED": "bold red", "OVERLOADED": "bold red", "SUSPECT": "yellow"}
"""How a verdict on a trial is shown."""


def fits(tables: Sequence[Table], console: Console, options: ConsoleOptions) -> bool:
    """Whether tables need no more than the width, without a line broken."""
    width = options.max_width
    roomy = options.update(width=width * 10)
    return all(Measurement.get(console, roomy, table).maximum <= width for table in tables)


def laid(listing: Listing, console: Console, options: ConsoleOptions) -> Table:
    """Lay out a table, closer together where only that spares its words from being broken; numbers never are."""
    roomy, close = _laid_out(listing, 2), _laid_out(listing, 1)
    crowded = not fits([roomy], console, options)
    return close if crowded and fits([close], console, options) else roomy


def _laid_out(listing: Listing, gap: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0))
    for place, head in enumerate(listing.heads):
        name = Text("" if place == 0 else f"{head.name}\n{head.unit}".rstrip())
        table.add_column(
            name,
            justify="left" if head.words else "right",
            no_wrap=not head.words,
            overflow="fold",
            vertical="top",
            max_width=None if place else NAME_WIDTH,
        )
    for row in listing.rows:
        table.add_row(*map(cell, row))
    return table


def cell(text: str) -> Text:
    """Return a cell: a verdict in its colour; a name struck through, and with a sign where nothing can be struck."""
    if isinstance(text, Struck):
        sign = (f" {matrix.SIGNS['FAIL']}", matrix.STYLES["FAIL"])
        return Text.assemble((plain(text), "strike"), sign)
    style = "bold red" if text.startswith(f"{FAILS} ") or f", {FAILS} " in text else ""
    return Text(plain(text), style=STYLES.get(text, style))


def listed(items: Sequence[tuple[str, str]], style: str = "") -> Table:
    """Return texts, each behind its mark."""
    table = Table.grid(padding=(0, 1, 0, 0))
    for mark, text in items:
        table.add_row(Text(mark, style=style), Text(plain(text), style=style))
    return table
