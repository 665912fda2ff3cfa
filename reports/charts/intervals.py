"""Charts of intervals: what a variant costs over the one that keeps nothing, and between which rates it gives out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.charts import canvas
from reports.charts.bars import THICK, Rows
from reports.charts.canvas import INK, MUTED, PAPER, SMALL, Canvas
from reports.charts.marks import Mark
from reports.listings import findings, struck
from reports.words import units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.charts.palette import Style
    from reports.format import Capacity, Run

_SCALE: Final = {"p50_us": 1e3, "app_cpu_us_per_request": 1.0}
"""How many of the recorded unit make one of the chart's."""


def cost(run: Run, metric: str, styles: Mapping[str, Style], caption: Sequence[str]) -> Canvas | None:
    """Draw what every variant adds to the baseline in one metric; None when nothing is known of it."""
    found = {name: by_metric[metric] for name, by_metric in findings.over(run).items() if metric in by_metric}
    base = run.baseline
    if not found or base is None:
        return None
    name, unit, write = findings.COSTS[metric]
    slug = "p50" if metric == "p50_us" else "cpu"
    exact = all(each.level is not None for each in found.values())
    kind = "intervals" if exact else "smallest to largest block"
    title = f"Cost over {base}: {name}"
    rows = Rows(run, f"cost-{slug}", title, f"{unit} more than {base}; lines: {kind}", caption)
    scale = _SCALE[metric]
    low = min(0.0, *(each.low for each in found.values())) / scale
    high = max(rows.reach({each: interval.high for each, interval in found.items()}) / scale, -low * 0.05)
    low -= (high - low) * 0.03 * (low < 0)
    rows.axes.set_xlim(low, high)
    canvas.linear_axis(rows.axes.xaxis, lowest=low)
    rows.rule()
    rows.upright([0], MUTED)
    texts = {}
    for place, row in enumerate(rows.rows):
        interval = found.get(row.variant.name)
        if interval is None:
            if row.variant.name == base:
                texts[base] = "baseline"
            continue
        y, style = rows.middle(place), styles[row.variant.name]
        ends = [min(end / scale, high) for end in (interval.low, interval.high)]
        estimate, span = units.signed(interval.estimate, write), findings.span(interval, write)
        with rows.of(row, Mark(row.variant.name, f"{name} over {base}", estimate, unit, span, row.mark)):
            rows.axes.plot(ends, [y, y], color=style.light, linewidth=3.6, alpha=0.4, solid_capstyle="butt")
            if interval.high / scale > high:
                rows.beyond(y, style)
            if interval.estimate / scale <= high:
                rows.axes.plot(
                    [interval.estimate / scale], [y], marker="o", markersize=5, color=style.light,
                    markerfacecolor=style.light if style.solid else PAPER, markeredgewidth=1.1, linestyle="none",
                )  # fmt: skip
        about = f"{estimate} ({span}) {unit}"
        texts[row.variant.name] = about
    rows.label(texts)
    levels = sorted({interval.level for interval in found.values() if interval.level is not None})
    said = "Hodges-Lehmann estimates over paired blocks"
    if levels:
        said += f", {levels[0] * 100:.3g} % intervals"
    rows.canvas.text(canvas.MARGIN, 10, canvas.fit(said, canvas.WIDTH - 8, SMALL), color=MUTED)
    return rows.canvas


def describe(run: Run, metric: str) -> str:
    """Put a chart of costs into words."""
    name, unit, write = findings.COSTS[metric]
    known = {each: found[metric] for each, found in findings.over(run).items() if metric in found}
    costs = (f"{struck.called(run, each)} {units.signed(interval.estimate, write)}" for each, interval in known.items())
    return f"{name} in {unit} more than the baseline: {', '.join(costs)}."


def capacity(run: Run, styles: Mapping[str, Style], caption: Sequence[str]) -> Canvas | None:
    """Draw between which rates each capacity lies, and what gave out first; None when none was searched for."""
    found = {each.variant: each for each in run.capacities}
    known = [rate for each in found.values() for rate in (each.lower_per_s, each.upper_per_s) if rate is not None]
    if not known:
        return None
    rows = Rows(run, "capacity", "Capacity", "arrivals/s", caption)
    right = max(known) * 1.12
    rows.axes.set_xlim(0, right)
    canvas.linear_axis(rows.axes.xaxis)
    rows.rule()
    texts = {}
    for place, row in enumerate(rows.rows):
        each = found.get(row.variant.name)
        if each is None:
            texts[row.variant.name] = "not searched for" if row.trials else ""
            continue
        limit = "" if each.limit == "unknown" else f" · {each.limit}"
        with rows.of(row, Mark(row.variant.name, "capacity", findings.bounds(each), "", note=each.limit)):
            _capacity(rows, rows.middle(place), each, styles[row.variant.name])
        texts[row.variant.name] = findings.bounds(each) + limit
    rows.label(texts)
    objective = f"the highest rate that keeps {run.plan.objective.text}" if run.plan.objective else "the highest rate"
    rows.canvas.text(canvas.MARGIN, 10, canvas.fit(objective, canvas.WIDTH - 8, SMALL), color=MUTED)
    return rows.canvas


def _capacity(rows: Rows, y: float, each: Capacity, style: Style) -> None:
    """Draw what lies below a capacity in pale, then the interval that holds it."""
    lower, upper = each.lower_per_s or 0.0, each.upper_per_s
    rows.axes.barh(y, lower, height=THICK, color=style.light, alpha=0.3, linewidth=0)
    if upper is None:
        rows.beyond(y, style)
        right = rows.axes.get_xlim()[1]
        rows.axes.plot([lower, right], [y, y], color=style.light, linewidth=1, linestyle=(0, (2, 2)))
    else:
        rows.axes.barh(
            y, upper - lower, height=THICK, left=lower, linewidth=0.8,
            facecolor=style.light if style.solid else PAPER, edgecolor=style.light,
        )  # fmt: skip
        if style.hatch:
            rows.axes.barh(
                y, upper - lower, height=THICK, left=lower, facecolor="none", edgecolor=style.light,
                hatch=style.hatch, linewidth=0,
            )  # fmt: skip
    if each.lower_per_s is not None:
        rows.axes.plot([lower, lower], [y - THICK / 2, y + THICK / 2], color=INK, linewidth=1)
