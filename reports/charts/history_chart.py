"""A variant over many runs: a panel per metric, a point per run with its interval, and a line at each level."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Final

from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reports.charts import canvas
from reports.charts.canvas import ALARM, GRID, INK, MUTED, PAPER, SMALL, WIDTH, Canvas
from reports.charts.marks import Mark
from reports.listings import history_listing as listing
from reports.words import units

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from reports.charts.palette import Style
    from reports.judging.history import History, Point, Series

HOW: Final = (
    "A point per run, in multiples of what keeps nothing, or where there is no such, in the metric's own unit; the "
    "line through it is its interval, or from the smallest block to the largest. Hollow: SUSPECT trials in it. Level "
    "lines are medians, broken where a change was seen; dashed uprights part runs that must not be compared."
)
_LEFT: Final = 40.0
_RIGHT: Final = 9.0
_PANEL: Final = 66.0
_HEAD: Final = 16.0
_FOOT: Final = 20.0
_TINY: Final = 6.5
_ROOM: Final = 0.12


def draw(history: History, variant: str, name: str, style: Style, caption: Sequence[str]) -> Canvas | None:
    """Draw every metric of a variant; None when no run has a figure of it."""
    metrics = dict.fromkeys(each.metric for each in history.series if each.variant == variant and each.known)
    if not metrics:
        return None
    depth = _HEAD + _PANEL
    on = Canvas(f"history-{name}", f"Over runs: {variant}", caption, depth * len(metrics) + _FOOT)
    on.only, on.table = variant, "points"
    for place, metric in enumerate(metrics):
        shown = [each for each in history.series if (each.variant, each.metric) == (variant, metric)]
        top = place * depth + _HEAD
        own = listing.told(metric)
        inside = [unit for unit in dict.fromkeys(listing.unit(each) for each in shown if each.known) if unit]
        on.heading(_LEFT, top - 4, WIDTH - _LEFT - _RIGHT, ", ".join([own.name, *inside]), "")
        axes = on.axes(_LEFT, top, WIDTH - _LEFT - _RIGHT, _PANEL)
        _panel(on, axes, history, shown, style)
        last = place == len(metrics) - 1
        axes.set_xlim(-0.5, max(len(history.runs) - 0.5, 0.5))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_locator(FixedLocator([]))
        if last:
            _dates(on, history, top + _PANEL + 12)
    return on


def _panel(on: Canvas, axes: Axes, history: History, shown: Sequence[Series], style: Style) -> None:
    marks = [(series, point) for series in shown for point in series.known]
    reach = [each for series, point in marks for each in _ends(series, point)]
    low, high = min(reach), max(reach)
    room = (high - low) * _ROOM or abs(high) * _ROOM or 1.0
    axes.set_ylim(max(low - room, 0) if low >= 0 else low - room, high + room)
    for series in shown:
        _levels(axes, series, style)
    for series, point in marks:
        bottom, top = _ends(series, point)
        with on.of(series.variant, _told(history, series, point)):
            axes.plot(
                [point.run] * 2, [bottom, top], color=style.light, linewidth=2.2, alpha=0.4, solid_capstyle="butt"
            )
            axes.plot(
                [point.run], [point.figure or 0.0], marker="o", markersize=3.4, color=style.light, linestyle="none",
                markerfacecolor=PAPER if point.suspect else style.light, markeredgewidth=0.9,
            )  # fmt: skip
    _parts(axes, history, shown)
    write = (lambda value, _: units.significant(value)) if shown[0].relative else _written(shown[0])
    canvas.linear_axis(axes.yaxis, 3, lowest=axes.get_ylim()[0], highest=axes.get_ylim()[1])
    axes.yaxis.set_major_formatter(FuncFormatter(write))
    axes.grid(axis="y", color=GRID, linewidth=0.6)


def _told(history: History, series: Series, point: Point) -> Mark:
    """Return a run's figure with its interval; the run by its folder and by when it began."""
    what = f"{listing.told(series.metric).name} in {history.runs[point.run].folder} of "
    what += listing.moment(history, point.run)
    figure, span = listing.figure(series, point.figure or 0.0), listing.ends(series, point)
    reach = "" if span == units.MISSING else span
    return Mark(series.variant, what, figure, listing.unit(series), reach, listing.doubt(point))


def _written(series: Series) -> Callable[[float, object], str]:
    """Return how an axis writes a metric's own unit."""
    write = listing.told(series.metric).write
    return lambda value, _: write(value) if value > 0 else "0"


def _ends(series: Series, point: Point) -> tuple[float, float]:
    if series.relative and point.over is not None:
        return point.over.low, point.over.high
    if point.value is not None:
        return point.value.min, point.value.max
    return math.nan, math.nan


def _levels(axes: Axes, series: Series, style: Style) -> None:
    """Draw the median of each level, and an alarm-coloured step where one begins."""
    known = series.known
    starts = [0, *(next(at for at, each in enumerate(known) if each.run == change.run) for change in series.changes)]
    for number, start in enumerate(starts):
        level = known[start : starts[number + 1] if number + 1 < len(starts) else None]
        if not level:
            continue
        height = statistics.median(each.figure or 0.0 for each in level)
        axes.plot([level[0].run - 0.4, level[-1].run + 0.4], [height] * 2, color=style.light, linewidth=1)
        if number:
            axes.axvline(level[0].run - 0.5, color=ALARM, linewidth=0.9)


def _parts(axes: Axes, history: History, shown: Sequence[Series]) -> None:
    """Draw where a run is of another series than the one before it, with the series' label."""
    of = {point.run: series.label for series in shown for point in series.points}
    if len(set(of.values())) == 1:
        return
    before = ""
    for run in range(len(history.runs)):
        label = of.get(run, before)
        if label != before:
            if before:
                axes.axvline(run - 0.5, color=MUTED, linewidth=0.7, linestyle=(0, (3, 2)))
            axes.text(
                run - 0.4, 1.0, label, transform=axes.get_xaxis_transform(), va="top", ha="left", size=_TINY, color=INK
            )
        before = label


def _dates(on: Canvas, history: History, y: float) -> None:
    """Write when the first and the last run began."""
    first, last = (listing.moment(history, place) for place in (0, -1))
    on.text(_LEFT, y, first if len(history.runs) > 1 else last, color=MUTED, size=SMALL)
    if len(history.runs) > 1:
        on.text(WIDTH - _RIGHT, y, last, color=MUTED, size=SMALL, ha="right")
