"""The chart of payload sizes: latency of reads and writes over what a session holds, and where it is refused."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from reports import canvas, lines, sizes, struck, units
from reports.canvas import ALARM, GRID, MUTED, SMALL, WIDTH, Canvas
from reports.lines import GAP, HEAD, LEFT, RIGHT, Entry
from reports.marks import Mark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.format import Run
    from reports.palette import Style
    from reports.sizes import Point

HOW: Final = (
    "p50 by the session's payload. Points are medians of the blocks, the pale bar behind one reaches from the smallest "
    "to the largest. A line ends where larger sessions are refused (413): that is its cliff. Hollow: OVERLOADED. "
    "Crossed: FAILED."
)
_PANEL: Final = 104.0
_BESIDE: Final = 0.008
"""By this share of the width variants stand apart at one size."""


def draw(run: Run, styles: Mapping[str, Style], caption: Sequence[str]) -> Canvas | None:
    """Draw a panel per kind of request; None where no sizes were tried."""
    found, steps = sizes.points(run), sizes.steps(run)
    steps = [step for step in steps if any(step in point.times for line in found.values() for point in line)]
    if not steps:
        return None
    tried = sorted({point.payload_bytes for line in found.values() for point in line})
    ends = [end / 1e3 for line in found.values() for point in line for time in point.times.values() for end in time[1:]]
    limits_ms = max(min(ends), 1e-3) * 0.8, max(ends) * 1.2
    cliffs, out = sizes.cliffs(run), struck.checks(run)
    deep = len(steps) * (_PANEL + GAP) + HEAD
    entries = [Entry(name, name, styles[name], lines.shape(number), name in out) for number, name in enumerate(found)]
    on = Canvas("sizes", "What a session's size costs", caption, deep + lines.depth(entries))
    for place, step in enumerate(steps):
        top = HEAD + place * (_PANEL + GAP)
        axes = on.axes(LEFT, top, WIDTH - LEFT - RIGHT, _PANEL)
        _scale(axes, tried, limits_ms, numbered=place == len(steps) - 1)
        for number, (name, line) in enumerate(found.items()):
            shift = (tried[-1] / tried[0]) ** ((number - (len(found) - 1) / 2) * _BESIDE)
            _line(on, axes, (name, step, line), shift, styles[name], lines.shape(number))
        for number, (name, cliff) in enumerate(cliffs.items()):
            _cliff(on, axes, name, cliff, styles[name], (number + 0.7) * SMALL)
        on.text(LEFT, top - 4, f"p50 of {step}", weight="bold")
        on.text(WIDTH - RIGHT, top - 4, "ms, logarithmic", color=MUTED, ha="right")
    lines.legend(on, deep, "payload of the session, bytes, logarithmic", entries)
    return on


def describe(run: Run) -> str:
    """Put the chart into words."""
    said = []
    steps = sizes.steps(run)
    for name, line in sizes.points(run).items():
        known = [(point.payload_bytes, point.times[steps[0]]) for point in line if steps[0] in point.times]
        points = (f"{units.size(size)} {units.ms(times.median)}" for size, times in known)
        said.append(f"{struck.called(run, name)}: {', '.join(points)}")
    return " ".join([f"p50 in ms by payload. {'; '.join(said)}.", *sizes.sentences(run)])


def _scale(axes: Axes, tried: Sequence[int], limits_ms: tuple[float, float], *, numbered: bool) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    edge = (tried[-1] / tried[0]) ** 0.06
    low, high = tried[0] / edge, tried[-1] * edge
    axes.set_xlim(low, high)
    axes.set_ylim(*limits_ms)
    canvas.log_axis(axes.xaxis, low, high)
    canvas.log_axis(axes.yaxis, *limits_ms)
    axes.tick_params(labelbottom=numbered)
    axes.grid(color=GRID)


def _line(  # noqa: PLR0917 - what is drawn, where, and how
    on: Canvas, axes: Axes, of: tuple[str, str, Sequence[Point]], shift: float, style: Style, shape: str
) -> None:
    """Draw a variant, a little to one side of its sizes: a point at each, and lines that lead the eye."""
    name, step, line = of
    known = [point for point in line if step in point.times]
    for point, after in pairwise(known):
        with on.of(name):
            places = [each.payload_bytes * shift for each in (point, after)]
            axes.plot(places, [each.times[step].median / 1e3 for each in (point, after)], **lines.stroke(style))
    for point in known:
        x, (median, low, high) = point.payload_bytes * shift, point.times[step]
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


def _cliff(on: Canvas, axes: Axes, name: str, cliff: tuple[int | None, int], style: Style, raised: float) -> None:  # noqa: PLR0917 - likewise
    """Draw where a variant's sessions end, with the status that says so, so many points above the floor."""
    largest, refused = cliff
    at = refused if largest is None else (largest * refused) ** 0.5
    floor, top = axes.get_ylim()
    above = floor * (top / floor) ** (raised / _PANEL)
    kept = "none that was tried" if largest is None else f"keeps {units.size(largest)}"
    mark = Mark(name, "largest session", units.size(refused), "refused", note=kept)
    with on.of(name, mark):
        axes.plot([at, at], [floor, top], color=style.light, linewidth=1.1, linestyle=(0, (1, 1.5)))
        axes.annotate(
            "413", (at, above), xytext=(3, 0), textcoords="offset points", color=ALARM, size=SMALL, weight="bold",
            va="center",
        )  # fmt: skip
