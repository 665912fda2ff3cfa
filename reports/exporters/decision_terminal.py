"""The decision in a terminal: what a team chooses by before every table, what the run lacks behind them all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from reports.choice import lacks
from reports.choice.decision import decision
from reports.exporters import grids
from reports.words.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import ConsoleOptions, RenderableType

    from reports.choice.needs import Answer
    from reports.format import Run

_NEED: Final = 21
_STYLES: Final = {"best": "bold green"}


def screen(run: Run) -> Iterable[RenderableType]:
    """Return the first screen, but for what the run lacks."""
    if (found := decision(run)) is None:
        return
    yield Text()
    yield Text(plain(found.question), style="bold")
    if found.trouble:
        yield Text(plain(found.trouble), style="bold yellow")
    if found.answers:
        yield Text()
        yield _answers(found.answers)
    if found.ranges:
        yield Text(plain(found.ranges), style="dim")
    if found.aside:
        yield from _block("No answer to anything:", [each.text for each in found.aside])
    yield from _block("Not to be concluded:", [each.text for each in found.cautions])
    yield Text()


def lacking(run: Run, options: ConsoleOptions) -> Iterable[RenderableType]:
    """Return what the run lacks, with commands that can be copied: broken only where a shell goes on."""
    found = lacks.lacks(run)
    if not found:
        return
    yield Text()
    yield Text("What this run lacks, and what adds it:", style="bold")
    for each in found:
        yield grids.listed([("·", each.what)])
        for line in each.lines(options.max_width - 2):
            # Not padded: behind a backslash no space may come.
            yield Text(f"  {line}", style="dim", no_wrap=True, overflow="fold")


def _answers(answers: Sequence[Answer]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(max_width=_NEED, overflow="fold")
    table.add_column(overflow="fold")
    for each in answers:
        table.add_row(Text(plain(each.need), style="dim"), _said(each))
    return table


def _said(answer: Answer) -> Text:
    """Return an answer with the names in evidence that are the answer."""
    text = Text(plain(answer.said))
    for name in map(plain, answer.best):
        text.highlight_regex(rf"(?<![^ ]){re.escape(name)}(?=[ ,;.]|$)", _STYLES.get(answer.state, "bold"))
    return text


def _block(title: str, lines: Sequence[str]) -> Iterable[RenderableType]:
    if lines:
        yield Text()
        yield Text(title, style="bold")
        yield grids.listed([("·", line) for line in lines])
