"""A regression check, or a comparison, in a terminal: the verdict first, then a row per pair and metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich import box
from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from reports.exporters import audit_terminal, grids
from reports.listings import advice, correctness, sentences, view
from reports.words.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from reports.format import Run
    from reports.listings.sentences import Row
    from reports.record.judgement import Comparison

STYLES: Final = {
    "PASS": "bold green",
    "REGRESSED": "bold red",
    "INCONCLUSIVE": "bold yellow",
    "INVALID": "bold magenta",
}
_HEADS: Final = (
    "", "", "change\n%", "95 %\ninterval\n%", "tolerance\n%", "p", "could\nsee\n%", "base", "head",
)  # fmt: skip
"""Over the columns of `sentences.HEADS`; the last two are left out where the width is short."""
_WORDS: Final = (0, 1)


@dataclass(frozen=True)
class Report:
    """A run that was judged, as a Rich renderable; it asks the console for its width when it is printed."""

    run: Run

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the judgement out for the width at hand."""
        run, judgement = self.run, self.run.judgement
        if judgement is None:
            return
        if versions := sentences.versions(judgement):
            yield Text(plain(versions), style="bold" if judgement.differences else "dim")
        state = (judgement.state, STYLES[judgement.state])
        yield Text.assemble(state, f" · {plain(sentences.headline(judgement, run.comparisons))}")
        if reasons := sentences.reasons(judgement, run.comparisons)[1:]:
            yield grids.listed([("·", each) for each in reasons])
        yield Text()
        yield Text(plain(view.title(run)), style="dim")
        yield Text(plain(sentences.about(run, judgement)), style="dim")
        if (counted := sentences.counts(judgement)) is not None:
            yield Text()
            yield Text(counted.title, style="bold")
            yield grids.laid(counted, console, options)
            yield Text(counted.remark, style="dim")
        yield Changes(run.comparisons, sentences.alpha(judgement), void=sentences.void(judgement))
        if (checked := correctness.listing(run)) is not None:
            yield Text()
            yield Text(checked.title, style="bold")
            yield grids.laid(checked, console, options)
        yield from audit_terminal.audits(run)
        yield Text()
        if said := sentences.beside(run, judgement):
            yield grids.listed([("·", each) for each in said])
        if steps := advice.steps(run, judgement):
            yield grids.listed([("→", step) for step in steps], style="bold")
        yield Text(plain(f"Exit code {judgement.exit_code}."), style="dim")


def comparison_table(comparisons: Sequence[Comparison], *, advisory: str | None) -> RenderableType:
    """Return pairs as a Rich renderable, under the reason why they are only advice, or why there are none."""
    parts: list[RenderableType] = []
    if advisory is not None:
        parts.append(Text(plain(advisory), style="yellow"))
    if comparisons:
        parts.append(Changes(comparisons, sentences.ALPHA))
        parts.append(Text())
        parts += [Text(text) for text in [sentences.floor(comparisons)] if text]
    return Group(*parts)


@dataclass(frozen=True)
class Changes:
    """The metrics of pairs: a line and a table each, their columns under each other."""

    comparisons: Sequence[Comparison]
    level: float
    void: bool = False
    """Whether none of their verdicts counts."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Leave columns out where the width is short."""
        rows = {place: sentences.rows([each], self.level) for place, each in enumerate(self.comparisons)}
        wide = [sentences.cells(row) for group in rows.values() for row in group]
        columns: Sequence[int] = range(len(_HEADS))
        if sum(_widths(wide, columns)) + 2 * len(columns) > options.max_width:
            columns = columns[:-2]
        widths = _widths(wide, columns)
        # Words are broken before a number is.
        left = options.max_width - sum(widths) - 2 * (len(widths) - 1)
        widths[1] = max(widths[1] + min(left, 0), 8)
        for place, each in enumerate(self.comparisons):
            yield Text()
            state = ("not counted", "dim") if self.void else (each.state, STYLES[each.state])
            yield Text.assemble((plain(each.name), "bold"), "  ", state, f"  {sentences.over(each)}")
            if rows[place]:
                yield _table(rows[place], columns, widths, heads=place == 0)
        if any(rows.values()):
            yield Text(sentences.HOW, style="dim")


def _widths(rows: Sequence[Sequence[str]], columns: Sequence[int]) -> list[int]:
    heads = [max(map(len, _HEADS[column].split("\n"))) for column in columns]
    return [
        max([head, *(cell_len(plain(row[column])) for row in rows)])
        for head, column in zip(heads, columns, strict=True)
    ]


def _table(rows: Sequence[Row], columns: Sequence[int], widths: Sequence[int], *, heads: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=heads, padding=(0, 1, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        name, words = Text(_HEADS[column]), column in _WORDS
        table.add_column(name, width=width, justify="left" if words else "right", overflow="fold", vertical="top")
    for row in rows:
        cells = sentences.cells(row)
        style = "bold red" if row.alarming else "" if row.judged.decides else "dim"
        table.add_row(*(Text(plain(cells[column]), style=style) for column in columns))
    return table
