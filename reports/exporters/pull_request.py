"""A judgement in Markdown for a pull request: the verdict first, the table, the noise floor, what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from reports.exporters.fitted import fitted
from reports.exporters.markdown_tables import listing
from reports.listings import advice, blocks, correctness, matrix, sentences, view
from reports.listings.listing import Listing
from reports.words.text import markdown as escaped

if TYPE_CHECKING:
    from reports.format import Run
    from reports.record.judgement import Judgement

_MARKS: Final = {"PASS": "✅", "REGRESSED": "❌", "INCONCLUSIVE": "❔", "INVALID": "⚠️"}
_MOST: Final = 12
"""Reasons and count changes that are listed; the rest is in judgement.json."""


def render(run: Run, judgement: Judgement) -> str:
    """Return the text; tables are GitHub's, and what is long is folded away."""
    said = sentences.headline(judgement, run.comparisons)
    versions = sentences.versions(judgement)
    above = [escaped(versions)] if judgement.differences else []
    parts = [*above, f"## {_MARKS[judgement.state]} {judgement.state} · {escaped(said)}"]
    below = [sentences.about(run, judgement), *([versions] if versions and not above else [])]
    # A link to either commit is what a reader wants; no other is.
    commits = [each.commit for each in (judgement.base, judgement.head) if each.commit]
    parts.append("  \n".join(escaped(line, commits) for line in below))
    if reasons := sentences.reasons(judgement, run.comparisons)[1:]:
        parts.append(_bullets(reasons))
    if (counted := sentences.counts(judgement)) is not None:
        shown = Listing(counted.key, counted.title, counted.heads, counted.rows[:_MOST], counted.remark)
        parts += [f"**{counted.title}**", listing(shown)]
        if len(counted.rows) > _MOST:
            parts.append(f"{len(counted.rows) - _MOST} more are in judgement.json.")
    changes = sentences.changes(run.comparisons, sentences.alpha(judgement))
    if changes.rows:
        parts.append(listing(changes))
    floor = sentences.beside(run, judgement)
    if floor:
        parts.append("  \n".join(map(escaped, floor)))
    if (checked := correctness.listing(run)) is not None:
        parts += [f"**{checked.title}**", listing(checked)]
    if run.audits:
        parts.append(f"**Audits:** {escaped(matrix.headline(run))}.")
    if steps := advice.steps(run, judgement):
        parts += ["**What to do**", _bullets(steps)]
    parts.append(_folded("How to read it, every block, and how to run it again", _details(run, judgement)))
    return fitted("\n\n".join(parts) + "\n", "the report's index.html and judgement.json have all of it")


def _details(run: Run, judgement: Judgement) -> list[str]:
    parts = [escaped(sentences.HOW)] if run.comparisons else []
    spreads = blocks.spreads([each for each in run.comparisons if each.state != "PASS"])
    # What passed is in judgement.json: a comment is no place for every value.
    if spreads.rows:
        parts.append(listing(spreads))
    where = [view.title(run), *view.machine(run), f"session-bench {run.harness_version}"]
    parts.append(escaped(". ".join(where) + "."))
    line = advice.command(run, judgement)
    fence = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall("`+", line))])
    parts.append(f"{fence}sh\n{line}\n{fence}")
    return parts


def _bullets(lines: list[str]) -> str:
    shown = [f"- {escaped(line)}" for line in lines[:_MOST]]
    if len(lines) > _MOST:
        shown.append(f"- {len(lines) - _MOST} more are in judgement.json")
    return "\n".join(shown)


def _folded(title: str, parts: list[str]) -> str:
    return "\n\n".join([f"<details>\n<summary>{title}</summary>", *parts, "</details>"])
