"""The decision in Markdown (GitHub's): what a report leads with, and the commands that it ends with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reports.choice import lacks
from reports.choice.decision import decision
from reports.exporters.markdown_tables import cell
from reports.listings import struck
from reports.listings.listing import Struck
from reports.words.text import markdown as escaped
from reports.words.text import plain

if TYPE_CHECKING:
    from reports.choice.needs import Aside
    from reports.format import Run


def lead(run: Run) -> list[str]:
    """Return the question, the answers, and what must not be concluded, a paragraph each."""
    if (found := decision(run)) is None:
        return []
    parts = [f"**{escaped(found.question)}**"]
    if found.trouble:
        parts.append(f"> {escaped(found.trouble)}")
    if found.answers:
        parts.append("\n".join(f"- **{escaped(each.need)}**: {escaped(each.said)}" for each in found.answers))
    if found.ranges:
        parts.append(escaped(found.ranges))
    if found.aside:
        parts += ["No answer to anything:", "\n".join(f"- {_aside(run, each)}" for each in found.aside)]
    return [*parts, "Not to be concluded:", "\n".join(f"- {escaped(each.text)}" for each in found.cautions)]


def lacking(run: Run) -> list[str]:
    """Return what the run lacks, each with the command that adds it."""
    lines = [f"- {escaped(each.what)}: {code(each.command)}" for each in lacks.lacks(run)]
    if not lines:
        return []
    return ["## What this run lacks", "\n".join(lines)]


def code(text: str) -> str:
    """Return text as code; what looks like a tag or holds backticks, which code cannot, as any other text."""
    text = plain(text)
    return escaped(text) if re.search(r"`|<[a-z/!?]", text, re.IGNORECASE) else f"`{text}`"


def _aside(run: Run, aside: Aside) -> str:
    out = struck.checks(run)
    names = ", ".join(cell(Struck(name)) if name in out else escaped(name) for name in aside.names)
    return f"{names}: {escaped(aside.reason)}"
