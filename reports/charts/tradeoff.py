"""The trade-off in one picture: p99 against the load that is carried, the mark as large as the CPU that it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.charts import canvas
from reports.charts.canvas import ALARM, GRID, INK, MARGIN, MUTED, PAPER, SMALL, WIDTH, Canvas
from reports.charts.marks import Mark
from reports.charts.tradeoff_labels import Box, Point, leads_to, places
from reports.choice import needs_contest, needs_metrics
from reports.listings import findings, struck, view
from reports.words import units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.charts.palette import Style
    from reports.charts.tradeoff_labels import Place
    from reports.choice.needs import Figure
    from reports.format import Run

_LEFT: Final = 34.0
_RIGHT: Final = 10.0
_TOP: Final = 16.0
_DEEP: Final = 190.0
_BELOW: Final = 54.0
_WIDE: Final = WIDTH - _LEFT - _RIGHT
_LARGEST: Final = 20.0
_SMALLEST: Final = 4.0
"""Diameters of marks in points."""
_LOGARITHMIC: Final = 4.0
"""From this span on a scale is logarithmic: on an even one the small would lie on each other."""
_NAME: Final = 112.0


@dataclass(frozen=True, slots=True)
class Spot:
    """A variant on the chart; times are in ms, rates per second, CPU in µs per request."""

    row: view.Row
    p99: Figure
    low_per_s: float | None
    high_per_s: float | None
    middle_per_s: float
    cpu_us: float | None
    said: str
    """What it carries, in words."""


@dataclass(frozen=True, slots=True)
class _Scales:
    """From figures to points on the canvas."""

    x: tuple[float, float]
    y: tuple[float, float]
    log_x: bool
    log_y: bool

    def at(self, per_s: float, ms: float) -> tuple[float, float]:
        across, up = _share(per_s, self.x, log=self.log_x), _share(ms, self.y, log=self.log_y)
        return _LEFT + across * _WIDE, _TOP + (1 - up) * _DEEP


def spots(run: Run) -> list[Spot]:
    """Return every variant of which both p99 at the common rate and the load that it carries are known."""
    if not view.is_open(run):
        return []
    capacities = {each.variant: each for each in run.capacities}
    p99, load = needs_metrics.speed(run), needs_metrics.throughput(run)
    found = []
    for row in view.sheet(run).rows:
        latency = needs_contest.figure(run, row.variant, p99)
        if latency is None:
            continue
        cpu = needs_contest.figure(run, row.variant, needs_metrics.APP_CPU)
        cpu_us = None if cpu is None else cpu.value
        if capacities:
            capacity = capacities.get(row.variant.name)
            if capacity is not None and (middle := _middle(capacity.lower_per_s, capacity.upper_per_s)) is not None:
                said = findings.bounds(capacity)
                found.append(Spot(row, latency, capacity.lower_per_s, capacity.upper_per_s, middle, cpu_us, said))
        elif (drawn := needs_contest.figure(run, row.variant, load)) is not None and drawn.low > 0:
            high = None if drawn.at_least else drawn.high
            found.append(
                Spot(row, latency, drawn.low, high, drawn.value, cpu_us, units.Written(drawn.text, drawn.value))
            )
    return found


def _middle(lower: float | None, upper: float | None) -> float | None:
    """Return where a mark stands: amid the interval, or at the only end that is known."""
    return math.sqrt(lower * upper) if lower and upper else lower or upper


def draw(run: Run, styles: Mapping[str, Style], caption: Sequence[str]) -> Canvas | None:
    """Draw the chart; None unless two variants can stand on it."""
    shown = spots(run)
    if len(shown) < 2:  # noqa: PLR2004 - one trades nothing off
        return None
    on = Canvas(
        "tradeoff", "The trade-off: p99 against load", caption, _TOP + _DEEP + _BELOW + 12 * bool(_missing(run, shown))
    )
    axes = on.axes(_LEFT, _TOP, _WIDE, _DEEP)
    scales = _scaled(axes, shown)
    largest = max((spot.cpu_us for spot in shown if spot.cpu_us), default=0.0)
    points, lines = [], []
    out, alike = struck.checks(run), _alike(shown)
    for spot in shown:
        name = spot.row.variant.name
        radius = _diameter(spot.cpu_us, largest) / 2
        with on.of(name, *_told(spot)):
            lines += _bars(axes, scales, spot, styles[name])
            _mark(axes, spot, styles[name], radius, struck=name in out)
        x, y = scales.at(spot.middle_per_s, spot.p99.value / 1e3)
        points.append(
            Point(x, y, radius, canvas.measure(_fitted(name), SMALL) + _mark_width(spot, alike) + 1, SMALL + 2)
        )
    better = "better: below, right"
    taken = Box(_LEFT + _WIDE - canvas.measure(better, SMALL) - 2, _TOP + _DEEP - 13, _WIDE, 13)
    on.text(_LEFT + _WIDE - 2, _TOP + _DEEP - 5, better, color=MUTED, ha="right")
    within = Box(_LEFT + 1, _TOP, _WIDE + _RIGHT - 6, _DEEP)
    for spot, point, place in zip(shown, points, places(points, lines, [taken], within), strict=True):
        with on.of(spot.row.variant.name):
            _named(on, spot, point, place, alike=alike, struck=spot.row.variant.name in out)
    if alike:
        on.text(_LEFT + _WIDE, _TOP - 5, f"all {alike}", color=MUTED, weight="bold", ha="right")
    at = units.per_second(run.plan.load.rate_per_s or 0)
    on.text(MARGIN, _TOP - 5, f"p99 at {at}/s, ms{', logarithmic' if scales.log_y else ''}", color=MUTED)
    on.text(WIDTH / 2, _TOP + _DEEP + 25, _across(run, scales), color=MUTED, ha="center")
    _legend(on, largest)
    if missing := _missing(run, shown):
        on.text(MARGIN, _TOP + _DEEP + _BELOW + 8, canvas.fit(missing, WIDTH - 2 * MARGIN, SMALL), color=MUTED)
    return on


def _missing(run: Run, shown: Sequence[Spot]) -> str:
    """Return who has figures and no place here."""
    there = {spot.row.variant.name for spot in shown}
    names = [row.variant.name for row in view.sheet(run).rows if row.trials and row.variant.name not in there]
    why = "no capacity searched" if run.capacities else "not all is known"
    return f"{why}: {', '.join(names)}" if names else ""


def describe(run: Run) -> str:
    """Put the chart into words."""
    said = []
    for spot in spots(run):
        state = "" if spot.row.trusted else f" ({spot.row.state})"
        cpu = "CPU unknown" if spot.cpu_us is None else f"{units.us(spot.cpu_us)} µs/request"
        said.append(f"{struck.called(run, spot.row.variant.name)}{state} {spot.p99.text}, {spot.said}, {cpu}")
    kind = "capacity" if run.capacities else "throughput of closed loops"
    return f"p99 at the common rate, {kind}, CPU of the app per request: {'; '.join(said)}."


def _across(run: Run, scales: _Scales) -> str:
    objective = f" with {run.plan.objective.text}" if run.plan.objective else ""
    if run.capacities:
        said = f"capacity{objective}, arrivals/s"
    else:
        said = f"requests/s of {units.plural(run.plan.closed_users, 'user')} in closed loops"
    return canvas.fit(f"{said}{', logarithmic' if scales.log_x else ''}", WIDTH - 2 * MARGIN, SMALL)


def _scaled(axes: Axes, shown: Sequence[Spot]) -> _Scales:
    rates = [end for spot in shown for end in (spot.low_per_s, spot.high_per_s, spot.middle_per_s) if end]
    times = [end / 1e3 for spot in shown for end in (spot.p99.low, spot.p99.high)]
    log_x, log_y = (max(ends) / min(ends) >= _LOGARITHMIC for ends in (rates, times))
    scales = _Scales(_limits(rates, log=log_x), _limits(times, log=log_y), log_x, log_y)
    for axis, name, limits, log in ((axes.xaxis, "x", scales.x, log_x), (axes.yaxis, "y", scales.y, log_y)):
        getattr(axes, f"set_{name}scale")("log" if log else "linear")
        getattr(axes, f"set_{name}lim")(*limits)
        if log:
            canvas.log_axis(axis, *limits)
        else:
            canvas.linear_axis(axis)
    axes.grid(color=GRID)
    return scales


def _limits(ends: Sequence[float], *, log: bool) -> tuple[float, float]:
    """Return a scale with room for marks at both ends; an even one begins at nothing."""
    low, high = min(ends), max(ends)
    if not log:
        return 0.0, high * 1.14
    room = (high / low) ** 0.09
    return low / room, high * room


def _share(value: float, limits: tuple[float, float], *, log: bool) -> float:
    low, high = limits
    return math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)


def _diameter(cpu_us: float | None, largest: float) -> float:
    """Return a diameter so that areas are as the CPU."""
    return _SMALLEST if not cpu_us or not largest else max(_LARGEST * math.sqrt(cpu_us / largest), _SMALLEST)


def _bars(axes: Axes, scales: _Scales, spot: Spot, style: Style) -> list[Box]:
    """Draw how far both figures reach, an arrow where nobody knows how much farther; return where that is."""
    y = spot.p99.value / 1e3
    low, high = spot.low_per_s or scales.x[0], spot.high_per_s or scales.x[1]
    stroke: dict[str, Any] = {"color": style.light, "linewidth": 1.3, "solid_capstyle": "butt", "zorder": 4}
    axes.plot([low, high], [y, y], **stroke)
    top = scales.y[1] if spot.p99.at_least else spot.p99.high / 1e3
    axes.plot([spot.middle_per_s] * 2, [spot.p99.low / 1e3, top], **stroke)
    tip: dict[str, Any] = {"color": style.light, "markersize": 4, "linestyle": "none", "clip_on": False, "zorder": 4}
    if spot.high_per_s is None:
        axes.plot([high], [y], marker=">", **tip)
    if spot.low_per_s is None:
        axes.plot([low], [y], marker="<", **tip)
    if spot.p99.at_least:
        axes.plot([spot.middle_per_s], [top], marker="^", **tip)
    (left, across), (right, _) = scales.at(low, y), scales.at(high, y)
    (middle, foot), (_, head) = scales.at(spot.middle_per_s, spot.p99.low / 1e3), scales.at(spot.middle_per_s, top)
    return [Box(left, across - 1, right - left, 2), Box(middle - 1, head, 2, foot - head)]


def _mark(axes: Axes, spot: Spot, style: Style, radius: float, *, struck: bool) -> None:
    """Draw the mark: full when its figures are trusted, hollow when not, crossed out where the audit strikes it."""
    at = [spot.middle_per_s], [spot.p99.value / 1e3]
    shape: dict[str, Any] = {"marker": "o", "markersize": 2 * radius, "linestyle": "none", "color": style.light}
    # Pale, so that the ranges are seen upon it.
    axes.plot(*at, **shape, markerfacecolor=PAPER, markeredgewidth=0, zorder=2)
    if style.solid and spot.row.trusted:
        axes.plot(*at, **shape, markeredgewidth=0, alpha=0.4, zorder=2)
    axes.plot(*at, **shape, markerfacecolor="none", markeredgewidth=1.3, zorder=3)
    if struck:
        axes.plot(
            *at, marker="x", markersize=2 * radius + 4, linestyle="none", color=ALARM, markeredgewidth=1.6, zorder=5
        )


def _told(spot: Spot) -> list[Mark]:
    """Return what a mark stands for, as figures; their texts have their units and ranges."""
    name, note = spot.row.variant.name, spot.row.mark
    cpu = [] if spot.cpu_us is None else [Mark(name, "app CPU", units.us(spot.cpu_us), "µs/request", note=note)]
    p99 = units.Written(spot.p99.text, spot.p99.value)
    return [Mark(name, "p99", p99, "", note=note), Mark(name, "load", spot.said, "", note=note), *cpu]


def _alike(shown: Sequence[Spot]) -> str:
    """Return the mark that all have, which is then said once; nothing where they differ or one is alarming."""
    marks = {spot.row.brief for spot in shown}
    return "" if len(marks) > 1 or any(spot.row.alarming for spot in shown) else marks.pop()


def _mark_width(spot: Spot, alike: str) -> float:
    return canvas.measure(spot.row.brief, SMALL, bold=True) + 4 if spot.row.brief != alike else 0.0


def _fitted(name: str) -> str:
    return canvas.fit(name, _NAME, SMALL)


def _named(on: Canvas, spot: Spot, point: Point, place: Place, *, alike: str, struck: bool) -> None:
    """Write a variant's name where there is room for it, and lead to it where that is far."""
    box = place.box
    if place.led:
        ends = leads_to(point, box)
        share = point.radius / max(math.hypot(ends[0] - point.x, ends[1] - point.y), point.radius)
        edge = (point.x + (ends[0] - point.x) * share, point.y + (ends[1] - point.y) * share)
        line = zip(_in_axes(*edge), _in_axes(*ends), strict=True)
        axes = on.figure.axes[0]
        axes.plot(*line, color=MUTED, linewidth=0.6, transform=axes.transAxes, zorder=3)
    name = _fitted(spot.row.variant.name)
    on.variant(box.left, box.bottom - 3, name, struck=struck, color=INK)
    if spot.row.brief != alike:
        colour = ALARM if spot.row.alarming else MUTED
        on.text(box.left + canvas.measure(name, SMALL) + 3, box.bottom - 3, spot.row.brief, color=colour, weight="bold")


def _in_axes(x: float, y: float) -> tuple[float, float]:
    return (x - _LEFT) / _WIDE, 1 - (y - _TOP) / _DEEP


def _legend(on: Canvas, largest: float) -> None:
    """Draw a few sizes with what they stand for."""
    if not largest:
        return
    y, x = _TOP + _DEEP + 42, MARGIN
    on.text(x, y + 3, "app CPU, µs/request", color=MUTED)
    x += canvas.measure("app CPU, µs/request", SMALL) + 10
    for size_us in _round(largest):
        diameter = _diameter(size_us, largest)
        axes = on.axes(x, y - _LARGEST / 2, _LARGEST, _LARGEST)
        axes.set_axis_off()
        axes.set_xlim(-1, 1)
        axes.set_ylim(-1, 1)
        axes.plot(
            [0], [0], marker="o", markersize=diameter, color=MUTED, markerfacecolor="none", markeredgewidth=1,
            linestyle="none",
        )  # fmt: skip
        text = f"{size_us:,.10g}"
        on.text(x + _LARGEST + 2, y + 3, text, color=MUTED)
        x += _LARGEST + canvas.measure(text, SMALL) + 12


def _round(largest: float) -> list[float]:
    """Return three round numbers up to the largest, a step of 1, 2, 5 apart."""
    exponent = math.floor(math.log10(largest))
    steps = [step * 10.0**power for power in range(exponent - 1, exponent + 1) for step in (1, 2, 5)]
    return [step for step in steps if step <= largest][-3:]
