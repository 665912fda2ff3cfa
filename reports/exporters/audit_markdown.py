"""Audits in Markdown: the states in words, what is to be said of each, and the evidence of what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.exporters.fitted import fitted
from reports.exporters.markdown_tables import cell, servers, table
from reports.listings import evidence, matrix, struck, view
from reports.words.text import markdown as escaped
from reports.words.units import MISSING

if TYPE_CHECKING:
    from reports.format import Run
    from reports.listings.matrix import Matrix, Said
    from reports.record.audited import Check


def render(run: Run) -> str:
    """Return audit.md, the report of a run that is only an audit."""
    where = [f"Recorded {run.started_at}", *view.machine(run)]
    parts = [
        f"# {escaped(view.title(run))}: {escaped(matrix.headline(run))}",
        "\n".join(f"- {escaped(line)}" for line in where),
        *audits(run),
        *(f"{escaped(name)} could not be audited: {escaped(error)}" for name, error in matrix.missing(run)),
    ]
    if struck.checks(run):
        parts.append(escaped(struck.WHY))
    if standings := view.standings(run):
        parts += ["## Servers", servers(standings, view.drivers(run))]
    return fitted("\n\n".join(parts) + "\n", "index.html beside this file has all of it, and so has audit.json")


def audits(run: Run) -> list[str]:
    """Return the paragraphs on a run's audits; none where there are none."""
    found = matrix.matrix(run)
    if found is None:
        return []
    parts = [f"## {found.title}"]
    if found.checks:
        parts += [_table(found), f"Checks: {escaped(', '.join(found.names))}."]
    if found.quick:
        parts.append(escaped(found.quick))
    parts.append("\n".join(_said(said) for said in found.said))
    failed = [(line, check) for line in found.lines for check in line.audit.failed]
    if failed:
        parts.append("### Evidence of what failed")
    for line, check in failed:
        parts += [f"**{cell(line.name)}: {check.number} {escaped(check.name)}**", *_evidence(check)]
    return parts


def _table(found: Matrix) -> str:
    heads = ["variant", *map(str, found.checks)]
    return table(
        heads, ([line.name, *(line.state(number) or MISSING for number in found.checks)] for line in found.lines)
    )


def _said(said: Said) -> str:
    names = cell(said.names)
    if said.items[0].state == "PASS":
        return f"- {names}: {said.items[0].label} PASS"
    lines = [f"- {names}"]
    for item in said.items:
        text = f"{item.label}: {item.text}" if item.text else item.label
        state = f"**{item.state}**" if item.alarming else item.state
        lines.append(f"  - {state} {escaped(text)}")
    return "\n".join(lines)


def _evidence(check: Check) -> list[str]:
    lines = [f"- It must hold: {escaped(check.claim)}", f"- Source: {escaped(check.source)}"]
    lines.append(f"- Found: {escaped(check.found)}")
    if figures := evidence.figures(check):
        lines.append(f"- Figures: {escaped(figures)}")
    if not check.evidence:
        return ["\n".join(lines)]
    rows = ([f"{each.times:,}", each.sent, each.came] for each in check.evidence)
    return ["\n".join(lines), table(["times", "sent", "came"], rows, numbers={0})]
