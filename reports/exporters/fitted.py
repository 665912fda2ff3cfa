"""Markdown made to fit a comment: first the longest tables and lists are cut, then what stands last, and it says so."""

from __future__ import annotations

import re
from typing import Final

from reports.words.units import plural

MOST: Final = 65_536
"""Characters of a description on GitHub, as it counts them: code points, an entity by what is sent.

A comment there may have 262,144 bytes, four for each of them (both measured: github.com/dead-claudia/github-limits),
and either on GitLab a million characters.
"""
_ROWS: Final = (100, 50, 25, 12, 6, 3)
"""So many rows of a table, or lines of a list, are kept: the most that fits."""
_HEAD: Final = 2
"""Lines of a table that are none of its rows."""
_OPENED, _CLOSED = "<details>", "</details>"
_CUT: Final = "…"
_TICKS: Final = re.compile(r"(?<!\\)`")
_LONGEST: Final = 4_000
"""Characters of a line where nothing else helps: names may be as long as a file."""


def fitted(text: str, rest: str, most: int = MOST) -> str:
    """Return Markdown of at most so many characters; the first paragraph leads, and `rest` is where all of it is."""
    if len(text) <= most:
        return text
    paragraphs = text.rstrip("\n").split("\n\n")
    for rows in _ROWS:
        shorter = [_shortened(paragraph, rows, rest) for paragraph in paragraphs]
        cut = "\n\n".join(shorter) + "\n"
        if len(cut) <= most:
            return cut
    return _without_the_last([_clipped(paragraph) for paragraph in shorter], rest, most)


def _shortened(paragraph: str, rows: int, rest: str) -> str:
    """Return a table or a list with so many rows, and how many more there are; any other paragraph as it is."""
    lines = paragraph.split("\n")
    head = _HEAD if lines[0].startswith("| ") else 0
    if not head and not lines[0].startswith(("- ", "1. ")):
        return paragraph
    left = len(lines) - head - rows
    if left <= 0:
        return paragraph
    return "\n".join(lines[: head + rows]) + f"\n\n{plural(left, 'more row' if head else 'more line')}: {rest}."


def _clipped(paragraph: str) -> str:
    """Return a paragraph whose lines have an end: no backslash or entity is cut in two, and code is closed."""
    return "\n".join(line if len(line) <= _LONGEST else _cut(line) for line in paragraph.split("\n"))


def _cut(line: str) -> str:
    whole = line[:_LONGEST].rpartition(" ")[0]
    return whole + ("`" if len(_TICKS.findall(whole)) % 2 else "") + _CUT


def _without_the_last(paragraphs: list[str], rest: str, most: int) -> str:
    """Leave out paragraphs from the end until the others fit with a sentence that says so."""
    for kept in range(len(paragraphs) - 1, 0, -1):
        parts = paragraphs[:kept]
        parts += [_CLOSED] * _unclosed(parts)
        parts.append(f"This is cut to what a comment holds, by {plural(len(paragraphs) - kept, 'paragraph')}: {rest}.")
        if len(text := "\n\n".join(parts) + "\n") <= most:
            return text
    # One paragraph alone is as long: of many lines, the first that fit.
    said = f"\n\nThis is cut to what a comment holds: {rest}.\n"
    return paragraphs[0][: most - len(said)].rpartition("\n")[0] + said


def _unclosed(parts: list[str]) -> int:
    return sum(part.startswith(_OPENED) for part in parts) - sum(part == _CLOSED for part in parts)
