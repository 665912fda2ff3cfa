"""The paper that charts are drawn on: sizes, type, row labels, and a PNG and SVGs out of one drawing.

Charts are narrow (300 pt), so that the same drawing can be read on a phone and stand beside another on a
laptop. Sizes and places are in points from the upper left corner.
"""

from __future__ import annotations

import io
import math
from bisect import bisect_right
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font, LoadFlags
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from reports.charts import palette, svg
from reports.words.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from reports.charts.marks import Mark

Section = Literal["summary", "fault", "timeline"]
"""Where a page has a chart."""

WIDTH: Final = 300.0
MARGIN: Final = 4.0
NAME: Final = 9.5
SMALL: Final = 8.5
"""Type sizes; a caption is a point smaller than the smaller."""

INK, MUTED, GRID, SHADE, PAPER = (
    pair[0] for pair in (palette.INK, palette.MUTED, palette.GRID, palette.SHADE, palette.PAPER)
)
ALARM: Final = palette.ALARM[0]

_DPI: Final = 200
_MIDDLE: Final = 0.28
"""Of a text's size, from its baseline to where it is struck through."""
_FAMILY: Final = "DejaVu Sans"
_STYLE: Final[dict[Any, Any]] = {
    "font.family": _FAMILY,
    "font.size": SMALL,
    "text.parse_math": False,
    "text.hinting": "none",
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "axes.grid": False,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "hatch.linewidth": 0.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "session-bench",
    "savefig.dpi": _DPI,
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A finished chart; `inline` is for a page that brings title, caption, paper and colours."""

    name: str
    title: str
    how: str
    """How to read it."""
    caption: list[str]
    section: Section
    png: bytes
    svg: bytes
    inline: str
    marks: list[Mark] = field(default_factory=list)
    """What is drawn, as figures."""
    variant: str = ""
    """The only variant that it is about."""
    table: str = ""
    """The table of a page that has the figures of its marks; empty: they are a table of their own."""


@contextmanager
def paper() -> Iterator[None]:
    """Draw with this project's style, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


class Canvas:
    """One chart while it is drawn."""

    def __init__(self, name: str, title: str, caption: Sequence[str], height: float) -> None:
        heading = wrap(title, WIDTH - 2 * MARGIN, NAME + 1, bold=True)
        small = [line for text in caption for line in wrap(text, WIDTH - 2 * MARGIN, SMALL - 1)]
        self.name = name
        self.title = title
        self.caption = list(caption)
        self._above = len(heading) * (NAME + 4) + 6
        self._height = height
        self._struck = 0
        self.only = ""
        self.table = ""
        self._marks: list[Mark] = []
        self._groups: list[svg.Group] = []
        self._places: list[svg.Place] = []
        self._below = len(small) * (SMALL + 2) + 8
        self._full = self._above + height + self._below
        self.figure = Figure(figsize=(WIDTH / 72, self._full / 72))
        self.figure.patch.set_gid(svg.PAPER)
        for place, line in enumerate(heading):
            self._cut("title", MARGIN, place * (NAME + 4) + NAME + 3, line, size=NAME + 1, weight="bold")
        for place, line in enumerate(small):
            below = self._above + height + (place + 1) * (SMALL + 2)
            self._cut("caption", MARGIN, below, line, size=SMALL - 1, color=MUTED)

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write one line with its baseline at a place below the title."""
        self._write(x, y + self._above, text, **{"size": SMALL, **style})

    def variant(self, x: float, y: float, text: str, *, struck: bool, **style: Any) -> None:
        """Write a variant's name, struck through where its audit takes it out of the choice."""
        written = self._write(x, y + self._above, text, **{"size": SMALL, **style})
        if not struck:
            return
        self._struck += 1
        written.set_gid(f"{svg.STRUCK}{self._struck}")
        size = float(written.get_size())
        width = measure(text, size, bold=written.get_weight() == "bold")
        across = 1 - (y + self._above - size * _MIDDLE) / self._full
        ends = [x / WIDTH, (x + width) / WIDTH]
        stroke = Line2D(ends, [across, across], color=written.get_color(), linewidth=size / 12)
        stroke.set_gid(f"{svg.STROKE}{self._struck}")
        self.figure.add_artist(stroke)

    @contextmanager
    def of(self, variant: str | tuple[str, ...], *marks: Mark, told: str = "") -> Iterator[None]:
        """Draw inside what is this variant's alone: a page hides it with the variant, and tells the marks, or `told`.

        What lies between several is hidden with any of them; what is drawn in a context within is told by that one.
        """
        before = self._artists()
        yield
        group = len(self._groups)
        known = set(map(id, before))
        self._marks += marks
        told = told or "; ".join(mark.told for mark in marks)
        self._groups.append(svg.Group((variant,) if isinstance(variant, str) else variant, told))
        for number, artist in enumerate(self._artists()):
            gid = artist.get_gid() or ""
            # What is in new axes goes with them.
            within = artist.axes is not None and artist.axes is not artist and id(artist.axes) not in known
            if id(artist) not in known and svg.OF not in gid and not within:
                artist.set_gid(f"{gid}{svg.OF}{group}-{number}")

    def instead(self, variant: str, x: float, y: float) -> None:
        """Have a page say at a place that this variant is left out, while it is: nobody wonders at the gap."""
        self._places.append(svg.Place(variant, x, y + self._above))

    def _artists(self) -> list[Artist]:
        """Return what is on the paper and in the axes on it."""
        inside = (child for axes in self.figure.axes for child in axes.get_children())
        return [*self.figure.get_children(), *inside]

    def heading(self, x: float, y: float, width: float, name: str, mark: str, *, struck: bool = False) -> None:
        """Write a panel's name and, in alarm, what is the matter with it: where both have no room, the worst of it."""
        if measure(drawable(name), SMALL) + 4 + measure(mark, SMALL, bold=True) > width:
            mark = mark.rpartition(", ")[2]
        room = width - (measure(mark, SMALL, bold=True) + 4 if mark else 0)
        name = fit(name, room, SMALL)
        self.variant(x, y, name, struck=struck)
        if mark:
            self.text(x + measure(name, SMALL) + 4, y, mark, color=ALARM, weight="bold")

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return axes at a place below the title."""
        bottom = self._full - self._above - top - height
        return self.figure.add_axes((left / WIDTH, bottom / self._full, width / WIDTH, height / self._full))

    def cover(self, left: float, top: float, width: float, height: float) -> None:
        """Lay over a place what is not seen, but can be pointed at."""
        corner = left / WIDTH, 1 - (top + height + self._above) / self._full
        share = width / WIDTH, height / self._full
        self.figure.add_artist(Rectangle(corner, *share, transform=self.figure.transFigure, fill=False, linewidth=0))

    def finish(
        self,
        how: str,
        description: str,
        themes: Mapping[str, str],
        section: Section = "summary",
    ) -> Chart:
        """Render the chart; `themes` gives the CSS value that stands for each colour in the inline form."""
        vector, raster = io.BytesIO(), io.BytesIO()
        about = {"Date": None, "Creator": None, "Title": plain(self.title)}
        self.figure.savefig(vector, format="svg", metadata=about)
        self.figure.savefig(raster, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 3})
        root = svg.parse(vector.getvalue())
        whole = svg.alone(root)
        box = (0, self._above, WIDTH, self._height)
        inline = svg.inline(root, self.name, description, box, themes, self._groups, places=self._places)
        return Chart(
            self.name, self.title, how, self.caption, section, raster.getvalue(), whole, inline, self._marks, self.only,
            self.table,
        )  # fmt: skip

    def _cut(self, kind: str, x: float, y: float, text: str, **style: Any) -> None:
        """Write what the inline form leaves out."""
        self._write(x, y, text, **style).set_gid(f"{svg.CUT}{kind}-{y:.0f}")

    def _write(self, x: float, y: float, text: str, **style: Any) -> Any:
        return self.figure.text(x / WIDTH, 1 - y / self._full, drawable(text), va="baseline", **style)


@cache
def _font(*, bold: bool) -> FT2Font:
    weight = "bold" if bold else "normal"
    return FT2Font(font_manager.findfont(font_manager.FontProperties(family=_FAMILY, weight=weight)))


@cache
def measure(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line in points."""
    font = _font(bold=bold)
    font.set_size(size, 72)
    font.set_text(text, flags=LoadFlags.NO_HINTING)
    return float(font.get_width_height()[0]) / 64


def drawable(text: str) -> str:
    """Return text with what the charts' font cannot show replaced."""
    known = _font(bold=False).get_charmap()
    return "".join(character if ord(character) in known else "\N{REPLACEMENT CHARACTER}" for character in plain(text))


def fit(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """Return text, its middle left out where it would be wider than `width`: names differ at either end."""
    text = drawable(text)
    if measure(text, size, bold=bold) <= width:
        return text

    def shortened(kept: int) -> str:
        return f"{text[: kept - kept // 2].rstrip()}…{text[len(text) - kept // 2 :].lstrip()}"

    # Names may be as long as a file, and the measuring of a long line is slow.
    longer = bisect_right(range(len(text)), width, key=lambda kept: measure(shortened(kept), size, bold=bold))
    return shortened(max(longer - 1, 0))


@cache
def wrap(text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """Break text into lines no wider than `width`."""
    lines = [""]
    for word in drawable(text).split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or measure(longer, size, bold=bold) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [fit(line, width, size, bold=bold) for line in lines]


def log_axis(axis: Any, low: float, high: float) -> None:
    """Put plain numbers on a logarithmic axis: 1, 2, 5, 10 where there is room, else powers of ten."""
    decades = math.log10(high / low)
    steps = (1, 2, 5) if decades <= 2.2 else (1, 3) if decades <= 3.2 else (1,)  # noqa: PLR2004 - decades that fit
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
    # A number at the very end would reach into what is beside the axis.
    edge = (high / low) ** 0.04
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low * edge <= tick <= high / edge]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def named_axis(axis: Any, names: Mapping[float, str]) -> None:
    """Put names at places on an axis."""
    axis.set_major_locator(FixedLocator(list(names)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: names.get(value, "")))


def linear_axis(axis: Any, count: int = 4, *, highest: float | None = None, lowest: float = 0.0) -> None:
    """Put a few round numbers on an axis, from `lowest` to `highest` or near its end."""
    end = axis.get_view_interval()[1] * 0.95 if highest is None else highest
    ticks = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(lowest, end)
    named_axis(axis, {tick: f"{tick:,.10g}" for tick in ticks if lowest * 0.95 <= tick <= end * 1.001})
