"""The report as one page that needs nothing else: no request, charts and script inside, light and dark."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import jinja2
from markupsafe import Markup, escape

from reports.charts import marks, palette
from reports.choice import decision
from reports.exporters import interactive
from reports.listings import advice, blocks, correctness, details, evidence, findings, matrix, sentences, struck, view
from reports.listings.listing import Struck
from reports.words.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.charts.canvas import Chart
    from reports.format import Run, Variant
    from reports.record.judgement import Judgement


_FIRST: Final = "tradeoff"
"""The chart that stands beside the answers."""
_MANY: Final = 4
"""More charts of one kind than this are folded."""
_JOINT: Final = re.compile(r"[:=]|,(?!\d{3}\b)")


@dataclass(frozen=True, slots=True)
class _Group:
    """Neighbouring columns under one head."""

    title: str
    unit: str
    columns: list[view.Column]


@dataclass(frozen=True, slots=True)
class _Pair:
    """What a checkbox of a regression check is for, in the colour of its base."""

    name: str
    variant: Variant


@dataclass(frozen=True, slots=True)
class _Section:
    """Charts under one heading; what they all say is said once, above them."""

    title: str
    charts: list[Chart]
    how: str
    """How each of them is read, where that is the same."""
    shared: list[str]
    """Lines that are in every caption."""
    folded: bool
    """Whether they are so many of a kind that they would stand between a reader and the rest."""


def render(run: Run, charts: Sequence[Chart]) -> str:
    """Return the page of a run that compares variants."""
    columns, sheet = view.columns(run), view.sheet(run)
    return page(
        "index.html",
        run,
        {
            "Charts": [chart for chart in _of(charts, "summary") if chart.name != _FIRST],
            "Through a fault": _of(charts, "fault"),
            "Over time": _of(charts, "timeline"),
        },
        title=sheet.title,
        decision=decision.decision(run),
        tradeoff=next((chart for chart in charts if chart.name == _FIRST), None),
        sheet=sheet,
        groups=_groups(columns),
        width=len(columns),
        places={column.key: place + 1 for place, column in enumerate(columns)},
        durability=view.durability,
        beside=findings.beside(run),
        faultless=not any(each.wrong for each in correctness.tallies(run)),
        details=details.tables(run),
        facts=details.facts(run),
    )


def judged(run: Run, judgement: Judgement, charts: Sequence[Chart]) -> str:
    """Return the page of a regression check: the verdict, what was found, every block."""
    said = sentences.headline(judgement, run.comparisons)
    changes = sentences.changes(run.comparisons, sentences.alpha(judgement))
    tables = [changes, sentences.counts(judgement), correctness.listing(run)]
    inside = [blocks.values(run.comparisons), details.trials(run)]
    facts = {
        "base": sentences.revision(judgement.base),
        "head": sentences.revision(judgement.head),
        "looks": ", ".join(map(str, judgement.looks)),
        "again": advice.command(run, judgement),
    }
    return page(
        "judged.html",
        run,
        {"Charts": _of(charts, "summary"), "Every block": _of(charts, "timeline")},
        title=f"{judgement.state} · {said}",
        judgement=judgement,
        pairs=[_Pair(each.name, run.variant(each.base)) for each in run.comparisons],
        said=said,
        versions=sentences.versions(judgement),
        about=[sentences.about(run, judgement), view.title(run)],
        reasons=sentences.reasons(judgement, run.comparisons)[1:],
        steps=advice.steps(run, judgement),
        floor=sentences.beside(run, judgement),
        beside=[each for each in tables if each is not None and each.rows],
        details=[each for each in inside if each.rows],
        facts=[*((term, text) for term, text in facts.items() if text), *details.facts(run)],
    )


def audited(run: Run) -> str:
    """Return the page of a run that is only an audit: what it came to, the matrix, all the evidence."""
    heading = f"{view.title(run)}: {matrix.headline(run)}"
    return page(
        "audit.html",
        run,
        {},
        title=heading,
        headline=heading,
        rows=view.sheet(run).rows,
        missing=matrix.missing(run),
        why=struck.WHY if struck.checks(run) else "",
        details=[],
        facts=details.facts(run),
    )


def page(template: str, run: Run, sections: dict[str, list[Chart]], *, fold: bool = True, **parts: Any) -> str:
    """Return a page out of a template that extends base.html; `run` gives it its colours, servers and audits.

    Many charts of one kind are folded, unless they are what the page is about.
    `parts` are what the template asks for, and for base.html `title`, `details` (listings) and `facts`.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reports.exporters"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"plain": plain, "breakable": _breakable}
    owners = interactive.owners(run)
    environment.filters["owner"] = lambda name: owners.get(name, name)
    environment.tests["struck"] = lambda text: isinstance(text, Struck)
    styles = palette.styles(run)
    slots = {name: f"v{place}" for place, name in enumerate(styles)}
    colours = {name.lower(): getattr(palette, name) for name in palette.THEMED}
    colours |= {slots[name]: (style.light, style.dark) for name, style in styles.items()}
    script = interactive.script()
    return environment.get_template(template).render(
        script=script, policy=interactive.policy, contents=interactive.contents, ids=interactive.Ids(),
        owners=owners, whose=interactive.whose, columns=interactive.columns, listed=marks.listing,
        known={listing.key: listing.title for listing in parts["details"]},
        sections=[_section(title, charts, fold=fold) for title, charts in sections.items() if charts],
        pieces=interactive.pieces,
        run=run, standings=view.standings(run), styles=styles, slots=slots, colours=colours,
        audits=matrix.matrix(run), signs=matrix.SIGNS, figures=evidence.figures, **parts,
    )  # fmt: skip


def _of(charts: Sequence[Chart], section: str) -> list[Chart]:
    return [chart for chart in charts if chart.section == section]


def _section(title: str, charts: list[Chart], *, fold: bool) -> _Section:
    first, *others = charts
    alike = all(chart.how == first.how for chart in others)
    shared = [line for line in first.caption if others and all(line in chart.caption for chart in others)]
    return _Section(title, charts, first.how if alike else "", shared, fold and alike and len(charts) > _MANY)


def _groups(columns: Sequence[view.Column]) -> list[_Group]:
    groups = []
    for title, group in groupby(columns, key=lambda column: column.group):
        members = list(group)
        groups.append(_Group(title, members[0].unit, members))
    return groups


def _breakable(text: str) -> Markup:
    """Let a name be broken after the marks that join its options, and no number after the mark of its thousands."""
    return Markup(_JOINT.sub(r"\g<0><wbr>", str(escape(text))))  # noqa: S704 - escaped above
