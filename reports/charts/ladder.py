"""Latency against load: p50 and p99 of every variant at every rate of the ladder and at the common one."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from reports.charts import canvas, lines
from reports.charts.canvas import GRID, MUTED, WIDTH, Canvas
from reports.charts.lines import GAP, HEAD, LEFT, RIGHT
from reports.charts.marks import Mark
from reports.listings import struck, view
from reports.verdict import GRAVITY
from reports.words import units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.charts.palette import Style
    from reports.format import Run

_PANEL: Final = 116.0
_PANELS: Final = {"p50_us": "p50", "p99_us": "p99"}


@dataclass(frozen=True, slots=True)
class Rung:
    """One variant at one rate, over the trials that count; `times` are median, smallest, largest by metric, in ms."""

    rate_per_s: float
    state: str
    """The gravest verdict of them."""
    times: dict[str, tuple[float, float, float]]
    bounds: frozenset[str]
    """Which metrics are lower bounds."""


def rungs(run: Run) -> dict[str, list[Rung]]:
    """Return by variant what is known of its latency at rates; INVALID trials and other loads count for nothing."""
    seen: dict[str, dict[float, list[tuple[str, dict[str, float], list[str]]]]] = {}
    for trial in run.trials:
        told = trial.load or run.plan.load
        if trial.purpose not in {"latency", "ladder"} or told.rate_per_s is None or trial.verdict.state == "INVALID":
            continue
        for arm in trial.arms:
            if arm.figures is None:
                continue
            times = {metric: value for metric in _PANELS if (value := getattr(arm.figures, metric)) is not None}
            found = seen.setdefault(arm.variant, {}).setdefault(told.rate_per_s, [])
            found.append((trial.verdict.state, times, arm.figures.at_least))
    return {
        variant.name: [_rung(rate, trials) for rate, trials in sorted(seen[variant.name].items())]
        for variant in view.ordered(run)
        if variant.name in seen
    }


def _rung(rate_per_s: float, trials: list[tuple[str, dict[str, float], list[str]]]) -> Rung:
    times = {}
    for metric in _PANELS:
        values = [known[metric] / 1e3 for _, known, _ in trials if metric in known]
        if values:
            times[metric] = statistics.median(values), min(values), max(values)
    state = max((state for state, _, _ in trials), key=GRAVITY.index)
    return Rung(rate_per_s, state, times, frozenset(name for *_, names in trials for name in names))


def draw(run: Run, styles: Mapping[str, Style], caption: Sequence[str]) -> Canvas | None:
    """Draw a panel for p50 and one for p99; None unless latency was measured at two rates at least."""
    found = rungs(run)
    rates = sorted({rung.rate_per_s for line in found.values() for rung in line})
    ends = [end for line in found.values() for rung in line for time in rung.times.values() for end in time[1:]]
    if len(rates) < 2 or not ends:  # noqa: PLR2004 - a line has two ends
        return None
    deep = len(_PANELS) * (_PANEL + GAP) + HEAD
    states = {rung.state for line in found.values() for rung in line}
    entries = lines.entries(found, styles, struck.checks(run), states)
    on = Canvas("load", "Latency against load", caption, deep + lines.depth(entries))
    low, high = max(min(ends), 1e-3) * 0.85, max(ends) * 1.15
    for place, (metric, title) in enumerate(_PANELS.items()):
        top = HEAD + place * (_PANEL + GAP)
        axes = on.axes(LEFT, top, WIDTH - LEFT - RIGHT, _PANEL)
        _scale(axes, rates, (low, high), numbered=place == len(_PANELS) - 1)
        for number, (name, line) in enumerate(found.items()):
            with on.of(name):
                _line(on, axes, (name, line), metric, styles[name], lines.shape(number))
        on.text(LEFT, top - 4, title, weight="bold")
        on.text(WIDTH - RIGHT, top - 4, "ms, logarithmic", color=MUTED, ha="right")
    lines.legend(on, deep, "arrivals/s, logarithmic", entries)
    return on


def describe(run: Run) -> str:
    """Put the chart into words."""
    said = []
    for name, line in rungs(run).items():
        known = [rung for rung in line if "p99_us" in rung.times]
        points = (f"{units.per_second(rung.rate_per_s)}/s {units.ms(rung.times['p99_us'][0] * 1e3)}" for rung in known)
        said.append(f"{struck.called(run, name)}: {', '.join(points)}")
    return f"p99 in ms by arrival rate. {'; '.join(said)}."


def _scale(axes: Axes, rates: Sequence[float], limits_ms: tuple[float, float], *, numbered: bool) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    edge = (rates[-1] / rates[0]) ** 0.05
    axes.set_xlim(rates[0] / edge, rates[-1] * edge)
    axes.set_ylim(*limits_ms)
    canvas.log_axis(axes.yaxis, *limits_ms)
    room = (WIDTH - LEFT - RIGHT) / math.log(rates[-1] * edge / rates[0] * edge)
    named = lines.apart({rate: units.per_second(rate) for rate in rates}, lambda rate: math.log(rate) * room)
    canvas.named_axis(axes.xaxis, named)
    axes.tick_params(labelbottom=numbered)
    axes.grid(color=GRID)


def _line(  # noqa: PLR0917 - what is drawn, where, and how
    on: Canvas, axes: Axes, of: tuple[str, Sequence[Rung]], metric: str, style: Style, marker: str
) -> None:
    """Draw a variant: a line through what it carried, dotted to where it did not."""
    name, line = of
    known = [rung for rung in line if metric in rung.times]
    for rung, after in pairwise(known):
        stroke = lines.stroke(style)
        if after.state == "OVERLOADED":
            stroke |= {"dashes": (1, 1.6), "linewidth": 0.9}
        ends = [(each.rate_per_s, each.times[metric][0]) for each in (rung, after)]
        axes.plot(*zip(*ends, strict=True), **stroke)
    for rung in known:
        median, low, high = rung.times[metric]
        with on.of(name, _told(name, rung, metric)):
            axes.plot([rung.rate_per_s] * 2, [low, high], color=style.light, linewidth=2.4, alpha=0.35)
            axes.plot([rung.rate_per_s], [median], linestyle="none", **lines.mark(rung.state, style.light, marker))


def _told(name: str, rung: Rung, metric: str) -> Mark:
    """Return a point of the ladder with its smallest and its largest trial."""
    median, low, high = (time * 1e3 for time in rung.times[metric])
    return Mark(
        name, f"{_PANELS[metric]} at {units.per_second(rung.rate_per_s)}/s",
        units.at_least(units.ms(median), bounded=metric in rung.bounds), "ms", units.span(low, high, units.ms),
        "" if rung.state == "VALID" else rung.state,
    )  # fmt: skip
