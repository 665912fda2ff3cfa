"""A variant's trials over time: latency bands above, throughput below, the warm-up shaded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from reports import canvas, view
from reports.canvas import MUTED, SHADE, WIDTH, Canvas

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from reports.data import Recorded, Timeline
    from reports.format import Trial, Variant
    from reports.palette import Style

_LEFT: Final = 34.0
_RIGHT: Final = 9.0
_GAP: Final = 7.0
_HEAD: Final = 16.0
_LATENCY: Final = 84.0
_RATE: Final = 34.0
_FOOT: Final = 32.0
_RATE_BIN_S: Final = 0.25
_BINS: Final = 60
_FEWEST: Final = 20
"""Bins of latency over a trial, and requests that one should hold."""


def draw(
    recorded: Recorded,
    variant: Variant,
    name: str,
    style: Style,
    limits_ms: tuple[float, float],
) -> Canvas | None:
    """Draw a panel per trial, INVALID ones included and marked; None when there is nothing to draw."""
    shown = [
        (trial, line)
        for trial in recorded.run.trials
        for place, arm in enumerate(trial.arms)
        if arm.variant == variant.name and (line := recorded.timeline(trial.number, place)) is not None
    ]
    if not shown:
        return None
    across = min(len(shown), 3 if len(shown) <= 6 else 4)  # noqa: PLR2004 - so that a panel can hold its name
    down = math.ceil(len(shown) / across)
    deep = _HEAD + _LATENCY + _GAP + _RATE + 8
    on = Canvas(
        f"timeline-{name}",
        f"Over time: {variant.name}",
        view.caption(recorded.run, variant),
        down * deep + _FOOT,
    )
    width = (WIDTH - _LEFT - _RIGHT - _GAP * (across - 1)) / across
    fastest = max(float(rate(trial, line)[1].max(initial=0)) for trial, line in shown) * 1.1 or 1
    for place, (trial, line) in enumerate(shown):
        row, column = divmod(place, across)
        left, top = _LEFT + column * (width + _GAP), row * deep + _HEAD
        state = trial.verdict.state
        on.heading(left, top - 4, width, f"trial {trial.number}", "" if state in {"VALID", "SUSPECT"} else state)
        above = on.axes(left, top, width, _LATENCY)
        below = on.axes(left, top + _LATENCY + _GAP, width, _RATE)
        _latency(above, trial, line, style, limits_ms)
        _rate(below, trial, line, style, fastest)
        for axes in (above, below):
            axes.set_xlim(-trial.warmup_s, trial.window_s)
            axes.axvspan(-trial.warmup_s, 0, color=SHADE, linewidth=0, zorder=0)
            canvas.linear_axis(axes.xaxis, 2, highest=0.9 * trial.window_s)
            axes.tick_params(
                labelleft=column == 0, left=column == 0,
                labelbottom=axes is below and place + across >= len(shown),
            )  # fmt: skip
        if column == 0:
            on.text(canvas.MARGIN, top - 4, "ms")
            on.text(canvas.MARGIN, top + _LATENCY + _GAP + 1, "req/s")
    words = ("s since the window began; shaded: warm-up", "line: p50, band: p5 to p95, dots: slowest")
    for place, text in enumerate(words):
        on.text(WIDTH / 2, down * deep + 17 + place * 11, text, color=MUTED, ha="center")
    return on


def limits(recorded: Recorded) -> tuple[float, float]:
    """Return the lowest and the highest latency, in ms, that the timelines of a run have to show."""
    ends = [
        (line.response_us.min(), line.response_us.max())
        for trial in recorded.run.trials
        for place in range(len(trial.arms))
        if (line := recorded.timeline(trial.number, place)) is not None
    ]
    if not ends:
        return 1.0, 10.0
    return max(min(low for low, _ in ends) / 1e3, 1e-3) * 0.9, max(high for _, high in ends) / 1e3 * 1.1


def rate(trial: Trial, line: Timeline) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the edges of bins of 0.25 s and the right answers per second that arrived in each."""
    edges = _edges(trial, _RATE_BIN_S)
    counts, _ = np.histogram((line.start_s + line.response_us / 1e6)[line.right], edges)
    return edges, counts / _RATE_BIN_S


def _edges(trial: Trial, step_s: float) -> npt.NDArray[np.float64]:
    """Return whole bins that meet at zero, so that none holds both warm-up and window."""
    first, last = math.ceil(-trial.warmup_s / step_s - 1e-6), math.floor(trial.window_s / step_s + 1e-6)
    return np.arange(first, max(last, 1) + 1, dtype=np.float64) * step_s


def _latency(axes: Axes, trial: Trial, line: Timeline, style: Style, limits_ms: tuple[float, float]) -> None:
    """Draw the middle 90 % as a band, the median as a line and the slowest of each bin as a dot."""
    bins = min(_BINS, max(1, len(line.start_s) // _FEWEST))
    step_s = (trial.warmup_s + trial.window_s) / bins
    edges = _edges(trial, step_s)
    inside = (line.start_s >= edges[0]) & (line.start_s < edges[-1])
    place = np.digitize(line.start_s[inside], edges)
    order = np.lexsort((line.response_us[inside], place))
    ordered_ms = line.response_us[inside][order] / 1e3
    filled, first, count = np.unique(place[order], return_index=True, return_counts=True)
    middle = edges[filled - 1] + step_s / 2
    low, median, high = (ordered_ms[first + (count - 1) * percent // 100] for percent in (5, 50, 95))
    axes.set_yscale("log")
    axes.set_ylim(*limits_ms)
    canvas.log_axis(axes.yaxis, *limits_ms)
    axes.grid(axis="y")
    axes.fill_between(middle, low, high, color=style.light, alpha=0.3, linewidth=0)
    axes.plot(middle, median, color=style.light, linewidth=1.2)
    axes.plot(middle, ordered_ms[first + count - 1], color=style.light, linestyle="none", marker=".", markersize=2.2)


def _rate(axes: Axes, trial: Trial, line: Timeline, style: Style, fastest: float) -> None:
    edges, per_second = rate(trial, line)
    axes.stairs(per_second, edges, fill=True, color=style.light, alpha=0.55, linewidth=0)
    axes.set_ylim(0, fastest)
    canvas.linear_axis(axes.yaxis, 2, highest=0.85 * fastest)
