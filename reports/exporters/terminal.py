"""The report in a terminal: one table where it is wide enough, two where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

from reports.exporters import audit_terminal, decision_terminal, grids, judged
from reports.listings import findings, view
from reports.words.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from reports.format import Run

_LATENCY: Final = ("p50", "range", "p95", "p99", "max", "rate")
_COST: Final = ("app_cpu", "store_cpu", "app_rss", "store_rss", "errors")
_HEADS: Final = {column.key: column for column in view.COLUMNS}


@dataclass(frozen=True)
class Report:
    """A run as a Rich renderable; it asks the console for its width when it is printed."""

    run: Run

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the report out for the width at hand."""
        if self.run.judgement is not None:
            yield judged.Report(self.run)
            return
        if view.only_audited(self.run):
            yield audit_terminal.Report(self.run)
            return
        sheet = view.sheet(self.run)
        yield Text(plain(sheet.title), style="bold")
        yield from decision_terminal.screen(self.run)
        for line in sheet.machine:
            yield Text(plain(line), style="dim")
        for table in _figures(sheet.rows, view.columns(self.run), console, options):
            yield Text()
            yield table
        for listing in findings.beside(self.run):
            yield Text()
            yield Text(plain(listing.title), style="bold")
            yield grids.laid(listing, console, options)
            yield Text(plain(listing.remark), style="dim")
        yield from audit_terminal.audits(self.run)
        yield Text()
        yield from _servers(self.run)
        if sheet.footnotes:
            yield grids.listed([(f"[{number}]", note) for number, note in enumerate(sheet.footnotes, 1)])
            yield Text()
        yield grids.listed([("·", remark) for remark in sheet.remarks], style="dim")
        yield from decision_terminal.lacking(self.run, options)


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
            if grids.fits(tables, console, options):
                return tables
    return tables


def _table(rows: Sequence[view.Row], keys: Sequence[str], gap: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0))
    table.add_column("", overflow="fold", max_width=grids.NAME_WIDTH)
    # A column of verdicts is worth its width only when there is something to say.
    shown = [key for key in keys if key != "verdict" or any(row.mark or row.notes for row in rows)]
    for key in shown:
        if key in _HEADS:
            table.add_column(Text(_head(_HEADS[key])), justify="right", no_wrap=True)
        else:
            table.add_column(Text(f"\n\n{key}"), overflow="fold")
    for row in rows:
        table.add_row(grids.cell(row.name), *(_cell(row, key) for key in shown))
    return table


def _head(column: view.Column) -> str:
    """Return a head of three lines, the unit undermost."""
    words = column.head.split()
    return "\n".join([*[""] * (2 - len(words)), *words, column.unit])


def _cell(row: view.Row, key: str) -> Text:
    if key == "verdict":
        notes = "".join(f"[{note}]" for note in row.notes)
        style = "bold red" if row.audit else grids.STYLES.get(row.state, "bold magenta")
        return Text.assemble((row.mark, style), " " if row.mark and notes else "", notes)
    if key == "durability":
        return Text(plain(view.durability(row.variant, short=True)))
    if key == "server":
        return Text(plain(row.server))
    return Text(row.cells[key].text)


def _servers(run: Run) -> Iterable[Table | Text]:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(max_width=grids.NAME_WIDTH, overflow="fold")
    table.add_column(overflow="fold")
    standings = view.standings(run)
    drivers = view.drivers(run)
    for standing in standings:
        server = standing.server
        used = dict.fromkeys(drivers[name] for name in standing.variants if name in drivers)
        facts = [f"{server.label} ({server.source})", f"durability {server.durability}"]
        if used:
            facts.append(f"driver {', '.join(used)}")
        table.add_row(Text(", ").join(map(grids.cell, standing.variants)), Text(plain("; ".join(facts))))
    if standings:
        yield table
        yield Text()
