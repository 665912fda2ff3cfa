"""The chart of distance: latency, throughput and capacity of every series over the round-trip time to its store."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from reports.charts import canvas, lines, palette
from reports.charts.canvas import GRID, MUTED, WIDTH, Canvas
from reports.charts.lines import GAP, HEAD, LEFT, RIGHT, Entry
from reports.charts.marks import Mark
from reports.listings import crossover
from reports.words import units

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from reports.charts.palette import Style
    from reports.format import Run
    from reports.listings.crossover import Point, Series

HOW: Final = (
    "The distance is in proportion up to the first step and logarithmic beyond. Marks are medians, bars behind them "
    "{}; the lines between lead the eye and were not measured. Hollow: OVERLOADED. Crossed: FAILED."
)
_PANEL: Final = 84.0
_BESIDE: Final = 0.012
"""By this share of the width neighbouring series stand apart at one distance, so that no bar hides another."""
_CAPACITY: Final = "capacity"

Ends = tuple[float, float, float]


def draw(run: Run, caption: Sequence[str]) -> Canvas | None:
    """Draw a panel per figure that the run has over distance; None where there is no series."""
    found = crossover.series(run)
    panels = {name: title for name, title in _panels(run).items() if any(_known(each, name) for each in found)}
    if not found or not panels:
        return None
    styles = palette.styles(run.model_copy(update={"variants": [each.first for each in found]}))
    rtts = sorted({point.rtt_ms for each in found for point in each.points})
    deep = len(panels) * (_PANEL + GAP) + HEAD
    entries = [
        Entry(each.name, style=styles[each.first.name], shape=lines.shape(number)) for number, each in enumerate(found)
    ]
    on = Canvas("distance", "What distance to the store costs", caption, deep + lines.depth(entries))
    for place, (name, (title, unit)) in enumerate(panels.items()):
        top = HEAD + place * (_PANEL + GAP)
        axes = on.axes(LEFT, top, WIDTH - LEFT - RIGHT, _PANEL)
        _scale(axes, rtts, [end for each in found for _, ends in _known(each, name) for end in ends])
        axes.tick_params(labelbottom=place == len(panels) - 1)
        for number, each in enumerate(found):
            shift = (number - (len(found) - 1) / 2) * _BESIDE
            shape = None if name == _CAPACITY else lines.shape(number)
            _line(on, axes, (each, name, title), shift, styles[each.first.name], shape)
        on.text(LEFT, top - 4, title, weight="bold")
        on.text(WIDTH - RIGHT, top - 4, unit, color=MUTED, ha="right")
    lines.legend(on, deep, "round-trip time between app and store, ms", entries)
    return on


def how(run: Run) -> str:
    """Return how the chart is read."""
    figures = [figure for each in crossover.series(run) for point in each.points for figure in point.figures.values()]
    exact = bool(figures) and all(figure.exact for figure in figures)
    return HOW.format("95 % intervals" if exact else "reach from the smallest to the largest block")


def describe(run: Run) -> str:
    """Put the chart into words."""
    said = crossover.sentences(run)
    names = ", ".join(each.name for each in crossover.series(run))
    return " ".join(said) if said else f"Latency and throughput of {names} over the round-trip time to their stores."


def _panels(run: Run) -> dict[str, tuple[str, str]]:
    """Return title and unit of each panel."""
    shown = {
        metric: (title, "ms, logarithmic" if metric.endswith("_us") else "right answers/s, logarithmic")
        for metric, title in crossover.metrics(run).items()
    }
    return shown | {_CAPACITY: ("capacity", "arrivals/s, logarithmic")}


def _known(each: Series, name: str) -> list[tuple[Point, Ends]]:
    """Return what a panel shows of a series: the middle and the ends, ms or a second; capacities have no middle."""
    known: list[tuple[Point, Ends]] = []
    for point in each.points:
        if name == _CAPACITY:
            found = point.capacity
            low, high = (found.lower_per_s, found.upper_per_s) if found else (None, None)
            if low is not None and high is not None:
                known.append((point, ((low * high) ** 0.5, low, high)))
        elif (figure := point.figures.get(name)) is not None:
            scale = 1e3 if name.endswith("_us") else 1.0
            known.append((point, (figure.middle / scale, figure.low / scale, figure.high / scale)))
    return known


def _scale(axes: Axes, rtts: Sequence[float], ends: Iterable[float]) -> None:
    """Lay the distances out; zero has a place, and so has every one that was tried, by its name."""
    steps = [rtt for rtt in rtts if rtt > 0]
    axes.set_xscale("symlog", linthresh=steps[0] if steps else 1.0, linscale=0.5)
    forward = axes.get_xaxis().get_transform()
    places = forward.transform([float(rtt) for rtt in rtts])
    edge = float(places[-1] - places[0]) * 0.06 or 0.5
    first, last = forward.inverted().transform([float(places[0]) - edge, float(places[-1]) + edge])
    axes.set_xlim(float(first), float(last))
    canvas.named_axis(axes.xaxis, {rtt: f"{rtt:g}" for rtt in rtts})
    known = [end for end in ends if end > 0]
    low, high = (min(known) * 0.85, max(known) * 1.18) if known else (1.0, 10.0)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    canvas.log_axis(axes.yaxis, low, high)
    axes.grid(color=GRID)


def _moved(axes: Axes, rtts: Sequence[float], shift: float) -> list[float]:
    """Return places so much of the width beside these distances."""
    forward = axes.get_xaxis().get_transform()
    low, high = (float(each) for each in forward.transform(list(axes.get_xlim())))
    there = [float(each) + (high - low) * shift for each in forward.transform(list(rtts))]
    return [float(each) for each in forward.inverted().transform(there)]


def _line(  # noqa: PLR0917 - what is drawn, where, and how
    on: Canvas, axes: Axes, of: tuple[Series, str, str], shift: float, style: Style, shape: str | None
) -> None:
    """Draw a series, a little to one side of its distances; without a shape only the reach of each point."""
    each, name, title = of
    known = _known(each, name)
    places = _moved(axes, [point.rtt_ms for point, _ in known], shift)
    seen = list(zip(places, known, strict=True))
    if shape is not None:
        for (x, (point, ends)), (beyond, (after, others)) in pairwise(seen):
            with on.of((point.variant, after.variant)):
                axes.plot([x, beyond], [ends[0], others[0]], **lines.stroke(style) | {"linewidth": 0.9})
    for x, (point, (middle, least, most)) in seen:
        with on.of(point.variant, _told(point, name, title)):
            axes.plot([x, x], [least, most], color=style.light, linewidth=3.0, alpha=0.4, solid_capstyle="butt")
            if shape is None:
                axes.plot([x, x], [least, most], linestyle="none", color=style.light, marker="_", markersize=6)
            else:
                axes.plot([x], [middle], linestyle="none", **lines.mark(point.state, style.light, shape))


def _told(point: Point, name: str, title: str) -> Mark:
    """Return a point of a series with its range."""
    what = f"{title} at {point.rtt_ms:g} ms"
    note = "" if point.state == "VALID" else point.state
    if name == _CAPACITY:
        figure = crossover.bounds(point.capacity) if point.capacity else units.MISSING
        return Mark(point.variant, what, figure, "/s", note=note)
    middle, span = crossover.written(point.figures[name], name)
    unit = "ms" if name.endswith("_us") else "/s"
    return Mark(point.variant, what, units.at_least(middle, bounded=name in point.bounds), unit, span, note)
