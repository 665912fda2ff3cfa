"""The report in Markdown (GitHub's), for issues, wikis and pull requests."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from reports.exporters import audit_markdown, decision_markdown
from reports.exporters.fitted import fitted
from reports.exporters.markdown_tables import listing, servers, table
from reports.listings import findings, view
from reports.words.text import markdown as escaped
from reports.words.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.format import Run


_WIDE: Final = 400
"""Pixels of 300 points, which a chart is wide; its PNG has twice as many."""


def render(run: Run, charts: Sequence[tuple[str, str]] = ()) -> str:
    """Return the report; `charts` are titles and paths of pictures, relative to where the text will lie."""
    sheet = view.sheet(run)
    parts = [
        f"# {escaped(sheet.title)}",
        *decision_markdown.lead(run),
        "Where it was measured:",
        "\n".join(f"- {escaped(line)}" for line in [f"Recorded {run.started_at}", *sheet.machine]),
        _figures(sheet, view.columns(run)),
    ]
    if sheet.footnotes:
        parts.append("\n".join(f"{number}. {escaped(note)}" for number, note in enumerate(sheet.footnotes, 1)))
    parts.append("\n".join(f"- {escaped(remark)}" for remark in sheet.remarks))
    for each in findings.beside(run):
        parts += [f"## {escaped(each.title)}", listing(each), escaped(each.remark)]
    parts += audit_markdown.audits(run)
    if standings := view.standings(run):
        parts += ["## Servers", servers(standings, view.drivers(run))]
    parts += decision_markdown.lacking(run)
    if charts:
        parts.append("## Charts")
        parts.extend(_picture(title, path) for title, path in charts)
    return fitted("\n\n".join(parts) + "\n", "index.html beside this file has all of it, and so have the CSV files")


def _picture(title: str, path: str) -> str:
    """Return a picture as wide as its letters are as large as the text's, for which Markdown itself has no word."""
    return f'<img src="{path}" width="{_WIDE}" alt="{html.escape(plain(title))}">'


def _figures(sheet: view.Sheet, columns: Sequence[view.Column]) -> str:
    return table(
        [
            "variant",
            "verdict",
            *(f"{column.head} {column.unit}".strip() for column in columns),
            "durability",
            "server",
        ],
        (
            [
                row.name,
                " ".join([row.verdict, *(f"({note})" for note in row.notes)]),
                *(row.cells[column.key].text for column in columns),
                view.durability(row.variant),
                row.server,
            ]
            for row in sheet.rows
        ),
        numbers=range(2, 2 + len(columns)),
    )
