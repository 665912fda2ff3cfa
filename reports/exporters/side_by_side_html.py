"""Two runs side by side as one page that needs nothing else, and in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.exporters import html
from reports.exporters.fitted import fitted
from reports.exporters.markdown_tables import listing as laid
from reports.listings import details, view
from reports.listings.listing import Head, Listing
from reports.words.text import markdown as escaped

if TYPE_CHECKING:
    from reports.format import Run
    from reports.listings.side_by_side import SideBySide


def render(shown: SideBySide) -> str:
    """Return the page: its servers are those of B, and the machines of both are in the details."""
    run = _joined(shown)
    return html.page(
        "compare.html",
        run,
        {},
        title=shown.title,
        head=shown.head,
        refused=shown.answer.kind == "refused",
        lines=[side.line for side in shown.sides],
        reasons=shown.reasons,
        beside=shown.tables(),
        notes=shown.answer.notes,
        rows=view.sheet(run).rows,
        details=[_machines(shown)],
        facts=details.facts(shown.sides[1].run),
    )


def markdown(shown: SideBySide) -> str:
    """Return the same in Markdown, GitHub's: the answer first, then why, then the tables."""
    parts = [f"## {escaped(shown.head)}", "  \n".join(escaped(side.line) for side in shown.sides)]
    parts += [escaped(reason) for reason in shown.reasons]
    for each in shown.tables():
        parts += [f"### {escaped(each.title)}", laid(each), *([escaped(each.remark)] if each.remark else [])]
    if shown.answer.notes:
        parts.append("\n".join(f"- {escaped(note)}" for note in shown.answer.notes))
    return fitted("\n\n".join(parts) + "\n", "compare.html beside this file has all of it")


def _joined(shown: SideBySide) -> Run:
    """Return B with the variants that only A has besides, so that each has its colour."""
    a, b = (side.run for side in shown.sides)
    known = {variant.name for variant in b.variants}
    alone = [variant for variant in a.variants if variant.name not in known]
    return b.model_copy(update={"variants": [*b.variants, *alone], "audits": []})


def _machines(shown: SideBySide) -> Listing:
    """Return both runs' facts side by side."""
    a, b = (dict(details.facts(side.run)) for side in shown.sides)
    heads = [Head("what", words=True), Head("A", words=True), Head("B", words=True)]
    rows = [[what, a.get(what, ""), b.get(what, "")] for what in dict.fromkeys([*a, *b])]
    return Listing("machines", "Machine and software of both", heads, rows)
