"""The chart of payload sizes: latency of reads and writes over what a session holds, and where it is refused."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from reports.charts import canvas, lines
from reports.charts.canvas import ALARM, GRID, MUTED, SMALL, WIDTH, Canvas
from reports.charts.lines import GAP, HEAD, LEFT, RIGHT
from reports.charts.marks import Mark
from reports.listings import sizes, struck
from reports.words import units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.charts.palette import Style
    from reports.format import Run
    from reports.listings.sizes import Point

HOW: Final = (
    "p50 by the session's payload, a column per size, not to scale. Points are medians of the blocks, the pale bar "
    "behind one reaches from the smallest to the largest. A line ends where larger sessions are refused: the dotted "
    "line with the variant's mark and 413 is its cliff. Hollow: OVERLOADED. Crossed: FAILED."
)
_PANEL: Final = 96.0
_ROW: Final = SMALL + 1
"""Points that a panel is high, and a cliff's label below what is measured."""
_ACROSS: Final = WIDTH - LEFT - RIGHT
_BESIDE: Final = 0.14
_FILLED: Final = 0.8
"""By this share of a column variants stand apart, and so much of it they fill at most."""
_REFUSED: Final = "413"
_LABEL: Final = 32.0
_ASIDE: Final = 1.6
"""Points that a cliff's mark and number take, and from a cliff to another at the same size."""


def draw(run: Run, styles: Mapping[str, Style], caption: Sequence[str]) -> Canvas | None:
    """Draw a panel per kind of request; None where no sizes were tried, or none was kept."""
    found, steps = sizes.points(run), sizes.steps(run)
    steps = [step for step in steps if any(step in point.times for line in found.values() for point in line)]
    if not steps:
        return None
    tried = sorted({point.payload_bytes for line in found.values() for point in line})
    columns = {size: place for place, size in enumerate(tried)}
    ends = [end / 1e3 for line in found.values() for point in line for time in point.times.values() for end in time[1:]]
    cliffs, numbers = sizes.cliffs(run), {name: number for number, name in enumerate(found)}
    panel = _PANEL + len(cliffs) * _ROW
    low, high = max(min(ends), 1e-3) * 0.85, max(ends) * 1.2
    limits_ms = high / (high / low) ** (panel / _PANEL), high
    deep = len(steps) * (panel + GAP) + HEAD
    states = {point.state for line in found.values() for point in line}
    entries = lines.entries(found, styles, struck.checks(run), states)
    on = Canvas("sizes", "What a session's size costs", caption, deep + lines.depth(entries))
    for place, step in enumerate(steps):
        top = HEAD + place * (panel + GAP)
        axes = on.axes(LEFT, top, _ACROSS, panel)
        _scale(axes, columns, limits_ms, numbered=place == len(steps) - 1)
        for name, line in found.items():
            beside = (numbers[name] - (len(found) - 1) / 2) * min(_BESIDE, _FILLED / len(found))
            at = {size: column + beside for size, column in columns.items()}
            _line(on, axes, (name, step, line), at, styles[name], lines.shape(numbers[name]))
        for row, (name, cliff) in enumerate(cliffs.items()):
            # What both panels show is told once.
            told = [] if place else [_cliff_told(name, cliff)]
            with on.of(name, *told):
                _cliff(axes, cliff, columns, styles[name], lines.shape(numbers[name]), (row, panel))
        on.text(LEFT, top - 4, f"p50 of {step}", weight="bold")
        on.text(WIDTH - RIGHT, top - 4, "ms, logarithmic", color=MUTED, ha="right")
    lines.legend(on, deep, f"payload of the session, not to scale{'; 413: refused' if cliffs else ''}", entries)
    return on


def describe(run: Run) -> str:
    """Put the chart into words."""
    said = []
    steps = sizes.steps(run)
    for name, line in sizes.points(run).items():
        known = [(point.payload_bytes, point.times[steps[0]]) for point in line if steps[0] in point.times]
        points = ", ".join(f"{units.size(size)} {units.ms(times.median)}" for size, times in known)
        said.append(f"{struck.called(run, name)}: {points or 'none'}")
    return " ".join([f"p50 in ms by payload. {'; '.join(said)}.", *sizes.sentences(run)])


def _scale(axes: Axes, columns: Mapping[int, int], limits_ms: tuple[float, float], *, numbered: bool) -> None:
    """Give every size a column: to scale, sizes about a cliff would stand in each other's way."""
    axes.set_yscale("log")
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(*limits_ms)
    canvas.log_axis(axes.yaxis, *limits_ms)
    wide = _ACROSS / len(columns)
    named = {float(column): units.size(size) for size, column in columns.items()}
    canvas.named_axis(axes.xaxis, lines.apart(named, lambda column: column * wide))
    axes.tick_params(axis="x", length=0, labelbottom=numbered)
    axes.grid(axis="y", color=GRID)
    for column in range(1, len(columns)):
        axes.axvline(column - 0.5, color=GRID, linewidth=0.6, zorder=0)


def _line(  # noqa: PLR0917 - what is drawn, where, and how
    on: Canvas,
    axes: Axes,
    of: tuple[str, str, Sequence[Point]],
    at: Mapping[int, float],
    style: Style,
    shape: str,
) -> None:
    """Draw a variant, a little to one side of its columns' middles: a point in each, and lines that lead the eye."""
    name, step, line = of
    known = [point for point in line if step in point.times]
    for point, after in pairwise(known):
        with on.of(name):
            places = [at[each.payload_bytes] for each in (point, after)]
            axes.plot(places, [each.times[step].median / 1e3 for each in (point, after)], **lines.stroke(style))
    for point in known:
        x, (median, low, high) = at[point.payload_bytes], point.times[step]
        with on.of(name, _told(name, step, point)):
            axes.plot([x, x], [low / 1e3, high / 1e3], color=style.light, linewidth=2.4, alpha=0.35)
            axes.plot([x], [median / 1e3], linestyle="none", **lines.mark(point.state, style.light, shape))


def _told(name: str, step: str, point: Point) -> Mark:
    median, low, high = point.times[step]
    return Mark(
        name, f"p50 of {step} at {units.size(point.payload_bytes)}",
        units.at_least(units.ms(median), bounded=step in point.bounds), "ms", units.span(low, high, units.ms),
        "" if point.state == "VALID" else point.state,
    )  # fmt: skip


def _cliff(  # noqa: PLR0917 - likewise
    axes: Axes,
    cliff: tuple[int | None, int],
    columns: Mapping[int, int],
    style: Style,
    shape: str,
    where: tuple[int, float],
) -> None:
    """Draw where a variant's sessions end, and in a row of its own its mark and the status that says so."""
    largest, refused = cliff
    row, panel = where
    point = len(columns) / _ACROSS
    edge = columns[refused] - 0.5 if largest is None else (columns[largest] + columns[refused]) / 2
    at = max(edge, axes.get_xlim()[0] + _ASIDE * point) + row * _ASIDE * point
    floor, top = axes.get_ylim()
    above = floor * (top / floor) ** ((row + 0.55) * _ROW / panel)
    left = axes.get_xlim()[1] - edge < _LABEL * point
    start = edge + (-_LABEL + 6 if left else 8) * point
    axes.plot([at, at], [floor, top], color=style.light, linewidth=1.1, linestyle=(0, (1, 1.5)))
    axes.plot([start], [above], linestyle="none", **lines.mark("", style.light, shape))
    axes.annotate(
        _REFUSED, (start, above), xytext=(4.5, 0), textcoords="offset points", color=ALARM, size=SMALL, weight="bold",
        va="center_baseline",
    )  # fmt: skip


def _cliff_told(name: str, cliff: tuple[int | None, int]) -> Mark:
    largest, refused = cliff
    kept = "none that was tried is kept" if largest is None else f"up to {units.size(largest)} is kept"
    return Mark(name, f"smallest payload refused ({_REFUSED})", units.size(refused), "", note=kept)
