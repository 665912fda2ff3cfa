"""Audits in a terminal: the matrix with its legend, then what was found; and the report of a run that is only that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.columns import Columns
from rich.table import Table
from rich.text import Text

from reports.exporters import grids
from reports.listings import matrix, struck, view
from reports.words.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from reports.format import Run
    from reports.listings.matrix import Matrix, Said


@dataclass(frozen=True)
class Report:
    """A run that is only an audit, as a Rich renderable."""

    run: Run

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Say what the audit came to, and on what it was made."""
        del console, options
        yield Text.assemble((plain(view.title(self.run)), "bold"), f": {plain(matrix.headline(self.run))}.")
        for line in view.machine(self.run):
            yield Text(plain(line), style="dim")
        yield from audits(self.run)
        if missing := matrix.missing(self.run):
            yield Text()
            yield grids.listed([("!", f"{name} could not be audited: {error}") for name, error in missing])
        if struck.checks(self.run):
            yield Text()
            yield grids.listed([("·", struck.WHY)], style="dim")


def audits(run: Run) -> Iterator[RenderableType]:
    """Yield the matrix and what stands under it; nothing where nothing was audited."""
    found = matrix.matrix(run)
    if found is None:
        return
    yield Text()
    yield Text(found.title, style="bold")
    if found.checks:
        yield _table(found)
        yield _legend(found)
        yield Columns([Text(plain(name), style="dim") for name in found.names], padding=(0, 2), column_first=True)
    if found.quick:
        yield Text(plain(found.quick), style="dim")
    for said in found.said:
        yield Text()
        yield from _said(said)


def _table(found: Matrix) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("", overflow="fold", max_width=grids.NAME_WIDTH)
    for number in found.checks:
        table.add_column(Text(str(number)), justify="right", no_wrap=True)
    for line in found.lines:
        states = [line.state(number) for number in found.checks]
        signs = (Text(matrix.SIGNS.get(state, ""), style=matrix.STYLES.get(state, "")) for state in states)
        table.add_row(grids.cell(line.name), *signs)
    return table


def _legend(found: Matrix) -> Text:
    parts: list[str | tuple[str, str]] = []
    for sign, state, _ in found.legend:
        parts += [(sign, matrix.STYLES.get(state, "")), f" {state or 'not made'}   "]
    return Text.assemble(*parts)


def _said(said: Said) -> Iterator[RenderableType]:
    names = Text(", ").join(grids.cell(name) for name in said.names)
    if said.items[0].state == "PASS":
        yield Text.assemble(names, f": {said.items[0].label} ", ("PASS", matrix.STYLES["PASS"]))
        return
    yield names
    table = Table.grid(padding=(0, 1, 0, 0))
    for item in said.items:
        style = matrix.STYLES.get(item.state, matrix.STYLES["FAIL"])
        text = f"{item.label}: {item.text}" if item.text else item.label
        table.add_row("", Text(item.state, style=style), Text(plain(text)))
    yield table
