"""What charts of lines have in common: how a variant's line and its points look, and the legend below."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.charts import canvas
from reports.charts.canvas import ALARM, MUTED, PAPER, SMALL, WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from reports.charts.canvas import Canvas
    from reports.charts.palette import Style

LEFT: Final = 38.0
RIGHT: Final = 9.0
HEAD: Final = 14.0
GAP: Final = 20.0
"""Points left of a panel for its scale, right of it, above the first for its name, and from one to the next."""
_SHAPES: Final = ("o", "s", "^", "D", "v", "P", "<", ">")
_LINE: Final = 12.0
_ABOVE: Final = 26.0
"""Points of a line of the legend, and above the first, where the scale has its numbers and its unit."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the legend: whose it is and how it is drawn; without a style it explains a verdict's mark."""

    text: str
    variant: str = ""
    style: Style | None = None
    shape: str = "o"
    struck: bool = False


def shape(number: int) -> str:
    """Return the mark of the variant that is drawn at this place."""
    return _SHAPES[number % len(_SHAPES)]


def stroke(style: Style) -> dict[str, Any]:
    """Return how a variant's line is drawn."""
    return {"color": style.light, "linewidth": 1.2, "dashes": (4, 1.2) if style.hatch else (None, None)}


def mark(state: str, colour: str, shape: str) -> dict[str, Any]:
    """Return how a point looks: full when the rate was carried, hollow when not, crossed when answers were wrong."""
    if state == "FAILED":
        return {"marker": "X", "markersize": 5.5, "color": colour, "markeredgecolor": ALARM, "markeredgewidth": 0.9}
    face = PAPER if state == "OVERLOADED" else colour
    return {"marker": shape, "markersize": 4.4, "color": colour, "markerfacecolor": face, "markeredgewidth": 1.1}


def entries(
    names: Iterable[str], styles: Mapping[str, Style], struck: Collection[str], states: Collection[str]
) -> list[Entry]:
    """Return the variants by their names, then the verdicts that have a mark of their own."""
    of_variants = [Entry(name, name, styles[name], shape(number), name in struck) for number, name in enumerate(names)]
    return of_variants + [Entry(state) for state in ("OVERLOADED", "FAILED") if state in states]


def apart(names: Mapping[float, str], points: Callable[[float], float]) -> dict[float, str]:
    """Leave out the names on an axis that run into the one before; `points` says where a place is."""
    kept: dict[float, str] = {}
    right = -math.inf
    for place, text in names.items():
        middle, half = points(place), canvas.measure(text, SMALL) / 2
        free = middle - half > right + 3
        kept[place] = text if free else ""
        right = middle + half if free else right
    return kept


def depth(entries: Sequence[Entry]) -> float:
    """Return how many points the numbers of the scale, its unit and the legend take below the panels."""
    return _ABOVE + (len(entries) + 1) // 2 * _LINE


def legend(on: Canvas, top: float, unit: str, entries: Sequence[Entry]) -> None:
    """Write the scale's unit below panels that end at `top`, and the legend, two entries a row."""
    on.text(WIDTH / 2, top + 10, unit, color=MUTED, ha="center")
    half = (WIDTH - 2 * canvas.MARGIN) / 2
    for place, entry in enumerate(entries):
        x, y = canvas.MARGIN + place % 2 * half, top + _ABOVE + place // 2 * _LINE
        with on.of(entry.variant) if entry.variant else nullcontext():
            axes = on.axes(x, y - 8, 20, 10)
            axes.set_axis_off()
            axes.set_xlim(0, 2)
            axes.set_ylim(-1, 1)
            if entry.style is not None:
                axes.plot([0, 1, 2], [0, 0, 0], **stroke(entry.style), marker=entry.shape, markersize=4, markevery=[1])
            else:
                axes.plot([1], [0], linestyle="none", **mark(entry.text, MUTED, "o"))
            on.variant(x + 24, y, canvas.fit(entry.text, half - 26, SMALL), struck=entry.struck, color=MUTED)
