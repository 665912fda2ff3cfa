"""The report in a terminal: one table where it is wide enough, two where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

from rich import box
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from reports import findings, view
from reports.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from reports.format import Run
    from reports.listings import Listing

_NAME_WIDTH: Final = 30
_LATENCY: Final = ("p50", "range", "p95", "p99", "max", "rate")
_COST: Final = ("app_cpu", "store_cpu", "app_rss", "store_rss", "errors")
_STYLES: Final = {"FAILED": "bold red", "OVERLOADED": "bold red", "SUSPECT": "yellow"}
_HEADS: Final = {column.key: column for column in view.COLUMNS}


@dataclass(frozen=True)
class Report:
    """A run as a Rich renderable; it asks the console for its width when it is printed."""

    run: Run

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the report out for the width at hand."""
        sheet = view.sheet(self.run)
        yield Text(plain(sheet.title), style="bold")
        for line in sheet.machine:
            yield Text(plain(line), style="dim")
        for table in _figures(sheet.rows, view.columns(self.run), console, options):
            yield Text()
            yield table
        for listing in findings.beside(self.run):
            yield Text()
            yield Text(plain(listing.title), style="bold")
            yield _listing(listing, console, options)
            yield Text(plain(listing.remark), style="dim")
        yield Text()
        yield from _servers(self.run)
        if sheet.footnotes:
            yield _listed([(f"[{number}]", note) for number, note in enumerate(sheet.footnotes, 1)])
            yield Text()
        yield _listed([("·", remark) for remark in sheet.remarks], style="dim")


def _figures(
    rows: Sequence[view.Row], columns: Sequence[view.Column], console: Console, options: ConsoleOptions
) -> list[Table]:
    """Return the first of the layouts that fits without breaking a line, or the narrowest."""
    keys = {column.key for column in columns}
    latency, cost = ([key for key in group if key in keys] for group in (_LATENCY, _COST))
    everything = ["verdict", *latency, *cost, "durability"]
    one_table = [[[*everything, "server"]], [everything]]
    two_tables = [[["verdict", *latency], [*cost, "durability"]]]
    tables: list[Table] = []
    for layouts in (one_table, two_tables):
        for gap, parts in product((2, 1), layouts):
            tables = [_table(rows, part, gap) for part in parts]
            if _fits(tables, console, options):
                return tables
    return tables


def _fits(tables: Sequence[Table], console: Console, options: ConsoleOptions) -> bool:
    width = options.max_width
    roomy = options.update(width=width * 10)
    return all(Measurement.get(console, roomy, table).maximum <= width for table in tables)


def _table(rows: Sequence[view.Row], keys: Sequence[str], gap: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0))
    table.add_column("", overflow="fold", max_width=_NAME_WIDTH)
    # A column of verdicts is worth its width only when there is something to say.
    shown = [key for key in keys if key != "verdict" or any(row.mark or row.notes for row in rows)]
    for key in shown:
        if key in _HEADS:
            table.add_column(Text(_head(_HEADS[key])), justify="right", no_wrap=True)
        else:
            table.add_column(Text(f"\n\n{key}"), overflow="fold")
    for row in rows:
        table.add_row(Text(plain(row.variant.name)), *(_cell(row, key) for key in shown))
    return table


def _head(column: view.Column) -> str:
    """Return a head of three lines, the unit undermost."""
    words = column.head.split()
    return "\n".join([*[""] * (2 - len(words)), *words, column.unit])


def _cell(row: view.Row, key: str) -> Text:
    if key == "verdict":
        notes = "".join(f"[{note}]" for note in row.notes)
        return Text.assemble(
            (row.mark, _STYLES.get(row.state, "bold magenta")), " " if row.mark and notes else "", notes
        )
    if key == "durability":
        return Text(plain(view.durability(row.variant, short=True)))
    if key == "server":
        return Text(plain(row.server))
    return Text(row.cells[key].text)


def _listing(listing: Listing, console: Console, options: ConsoleOptions) -> Table:
    """Lay out a table, closer together where only that spares its words from being broken; numbers never are."""
    roomy, close = _laid_out(listing, 2), _laid_out(listing, 1)
    crowded = not _fits([roomy], console, options)
    return close if crowded and _fits([close], console, options) else roomy


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
            max_width=None if place else _NAME_WIDTH,
        )
    for row in listing.rows:
        table.add_row(*(Text(plain(cell), style=_STYLES.get(cell, "")) for cell in row))
    return table


def _servers(run: Run) -> Iterable[Table | Text]:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(max_width=_NAME_WIDTH, overflow="fold")
    table.add_column(overflow="fold")
    standings = view.standings(run)
    drivers = view.drivers(run)
    for standing in standings:
        server = standing.server
        used = dict.fromkeys(drivers[name] for name in standing.variants if name in drivers)
        facts = [f"{server.label} ({server.source})", f"durability {server.durability}"]
        if used:
            facts.append(f"driver {', '.join(used)}")
        table.add_row(Text(plain(", ".join(standing.variants))), Text(plain("; ".join(facts))))
    if standings:
        yield table
        yield Text()


def _listed(items: Sequence[tuple[str, str]], style: str = "") -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    for mark, text in items:
        table.add_row(Text(mark, style=style), Text(plain(text), style=style))
    return table
