"""The distribution of latency: the share of requests that took longer, both axes logarithmic.

Every variant has a panel and every trial is a line: the spread between trials is seen at every percentile.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from reports.charts import canvas
from reports.charts.canvas import GRID, MUTED, SMALL, WIDTH, Canvas
from reports.charts.marks import Mark
from reports.listings import view

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from reports.charts.palette import Style
    from reports.data import Recorded
    from reports.format import Trial, Variant
    from reports.listings.view import Row

    Line = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

_COLUMNS: Final = 2
_LEFT: Final = 34.0
_RIGHT: Final = 9.0
_GAP: Final = 10.0
_PANEL: Final = 78.0
_HEAD: Final = 16.0
_FOOT: Final = 28.0
_TICKS: Final = {0.5: "p50", 0.1: "p90", 0.01: "p99", 0.001: "p99.9", 0.0001: "p99.99"}


def draw(recorded: Recorded, styles: Mapping[str, Style], caption: Sequence[str]) -> Canvas:
    """Draw every variant's trials in a panel of its own, those of the first variant in grey behind them."""
    run = recorded.run
    lines = {
        variant.name: [
            line
            for trial, _ in view.measured(run, variant.name)
            if (line := _line(recorded, trial, variant)) is not None
        ]
        for variant in view.ordered(run)
    }
    lines = {name: drawn for name, drawn in lines.items() if drawn}
    rows = {row.variant.name: row for row in view.sheet(run).rows}
    down = math.ceil(len(lines) / _COLUMNS) or 1
    on = Canvas("distribution", "Latency distribution", caption, down * (_PANEL + _HEAD) + _FOOT)
    if not lines:
        on.text(WIDTH / 2, _PANEL / 2, "no trial has requests to show", color=MUTED, ha="center")
        return on
    everything = [each for drawn in lines.values() for each in drawn]
    low = min(x[0] for x, _ in everything) * 0.9
    high = max(x[-1] for x, _ in everything) * 1.1
    least = min(y[-1] for _, y in everything) * 0.8
    baseline = next(iter(lines))
    width = (WIDTH - _LEFT - _RIGHT - _GAP * (_COLUMNS - 1)) / _COLUMNS
    for place, (name, drawn) in enumerate(lines.items()):
        row, column = divmod(place, _COLUMNS)
        left, top = _LEFT + column * (width + _GAP), row * (_PANEL + _HEAD) + _HEAD
        axes = on.axes(left, top, width, _PANEL)
        _scale(axes, low, high, least, named=column == 0, numbered=place + _COLUMNS >= len(lines))
        if name != baseline:
            with on.of((baseline, name)):
                for x, y in lines[baseline]:
                    axes.plot(x, y, color=MUTED, linewidth=0.7, alpha=0.6)
        mark = rows[name].mark if rows[name].alarming else ""
        with on.of(name, *_told(rows[name])):
            for x, y in drawn:
                axes.plot(x, y, color=styles[name].light, linewidth=1.1, dashes=(4, 1.2) if styles[name].hatch else ())
        with on.of(name):
            on.heading(left, top - 4, width, name, mark, struck=bool(rows[name].audit))
        on.instead(name, left, top - 4)
    under = down * (_PANEL + _HEAD) + _FOOT - 4
    on.text(
        WIDTH / 2,
        under,
        f"ms, logarithmic; a line per trial; grey: {canvas.fit(baseline, 60, SMALL)}",
        color=MUTED,
        ha="center",
    )
    return on


def _told(row: Row) -> list[Mark]:
    """Return the percentiles that a line is read for."""
    keys = ("p50", "p95", "p99", "max")
    return [Mark(row.variant.name, key, row.cells[key].written, "ms", note=row.mark) for key in keys]


def _line(recorded: Recorded, trial: Trial, variant: Variant) -> Line | None:
    place = next(place for place, arm in enumerate(trial.arms) if arm.variant == variant.name)
    outline = recorded.outline(trial, place)
    return outline.tail if outline else None


def _scale(axes: Axes, low: float, high: float, least: float, *, named: bool, numbered: bool) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(least, 1)
    canvas.log_axis(axes.xaxis, low, high)
    canvas.named_axis(axes.yaxis, {at: text for at, text in _TICKS.items() if at >= least})
    axes.tick_params(labelleft=named, labelbottom=numbered, left=named)
    axes.grid(color=GRID)
