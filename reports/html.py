"""The report as one page that needs nothing else: no script, no request, charts inside, light and dark."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup, escape

from reports import details, findings, palette, view
from reports.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.canvas import Chart
    from reports.format import Run


@dataclass(frozen=True, slots=True)
class _Group:
    """Neighbouring columns under one head."""

    title: str
    unit: str
    columns: list[view.Column]


def render(run: Run, charts: Sequence[Chart]) -> str:
    """Return the page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"plain": plain, "breakable": _breakable}
    styles = palette.styles(run)
    slots = {name: f"v{place}" for place, name in enumerate(styles)}
    colours = {name.lower(): getattr(palette, name) for name in palette.THEMED}
    colours |= {slots[name]: (style.light, style.dark) for name, style in styles.items()}
    columns = view.columns(run)
    return environment.get_template("index.html").render(
        run=run,
        sheet=view.sheet(run),
        groups=_groups(columns),
        width=len(columns),
        durability=view.durability,
        standings=view.standings(run),
        beside=findings.beside(run),
        details=details.tables(run),
        facts=details.facts(run),
        sections={
            "Charts": [chart for chart in charts if chart.section == "summary"],
            "Over time": [chart for chart in charts if chart.section == "timeline"],
        },
        styles=styles,
        slots=slots,
        colours=colours,
    )


def _groups(columns: Sequence[view.Column]) -> list[_Group]:
    groups = []
    for title, group in groupby(columns, key=lambda column: column.group):
        members = list(group)
        groups.append(_Group(title, members[0].unit, members))
    return groups


def _breakable(text: str) -> Markup:
    """Let a name be broken after the marks that join its options."""
    escaped = str(escape(text))
    for mark in (":", ",", "="):
        escaped = escaped.replace(mark, f"{mark}<wbr>")
    return Markup(escaped)  # noqa: S704 - escaped above
