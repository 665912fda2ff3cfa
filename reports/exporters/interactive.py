"""What makes the page interactive: its script and the policy that lets in nothing else, names of rows and of links.

The script is our own and small. Charts are drawn once, for print, for readers without a script and for those with
one: a plotting library would draw them a second time, and a table library would move heads that screen readers
find now. Both would be a hundred times as large as what is asked of them: hide, sort, point, link.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING, Final

from reports.words.text import file_name, plain

if TYPE_CHECKING:
    from collections.abc import Collection

    from reports.format import Run
    from reports.listings.listing import Listing

_NAMING: Final = frozenset({"variant", "over", "pair"})
"""Heads of columns that name variants, or pairs of them."""
_LETTERED: Final = "told"
"""The table whose rows and columns are variants, by letters."""


def script() -> str:
    """Return the page's script."""
    return resources.files("reports.exporters").joinpath("templates", "page.js").read_text(encoding="utf-8")


def policy(script: str) -> str:
    """Return a Content-Security-Policy that lets this script run and the page ask for nothing."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


class Ids:
    """Ids of a page, none of them twice."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, *parts: str) -> str:
        """Return an id made of these texts, with a number where it was given before."""
        wanted = name = "-".join(file_name(plain(part)) for part in parts)
        number = 2
        while name in self._taken:
            name, number = f"{wanted}-{number}", number + 1
        self._taken.add(name)
        return name


def whose(listing: Listing, place: int, known: Collection[str]) -> list[str]:
    """Return the variants that the row at a place is about."""
    row = listing.rows[place]
    if listing.about:
        return [listing.about[place]]
    if listing.key == _LETTERED:
        return [name for name in [row[0].partition(" ")[2]] if name in known]
    found = []
    for head, cell in zip(listing.heads, row, strict=True):
        if head.name in _NAMING:
            found += [name for name in ([cell] if cell in known else cell.split(", ")) if name in known]
    return found


def owners(run: Run) -> dict[str, str]:
    """Return by every name of a page what its checkbox is called: the variant itself, or in a check its pair.

    A variant that several pairs have in common goes with none of them.
    """
    names = {variant.name: variant.name for variant in run.variants}
    for side in (side for pair in run.comparisons for side in (pair.base, pair.head)):
        having = [pair.name for pair in run.comparisons if side in {pair.base, pair.head}]
        names[side] = having[0] if len(having) == 1 else side
    return names | {pair.name: pair.name for pair in run.comparisons}


def columns(listing: Listing, known: Collection[str]) -> list[str]:
    """Return the variant that each column is about, or nothing."""
    if listing.key != _LETTERED:
        return [""] * len(listing.heads)
    return ["", *("".join(whose(listing, place, known)) for place in range(len(listing.rows)))]


def pieces(text: str, names: Collection[str], known: Collection[str]) -> list[tuple[str, bool]]:
    """Return an answer in pieces, plain, each with whether it is one of these names where they are the answer.

    That is the sentence that names them and nobody else, or the first that names them all. `known` are all names that
    the text may hold: one that begins another is not found within it.
    """
    wanted = {plain(name) for name in names}
    longest = sorted(map(plain, known), key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w:=.-])({'|'.join(map(re.escape, longest))})(?![\w=-]|[:.]\w)")
    sentences = re.split(r"(?<=\.)(?= [A-Z])", plain(text))
    named = [set(pattern.findall(each)) for each in sentences] if longest and wanted else []
    places = [place for place, found in enumerate(named) if found == wanted]
    places += [place for place, found in enumerate(named) if found >= wanted]
    if not places:
        return [(plain(text), False)]
    before, answer, after = sentences[: places[0]], sentences[places[0]], sentences[places[0] + 1 :]
    parts = [(part, part in wanted) for part in pattern.split(answer)]
    return [("".join(before), False), *parts, ("".join(after), False)]


_HEADING: Final = re.compile(r'<h2 id="([^"]+)"[^>]*>(.*?)</h2>', re.DOTALL)


def contents(main: str) -> list[tuple[str, str]]:
    """Return the headings of a rendered page as ids and text, for a list of contents; the text is markup."""
    return [(name, re.sub(r"<a\b.*?</a>", "", text, flags=re.DOTALL)) for name, text in _HEADING.findall(main)]
