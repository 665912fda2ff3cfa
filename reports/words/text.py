"""Foreign text made harmless: names, versions and reasons come from plans, servers and others' runs."""

from __future__ import annotations

import re
import unicodedata
from itertools import chain, count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~$])")


def plain(text: object) -> str:
    """Return text on one line with everything that is not seen written as its number.

    Control characters could drive a terminal; format characters such as right-to-left marks reorder the rest.
    """
    return "".join(_visible(character) for character in " ".join(str(text).split()))


def _visible(character: str) -> str:
    if unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        return character
    return f"\\u{ord(character):04x}" if ord(character) <= 0xFFFF else f"\\U{ord(character):08x}"  # noqa: PLR2004 - the basic plane


def markdown(text: object) -> str:
    """Return text for Markdown, table cells included."""
    escaped = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", escaped)


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
