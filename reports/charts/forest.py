"""Charts of a judgement: every change with its interval beside what is tolerated, and the changes of every block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.charts import canvas
from reports.charts.canvas import ALARM, GRID, MUTED, PAPER, SHADE, SMALL, Canvas
from reports.charts.marks import Mark
from reports.listings import blocks, sentences
from reports.words import measures, units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.charts.palette import Style
    from reports.record.judgement import Comparison, Judged

_HEAD: Final = 20.0
_PITCH: Final = 27.0
_BAR: Final = 18.0
_THICK: Final = 9.0
_LEGEND: Final = 16.0
"""Points: a pair's name, from metric to metric, from a metric's top to its bar, the tolerance, what is above all."""
_PANEL: Final = 58.0
_GAP: Final = 20.0
_SCALE: Final = 34.0
"""Points of a panel of blocks, above it for its name, and left of it for its scale."""


def changes(comparisons: Sequence[Comparison], styles: Mapping[str, Style], caption: Sequence[str]) -> Canvas | None:
    """Draw the change of every metric of every pair; None where nothing was measured."""
    groups = [(each, measured(each)) for each in comparisons if measured(each)]
    if not groups:
        return None
    depth = sum(_HEAD + _PITCH * len(metrics) for _, metrics in groups)
    on = Canvas("forest", "Change from base to head", caption, _LEGEND + depth + 34)
    left = canvas.MARGIN + 2
    axes = on.axes(left, _LEGEND, canvas.WIDTH - 2 * left, depth)
    axes.set_ylim(depth, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    low, high = reach([judged for _, metrics in groups for judged in metrics])
    axes.set_xlim(low, high)
    canvas.linear_axis(axes.xaxis, lowest=low)
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    on.text(canvas.WIDTH / 2, _LEGEND + depth + 30, "% of the base; more is worse", color=MUTED, ha="center")
    on.text(canvas.MARGIN, 10, "shaded: tolerated; lines: 95 % intervals; hollow: shown only", color=MUTED)
    top = 0.0
    for comparison, metrics in groups:
        state_width = canvas.measure(comparison.state, SMALL, bold=True)
        room = canvas.WIDTH - 3 * canvas.MARGIN - state_width
        name = canvas.fit(comparison.name, room, canvas.NAME, bold=True)
        colour = ALARM if comparison.state in {"REGRESSED", "INVALID"} else MUTED
        right = canvas.WIDTH - canvas.MARGIN
        on.instead(comparison.name, canvas.MARGIN, _LEGEND + top + 13)
        with on.of(comparison.name):
            on.text(canvas.MARGIN, _LEGEND + top + 13, name, size=canvas.NAME, weight="bold")
            on.text(right, _LEGEND + top + 13, comparison.state, color=colour, weight="bold", ha="right")
        top += _HEAD
        for judged in metrics:
            y = top + _BAR
            with on.of(comparison.name):
                axes.vlines(ticks, y - _THICK * 0.7, y + _THICK * 0.7, color=GRID, linewidth=0.7, zorder=0)
                _tolerated(axes, y, judged)
                _said(on, _LEGEND + top + 10, judged)
            with on.of(comparison.name, _told(comparison, judged)):
                _interval(axes, y, judged, styles[comparison.base])
            top += _PITCH
    return on


def measured(comparison: Comparison) -> list[Judged]:
    """Return the metrics that have a change, what decides first."""
    return sorted((each for each in comparison.metrics if each.change), key=lambda each: not each.decides)


def reach(metrics: Sequence[Judged]) -> tuple[float, float]:
    """Return the ends of the scale in per cent: what is only shown, and far out, does not make the rest small."""
    decide = [each for each in metrics if each.decides] or metrics
    ends = [end for each in decide if each.change for end in (each.change.low, each.change.high)]
    ends += [sentences.tolerance(each) for each in decide]
    near = 2 * max(map(abs, ends))
    ends += [
        end
        for each in metrics
        if each.change
        for end in (each.change.low, each.change.high, sentences.tolerance(each))
        if abs(end) <= near
    ]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = (high - low) * 0.06
    return (low - room) * 100, (high + room) * 100


def describe(comparisons: Sequence[Comparison]) -> str:
    """Put the chart of changes into words."""
    said = (
        f"{each.name} {measures.measure(judged.metric).name} {units.change(judged.change.estimate)}"
        for each in comparisons
        for judged in measured(each)
        if judged.change
    )
    return f"Changes in % of the base: {', '.join(said)}."


def _told(comparison: Comparison, judged: Judged) -> Mark:
    """Return a metric's change with its interval and its verdict."""
    row = sentences.row(comparison.name, judged, sentences.ALPHA)
    note = judged.state if judged.decides else f"{judged.state} (shown)"
    return Mark(comparison.name, row.metric, row.change, "%", row.interval, note)


def _tolerated(axes: Axes, y: float, judged: Judged) -> None:
    """Shade what counts as the same, as far as the scale goes."""
    tolerated = min(sentences.tolerance(judged) * 100, axes.get_xlim()[1])
    axes.barh(y, tolerated, height=_THICK, color=SHADE, linewidth=0, zorder=0)
    axes.vlines([0, tolerated], y - _THICK / 2, y + _THICK / 2, color=MUTED, linewidth=0.7, zorder=1)


def _interval(axes: Axes, y: float, judged: Judged, style: Style) -> None:
    if judged.change is None:
        return
    left, right = axes.get_xlim()
    ends = [min(max(end * 100, left), right) for end in (judged.change.low, judged.change.high)]
    axes.plot(ends, [y, y], color=style.light, linewidth=3.6, alpha=0.45, solid_capstyle="butt")
    for beyond, edge, marker in (
        (judged.change.low * 100 < left, left, "<"),
        (judged.change.high * 100 > right, right, ">"),
    ):
        if beyond:
            axes.plot([edge], [y], marker=marker, markersize=5, color=style.light, clip_on=False, zorder=5)
    if left <= judged.change.estimate * 100 <= right:
        axes.plot(
            [judged.change.estimate * 100], [y], marker="o", markersize=5, color=style.light,
            markerfacecolor=style.light if judged.decides else PAPER, markeredgewidth=1.1, linestyle="none", zorder=4,
        )  # fmt: skip


def _said(on: Canvas, y: float, judged: Judged) -> None:
    row = sentences.row("", judged, sentences.ALPHA)
    right = canvas.WIDTH - canvas.MARGIN
    x = canvas.MARGIN + 6
    on.text(x, y, row.metric)
    if judged.state in {"slower", "faster"}:
        x += canvas.measure(row.metric, SMALL) + 5
        colour = ALARM if row.alarming else MUTED
        on.text(x, y, judged.state, color=colour, weight="bold")
    on.text(right, y, f"{row.change} % ({row.interval})", ha="right")


def every_block(comparison: Comparison, name: str, style: Style, caption: Sequence[str]) -> Canvas | None:
    """Draw a pair's change in every block, a panel per metric; None where nothing was measured."""
    metrics = measured(comparison)
    if not metrics:
        return None
    on = Canvas(f"blocks-{name}", f"Every block: {comparison.name}", caption, len(metrics) * (_PANEL + _GAP) + 30)
    on.only = comparison.name
    width = canvas.WIDTH - _SCALE - 2 * canvas.MARGIN
    for place, judged in enumerate(metrics):
        top = place * (_PANEL + _GAP) + _GAP
        axes = on.axes(_SCALE, top, width, _PANEL)
        _panel(on, axes, comparison.name, judged, style)
        row = sentences.row("", judged, sentences.ALPHA)
        on.text(canvas.MARGIN, top - 7, f"{row.metric}, %")
        about = f"base {row.base}, head {row.head} {row.unit}"
        on.text(canvas.WIDTH - canvas.MARGIN, top - 7, about.strip(), color=MUTED, ha="right")
        if place < len(metrics) - 1:
            axes.set_xticklabels([])
    on.text(_SCALE + width / 2, len(metrics) * (_PANEL + _GAP) + 24, "block", color=MUTED, ha="center")
    return on


def _panel(on: Canvas, axes: Axes, pair: str, judged: Judged, style: Style) -> None:
    seen = blocks.by_block(judged.base, judged.head)
    numbers = range(1, len(seen) + 1)
    tolerated = sentences.tolerance(judged) * 100
    most = max([tolerated, *(abs(share) * 100 for share in seen)]) * 1.12
    axes.set_xlim(0.3, len(seen) + 0.7)
    axes.set_ylim(-most, most)
    canvas.linear_axis(axes.yaxis, 4, lowest=-most)
    canvas.named_axis(axes.xaxis, {float(each): str(each) for each in numbers if each == 1 or each % 4 == 0})
    axes.axhspan(0, tolerated, color=SHADE, linewidth=0, zorder=0)
    axes.axhline(0, color=MUTED, linewidth=0.8, zorder=1)
    if judged.change is not None:
        axes.axhline(judged.change.estimate * 100, color=style.light, linewidth=1, linestyle=(0, (3, 2)), zorder=2)
    name = measures.measure(judged.metric).name
    for number, share in zip(numbers, seen, strict=True):
        with on.of(pair, Mark(pair, f"{name} in block {number}", units.change(share), "%")):
            axes.plot(
                [number], [share * 100], marker="o", markersize=3.6, color=style.light, linestyle="none",
                markeredgewidth=0.9, markerfacecolor=style.light if judged.decides else PAPER, zorder=3,
            )  # fmt: skip
