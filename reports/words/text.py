"""Foreign text made harmless: names, versions and reasons come from plans, servers and others' runs."""

from __future__ import annotations

import re
import unicodedata
from itertools import chain, count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()#+!|~$])")
_BREAK: Final = "\N{ZERO WIDTH SPACE}"
"""Nothing of foreign text: `plain` writes it as its number."""
_TAKEN_UP: Final = re.compile(
    r"""
      (?<![a-z0-9_]@)(?<=@)(?=[\w-])            # @somebody, @group/team
    | (?<=[a-z0-9_]@)(?=[\w.-]*\.\w)            # somebody@example.org, but not kill@3+2
    | (?<=[#&])(?=\d)                           # #1, owner/repository#1; GitLab's epics
    | (?<=%)(?=[\w"])                           # GitLab's milestones
    | (?<=(?<![a-z0-9])gh-)(?=\d)               # GH-1
    | (?<=:)(?=//)                              # any address
    | (?<=www)(?=\.)
    | (?<=:)(?=(?:[\w+-]*[a-z][\w+-]*|[+-]1):)  # an emoji's name, but not the time of day
    | (?<=\A/)(?=\w+(?:\s|\Z))                 # GitLab's quick actions, which begin a line
    """,
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
_HASH: Final = re.compile(r"(?<![a-z0-9])(?!\d+(?![a-z0-9]))[0-9a-f]{7,}(?![a-z0-9])", re.IGNORECASE)
"""What might be a commit's: seven digits are enough. Of decimal ones alone it is a number."""
_SHORTER: Final = 6


def plain(text: object) -> str:
    """Return text on one line with everything that is not seen written as its number.

    Control characters could drive a terminal; format characters such as right-to-left marks reorder the rest.
    """
    return "".join(_visible(character) for character in " ".join(str(text).split()))


def _visible(character: str) -> str:
    if unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        return character
    return f"\\u{ord(character):04x}" if ord(character) <= 0xFFFF else f"\\U{ord(character):08x}"  # noqa: PLR2004 - the basic plane


def markdown(text: object, commits: Iterable[str] = ()) -> str:
    """Return text for Markdown, table cells included; of what GitHub and GitLab link, only these commits may be.

    Whoever is called @somebody would be told of it, #1 would point back to here, and so on. Backslashes keep GitLab
    from it (its MarkdownPreEscapeFilter), but not GitHub, which looks for such things when they are gone. What keeps
    both is a zero-width space in the middle, as Renovate and Dependabot put it there.
    """
    parted = _HASH.sub(lambda found: _parted(found[0], commits), _TAKEN_UP.sub(_BREAK, plain(text)))
    escaped = parted.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", escaped).replace(_BREAK, "&#8203;")


def _parted(digits: str, commits: Iterable[str]) -> str:
    if any(commit.startswith(digits) for commit in commits):
        return digits
    return _BREAK.join(digits[start : start + _SHORTER] for start in range(0, len(digits), _SHORTER))


def file_name(text: str) -> str:
    """Return text as a file's name: no folders, nothing that a shell or a link would mind."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-") or "unnamed"


def distinct(names: Iterable[str]) -> list[str]:
    """Return file names for texts, none of them twice."""
    given: list[str] = []
    for name in map(file_name, names):
        numbered = (f"{name}-{number}" for number in count(2))
        given.append(next(each for each in chain([name], numbered) if each not in given))
    return given
