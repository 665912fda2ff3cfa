"""The report in Markdown (GitHub's), for issues, wikis and pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports import findings, view
from reports.text import markdown as escaped
from reports.units import MISSING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from reports.format import Run
    from reports.listings import Listing


def render(run: Run, charts: Sequence[tuple[str, str]] = ()) -> str:
    """Return the report; `charts` are titles and paths of pictures, relative to where the text will lie."""
    sheet = view.sheet(run)
    parts = [
        f"# {escaped(sheet.title)}",
        "\n".join(f"- {escaped(line)}" for line in [f"Recorded {run.started_at}", *sheet.machine]),
        _figures(sheet, view.columns(run)),
    ]
    if sheet.footnotes:
        parts.append("\n".join(f"{number}. {escaped(note)}" for number, note in enumerate(sheet.footnotes, 1)))
    parts.append("\n".join(f"- {escaped(remark)}" for remark in sheet.remarks))
    for each in findings.beside(run):
        parts += [f"## {escaped(each.title)}", listing(each), escaped(each.remark)]
    if standings := view.standings(run):
        parts += ["## Servers", _servers(standings, view.drivers(run))]
    if charts:
        parts.append("## Charts")
        parts.extend(f"![{escaped(title)}]({path})" for title, path in charts)
    return "\n\n".join(parts) + "\n"


def _figures(sheet: view.Sheet, columns: Sequence[view.Column]) -> str:
    return _table(
        [
            "variant",
            "verdict",
            *(f"{column.head} {column.unit}".strip() for column in columns),
            "durability",
            "server",
        ],
        (
            [
                row.variant.name,
                " ".join([row.state, *(f"({note})" for note in row.notes)]),
                *(row.cells[column.key].text for column in columns),
                view.durability(row.variant),
                row.server,
            ]
            for row in sheet.rows
        ),
        numbers=range(2, 2 + len(columns)),
    )


def listing(each: Listing) -> str:
    """Return a table without its title and remark."""
    numbers = [place for place, head in enumerate(each.heads) if not head.words]
    return _table([head.text for head in each.heads], each.rows, numbers=numbers)


def _servers(standings: Sequence[view.Standing], drivers: Mapping[str, str]) -> str:
    return _table(
        ["variants", "server", "from", "durability", "settings", "driver"],
        (
            [
                ", ".join(each.variants),
                each.server.label,
                each.server.source,
                each.server.durability,
                ", ".join(f"{name}={value}" for name, value in each.server.settings.items()) or MISSING,
                ", ".join(dict.fromkeys(drivers[name] for name in each.variants if name in drivers)) or MISSING,
            ]
            for each in standings
        ),
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Container[int] = ()) -> str:
    """Lay out a table; columns in `numbers` are set flush right."""
    lines = ["| " + " | ".join(escaped(cell) for cell in line) + " |" for line in (heads, *rows)]
    rule = "|" + "|".join(" ---: " if place in numbers else " --- " for place in range(len(heads))) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
