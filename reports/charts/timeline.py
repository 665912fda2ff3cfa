"""A variant's trials over time: latency bands above, arrivals and answers below, what is not the window shaded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from reports.charts import canvas
from reports.charts.canvas import ALARM, GRID, INK, MUTED, SHADE, SMALL, WIDTH, Canvas
from reports.charts.marks import Mark
from reports.listings import struck, view
from reports.verdict import GRAVITY
from reports.words import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from reports.charts.palette import Style
    from reports.data import Recorded
    from reports.format import Run, Trial, Variant
    from reports.trials.outline import Outline

_LEFT: Final = 34.0
_RIGHT: Final = 9.0
_GAP: Final = 7.0
_HEAD: Final = 16.0
_LATENCY: Final = 84.0
_RATE: Final = 34.0
_WAITING: Final = 22.0
_APART: Final = 12.0
"""Points between the rates and the waiting, where the largest number needs its line."""
_FOOT: Final = 32.0
_LINE: Final = 11.0
_TINY: Final = 6.5
"""Type size of the names of phases, which stand upright in the phases."""
MOST: Final = 12
"""Trials of a variant that are drawn: more would make the page of a long run too large, and say no more."""

Shown = list[tuple["Trial", "Outline"]]


def draw(
    recorded: Recorded,
    variant: Variant,
    name: str,
    style: Style,
    limits_ms: tuple[float, float],
) -> Canvas | None:
    """Draw a panel per latency trial that counts, or per one of those `chosen`; None when there is nothing to draw."""
    counted = _shown(recorded, variant)
    if not counted:
        return None
    shown = chosen(counted)
    across = min(len(shown), 3 if len(shown) <= 6 else 4)  # noqa: PLR2004 - so that a panel can hold its name
    down = math.ceil(len(shown) / across)
    queued = any(line.waiting for _, line in shown)
    deep = _HEAD + _LATENCY + _GAP + _RATE + 8 + (_APART + _WAITING) * queued
    words = [*legend(shown), *_left_out(recorded.run, variant)]
    if len(shown) < len(counted):
        words.append(f"{len(shown)} of {len(counted)} trials, by the gravest verdicts and evenly")
    on = Canvas(
        f"timeline-{name}",
        f"Over time: {struck.called(recorded.run, variant.name)}",
        view.caption(recorded.run, variant),
        down * deep + _FOOT + _LINE * (len(words) - 2),
    )
    on.only, on.table = variant.name, "trials"
    width = (WIDTH - _LEFT - _RIGHT - _GAP * (across - 1)) / across
    most = max((int(line.waiting[1].max()) for _, line in shown if line.waiting), default=0) * 1.1
    per_second = _rates(shown, recorded.run)
    for place, (trial, line) in enumerate(shown):
        row, column = divmod(place, across)
        left, top = _LEFT + column * (width + _GAP), row * deep + _HEAD
        on.heading(left, top - 4, width, *_heading(trial, width))
        panels = [on.axes(left, top, width, _LATENCY), on.axes(left, top + _LATENCY + _GAP, width, _RATE)]
        _latency(panels[0], line, style, limits_ms)
        _rate(panels[1], trial, line, style, per_second)
        if queued:
            panels.append(on.axes(left, top + _LATENCY + _GAP + _RATE + _APART, width, _WAITING))
            _waiting(panels[2], line, most)
        for axes in panels:
            axes.set_xlim(-trial.warmup_s, line.end_s)
            _phases(axes, trial, line, width, named=axes is panels[0])
            canvas.linear_axis(axes.xaxis, 2, highest=0.9 * line.end_s)
            axes.tick_params(
                labelleft=column == 0, left=column == 0,
                labelbottom=axes is panels[-1] and place + across >= len(shown),
            )  # fmt: skip
        marks = told(trial, variant.name)
        with on.of(variant.name, *marks, told=said(trial, marks)):
            on.cover(left, top - _HEAD, width, deep)
        if column == 0:
            on.text(canvas.MARGIN, top - 4, "ms")
            on.text(canvas.MARGIN, top + _LATENCY + _GAP + 1, "req/s")
            if queued:
                on.text(canvas.MARGIN, top + _LATENCY + _GAP + _RATE + _APART - 2, "waiting")
    for place, text in enumerate(words):
        on.text(WIDTH / 2, down * deep + 17 + place * _LINE, text, color=MUTED, ha="center")
    return on


def chosen(counted: Shown) -> Shown:
    """Return the trials that are drawn, at most `MOST`: those with graver verdicts first, equals evenly spread."""
    taken: Shown = []
    for state in reversed(GRAVITY):
        alike = [each for each in counted if each[0].verdict.state == state]
        room = min(MOST - len(taken), len(alike))
        taken += [alike[place * len(alike) // room] for place in range(room)]
    return sorted(taken, key=lambda each: each[0].number)


def _heading(trial: Trial, width: float) -> tuple[str, str]:
    """Return a panel's name and its alarm; where both have no room, the number alone says which trial it is."""
    mark = "" if trial.verdict.state in {"VALID", "SUSPECT"} else trial.verdict.state
    name = f"trial {trial.number}"
    room = width - canvas.measure(mark, SMALL, bold=True) - 5
    return (name if not mark or canvas.measure(name, SMALL) <= room else str(trial.number)), mark


def told(trial: Trial, variant: str) -> list[Mark]:
    """Return what was measured in the window of a trial: how much of it, how much of that was answered, how fast."""
    figures = next((arm.figures for arm in trial.arms if arm.variant == variant), None)
    if figures is None:
        return []
    what = f"trial {trial.number}"
    unit = "requests" if figures.achieved_share is None else "arrivals"
    marks = [Mark(variant, what, units.count(figures.requests), unit)]
    if figures.achieved_share is not None:
        marks.append(Mark(variant, what, units.percent(figures.achieved_share), "of them answered"))
    for name in ("p50", "p99"):
        if (value := getattr(figures, f"{name}_us")) is not None:
            figure = units.at_least(units.ms(value), bounded=f"{name}_us" in figures.at_least)
            marks.append(Mark(variant, f"{what}, {name}", figure, "ms"))
    return marks


def said(trial: Trial, marks: Sequence[Mark]) -> str:
    """Return in a line which trial it was, its figures, and its verdict with the reasons."""
    figures = ", ".join(f"{mark.what.partition(', ')[2]} {mark.figure} {mark.unit}".strip() for mark in marks)
    reasons = "; ".join(trial.verdict.reasons or filter(None, [trial.error]))
    verdict = f"{trial.verdict.state}: {reasons}" if reasons else trial.verdict.state
    return "; ".join(filter(None, [f"trial {trial.number} in block {trial.block}", figures, verdict]))


def legend(shown: Shown) -> list[str]:
    """Return what the lines and shades of these trials mean, a line of the legend each."""
    lines = [line for _, line in shown]
    if not any(line.arrived_per_s is not None for line in lines):
        return ["s since the window began; shaded: warm-up", "line: p50, band: p5 to p95, dots: slowest"]
    words = ["s since the window began; shaded: outside it", "line: p50, band: p5 to p95, dots: slowest"]
    words.append("req/s: arrivals grey, right answers in colour")
    if any(bins.lost.any() for line in lines for bins in line.stretches):
        words.append("triangles: somebody was never answered")
    if any(line.waiting for line in lines):
        words.append("waiting: arrivals that had found no free user")
    return words


def limits(recorded: Recorded) -> tuple[float, float]:
    """Return the lowest and the highest latency, in ms, that the timelines of a run have to show."""
    ends = [
        line.extremes_ms for variant in recorded.run.variants for _, line in _shown(recorded, variant) if line.stretches
    ]
    if not ends:
        return 1.0, 10.0
    return max(min(low for low, _ in ends), 1e-3) * 0.9, max(high for _, high in ends) * 1.1


def _shown(recorded: Recorded, variant: Variant) -> Shown:
    return [
        (trial, line)
        for trial in view.latency_trials(recorded.run)
        if trial.verdict.state != "INVALID"
        for place, arm in enumerate(trial.arms)
        if arm.variant == variant.name and (line := recorded.outline(trial, place)) is not None
    ]


def _left_out(run: Run, variant: Variant) -> list[str]:
    """Name the trials that are not drawn because they do not count, as many as a line holds."""
    numbers = [
        str(trial.number)
        for trial in view.latency_trials(run)
        if trial.verdict.state == "INVALID" and any(arm.variant == variant.name for arm in trial.arms)
    ]
    if not numbers:
        return []
    trials = "trial" if len(numbers) == 1 else "trials"
    return [canvas.fit(f"INVALID and not drawn: {trials} {', '.join(numbers)}", WIDTH - 2 * canvas.MARGIN, SMALL)]


def _rates(shown: Shown, run: Run) -> tuple[float, float]:
    """Return the ends of the scale of rates: from zero, or logarithmic where a closed phase dwarfs the arrivals."""
    lines = [line for _, line in shown]
    seen = [each for line in lines for each in (line.answered_per_s, line.arrived_per_s) if each is not None]
    fastest = max(float(each.max(initial=0)) for each in seen) * 1.1 or 1
    if all(line.closed_from_s is None for line in lines):
        return 0, fastest
    return (run.plan.load.rate_per_s or 1) / 4, fastest * 1.1


def _phases(axes: Axes, trial: Trial, line: Outline, width: float, *, named: bool) -> None:
    """Shade what is not the window, and write into each phase what it is where it is wide enough."""
    phases = [("warm-up", -trial.warmup_s, 0.0)]
    if line.drained_s > trial.window_s:
        phases.append(("drain", trial.window_s, line.closed_from_s or line.end_s))
    if line.closed_from_s is not None:
        phases.append(("closed", line.closed_from_s, line.end_s))
        axes.axvline(line.closed_from_s, color=GRID, linewidth=0.8, zorder=0.5)
    whole_s = line.end_s + trial.warmup_s
    for phase, begin, end in phases:
        axes.axvspan(begin, end, color=SHADE, linewidth=0, zorder=0)
        if named and line.arrived_per_s is not None and (end - begin) / whole_s * width > _TINY * 1.2:
            axes.text(
                (begin + end) / 2, 0.97, phase, transform=axes.get_xaxis_transform(), rotation=90, size=_TINY,
                color=MUTED, ha="center", va="top", zorder=0.6,
            )  # fmt: skip


def _latency(axes: Axes, line: Outline, style: Style, limits_ms: tuple[float, float]) -> None:
    """Draw the middle 90 % as a band, the median as a line and the slowest of each bin as a dot."""
    axes.set_yscale("log")
    axes.set_ylim(*limits_ms)
    canvas.log_axis(axes.yaxis, *limits_ms)
    axes.grid(axis="y")
    for bins in line.stretches:
        axes.fill_between(bins.middle_s, bins.low_ms, bins.high_ms, color=style.light, alpha=0.3, linewidth=0)
        axes.plot(bins.middle_s, bins.median_ms, color=style.light, linewidth=1.2)
        axes.plot(
            bins.middle_s[~bins.lost], bins.slowest_ms[~bins.lost],
            color=style.light, linestyle="none", marker=".", markersize=2.2,
        )  # fmt: skip
        if bins.lost.any():
            axes.plot(
                bins.middle_s[bins.lost], bins.slowest_ms[bins.lost],
                color=ALARM, linestyle="none", marker="^", markersize=3, markeredgewidth=0,
            )  # fmt: skip


def _rate(axes: Axes, trial: Trial, line: Outline, style: Style, ends: tuple[float, float]) -> None:
    """Draw right answers as an area, or as a line on a logarithmic scale, and arrivals as a line."""
    low, high = ends
    axes.set_ylim(low, high)
    if low:
        axes.set_yscale("log")
        decades = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        canvas.named_axis(axes.yaxis, {10.0**each: f"{10**each:,}" for each in decades if each >= 0})
    else:
        canvas.linear_axis(axes.yaxis, 2, highest=0.85 * high)
    if line.arrived_per_s is not None:
        arrived = line.arrived_per_s.copy()
        arrived[line.edges_s[:-1] >= trial.window_s] = math.nan
        axes.stairs(arrived, line.edges_s, baseline=None, color=MUTED, linewidth=0.8)
    if low:
        axes.stairs(line.answered_per_s, line.edges_s, baseline=None, color=style.light, linewidth=1.1)
    else:
        axes.stairs(line.answered_per_s, line.edges_s, fill=True, color=style.light, alpha=0.55, linewidth=0)


def _waiting(axes: Axes, line: Outline, most: float) -> None:
    axes.set_ylim(0, most)
    canvas.named_axis(axes.yaxis, {0: "0", most / 1.1: f"{most / 1.1:,.0f}"})
    if line.waiting:
        axes.fill_between(line.waiting[0], line.waiting[1], step="post", color=INK, alpha=0.55, linewidth=0)
