"""Tables in Markdown (GitHub's), foreign text made harmless and struck names struck through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.listings.listing import Struck
from reports.words.text import markdown as escaped
from reports.words.units import MISSING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from reports.listings import view
    from reports.listings.listing import Listing


def listing(each: Listing) -> str:
    """Return a table without its title and remark."""
    numbers = [place for place, head in enumerate(each.heads) if not head.words]
    return table([head.text for head in each.heads], each.rows, numbers=numbers)


def servers(standings: Sequence[view.Standing], drivers: Mapping[str, str]) -> str:
    """Return the store servers and the variants that stood on them."""
    return table(
        ["variants", "server", "from", "durability", "settings", "driver"],
        (
            [
                each.variants,
                each.server.label,
                each.server.source,
                each.server.durability,
                ", ".join(f"{name}={value}" for name, value in each.server.settings.items()) or MISSING,
                ", ".join(dict.fromkeys(drivers[name] for name in each.variants if name in drivers)) or MISSING,
            ]
            for each in standings
        ),
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str | list[str]]], *, numbers: Container[int] = ()) -> str:
    """Lay out a table; columns in `numbers` are set flush right, a cell of several texts holds them side by side."""
    lines = ["| " + " | ".join(map(cell, line)) + " |" for line in (heads, *rows)]
    rule = "|" + "|".join(" ---: " if place in numbers else " --- " for place in range(len(heads))) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def cell(text: str | list[str]) -> str:
    """Return a text, or several of them, with what is struck struck through."""
    if isinstance(text, list):
        return ", ".join(map(cell, text))
    return f"~~{escaped(text)}~~" if isinstance(text, Struck) else escaped(text)
