"""A chart of where the mean response goes: the layers of every variant, end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.charts import canvas
from reports.charts.bars import THICK, Rows
from reports.charts.canvas import GRID, INK, MUTED, PAPER, SMALL, Canvas
from reports.charts.marks import Mark
from reports.charts.palette import Style
from reports.format import LAYERS
from reports.listings import findings
from reports.words import units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.format import Layer, Run

_LEGEND_GAP: Final = 24.0


def layers(run: Run, styles: Mapping[str, Style], caption: Sequence[str]) -> Canvas | None:
    """Draw the layers of every variant's mean response; None when no variant knows them."""
    split = {variant.name: findings.mean_parts(run, variant.name) for variant in run.variants}
    totals = {name: sum(parts.values()) for name, parts in split.items() if parts}
    if not totals:
        return None
    rows = Rows(run, "layers", "Where the mean response goes", "ms, means; medians over the blocks", caption)
    right = rows.reach(totals)
    rows.axes.set_xlim(0, right / 1e3)
    canvas.linear_axis(rows.axes.xaxis)
    rows.rule()
    texts = {}
    for place, row in enumerate(rows.rows):
        name = row.variant.name
        if name not in totals:
            continue
        y, start = rows.middle(place), 0.0
        for layer in LAYERS:
            length = min(split[name].get(layer, 0.0), right - start)
            if length > 0:
                with rows.of(row, Mark(name, layer, units.ms(split[name][layer]), "ms", note=row.mark)):
                    _part(rows.axes, y, (start / 1e3, (start + length) / 1e3), layer, styles[name])
                start += length
        if totals[name] > right:
            with rows.of(row):
                rows.beyond(y, styles[name])
        texts[name] = f"{units.ms(totals[name])} ms"
    rows.label(texts)
    _legend(rows.canvas)
    return rows.canvas


def _part(axes: Axes, y: float, ends: tuple[float, float], layer: Layer, style: Style) -> None:
    """Draw a layer: what every variant has in grey, the sessions' own in colour, the store's pale, the rest empty."""
    fill = {"client": GRID, "framework": INK, "session": style.light, "store": style.light, "unattributed": PAPER}
    start, length = ends[0], ends[1] - ends[0]
    axes.barh(
        y, length, height=THICK, left=start, facecolor=fill[layer], alpha=0.45 if layer == "store" else 1.0,
        linewidth=0,
    )  # fmt: skip
    if layer == "session" and style.hatch:
        axes.barh(
            y, length, height=THICK, left=start, facecolor="none", edgecolor=PAPER, hatch=style.hatch, linewidth=0
        )
    edge = {"client": MUTED, "framework": INK, "unattributed": MUTED}.get(layer, style.light)
    dashes = (0, (2, 1.5)) if layer == "unattributed" else "solid"
    axes.barh(y, length, height=THICK, left=start, facecolor="none", edgecolor=edge, linewidth=0.7, linestyle=dashes)


def _legend(on: Canvas) -> None:
    x = canvas.MARGIN
    grey = Style(MUTED, MUTED, "")
    for layer in LAYERS:
        axes = on.axes(x, 2, 10, 10)
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(THICK * 0.6, -THICK * 0.6)
        _part(axes, 0, (0, 1), layer, grey)
        on.text(x + 13, 10, layer, color=MUTED)
        x += canvas.measure(layer, SMALL) + _LEGEND_GAP - 3
