"""Charts with a row per variant: latency percentiles, throughput, CPU, memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.charts import canvas
from reports.charts.canvas import ALARM, GRID, INK, MUTED, PAPER, SMALL, Canvas
from reports.charts.marks import Mark
from reports.charts.palette import Style
from reports.listings import view
from reports.words import units

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from matplotlib.axes import Axes

    from reports.format import Role, Run, Spread
    from reports.listings.view import Row

_PITCH: Final = 44.0
_BAR: Final = 31.5
THICK: Final = 8.0
"""Points from row to row, from a row's top to the middle of its bar, and the bar's height."""
LEGEND: Final = 16.0
_MARKS: Final = {"p50_us": ("o", 4.6, -4.0), "p95_us": ("D", 3.8, 0.5), "p99_us": ("^", 4.8, 5.0)}
"""Mark and size of each percentile, and its place about the middle of the row: the blocks' ranges overlap."""
_ROLES: Final[tuple[Role, ...]] = ("app", "store", "generator")

Metrics = dict[str, "Spread"]


class Rows:
    """A canvas with a labelled row per variant and one scale below them all."""

    def __init__(self, run: Run, name: str, title: str, unit: str, caption: Sequence[str]) -> None:
        self.rows = view.sheet(run).rows
        metrics = {summary.variant: summary.metrics for summary in run.summaries if summary.trials}
        self.metrics: Mapping[str, Metrics] = {row.variant.name: metrics.get(row.variant.name, {}) for row in self.rows}
        depth = _PITCH * len(self.rows)
        self.canvas = Canvas(name, title, caption, LEGEND + depth + 34)
        left = canvas.MARGIN + 2
        self.axes: Axes = self.canvas.axes(left, LEGEND, canvas.WIDTH - 2 * left, depth)
        self.axes.set_ylim(depth, 0)
        self.axes.set_yticks([])
        self.axes.spines["left"].set_visible(False)
        # What it costs is over a variant, and that has a name.
        unit = canvas.fit(unit, canvas.WIDTH - 2 * left, SMALL)
        self.canvas.text(canvas.WIDTH / 2, LEGEND + depth + 30, unit, color=MUTED, ha="center")

    def middle(self, place: int) -> float:
        """Return where the bar of a row is."""
        return place * _PITCH + _BAR

    def reach(self, ends: Mapping[str, float]) -> float:
        """Return how far a scale must go; what is not to be trusted, and far out, does not make the others small."""
        trusted = [ends[row.variant.name] for row in self.rows if row.trusted and row.variant.name in ends]
        near = [end for end in ends.values() if not trusted or end <= 2 * max(trusted)]
        return max(near, default=0.0) * 1.04 or 1.0

    @staticmethod
    def mark(row: Row, what: str, figure: str, spread: Spread, unit: tuple[Callable[[float], str], str]) -> Mark:
        """Return a figure of a row with its smallest and its largest block; `unit` says how it is written."""
        write, name = unit
        return Mark(row.variant.name, what, figure, name, units.span(spread.min, spread.max, write), row.mark)

    def beyond(self, y: float, style: Style) -> None:
        """Say that a bar goes on beyond the scale."""
        right = self.axes.get_xlim()[1]
        self.axes.plot([right], [y], marker=">", markersize=5, color=style.light, clip_on=False, zorder=5)

    def rule(self) -> None:
        """Draw the scale's lines behind the bars, and not through the words above them."""
        low, high = self.axes.get_xlim()
        self.upright([tick for tick in self.axes.get_xticks() if low <= tick <= high], GRID)

    def upright(self, places: Sequence[float], colour: str) -> None:
        """Draw lines at places on the scale, in every row."""
        for place, row in enumerate(self.rows):
            y = self.middle(place)
            with self.of(row):
                self.axes.vlines(places, y - THICK * 0.85, y + THICK * 0.85, color=colour, linewidth=0.7, zorder=0)

    def of(self, row: Row, *marks: Mark) -> AbstractContextManager[None]:
        """Draw inside what is this row's."""
        return self.canvas.of(row.variant.name, *marks)

    def label(self, values: Mapping[str, str]) -> None:
        """Write each row's name, figures, server and durability."""
        for place, row in enumerate(self.rows):
            top = LEGEND + place * _PITCH
            with self.of(row):
                self._label(row, top, values.get(row.variant.name, ""))
            self.canvas.instead(row.variant.name, canvas.MARGIN, top + 11)

    def _label(self, row: Row, top: float, value: str) -> None:
        right = canvas.WIDTH - canvas.MARGIN
        room = right - canvas.MARGIN - canvas.measure(value, SMALL) - 8
        name = canvas.fit(row.variant.name, room, canvas.NAME, bold=True)
        out = bool(row.audit)
        self.canvas.variant(canvas.MARGIN, top + 11, name, struck=out, size=canvas.NAME, weight="bold")
        self.canvas.text(right, top + 11, value, ha="right")
        x = canvas.MARGIN
        if row.mark:
            self.canvas.text(x, top + 21.5, row.mark, color=ALARM if row.alarming else MUTED, weight="bold")
            x += canvas.measure(row.mark, SMALL, bold=True) + 5
        about = f"durability: {view.durability(row.variant, short=True)}"
        if row.variant.server is not None:
            about = f"{row.server} · {about}"
        if row.state == "NOT RUN":
            about = str(row.variant.error)
        self.canvas.text(x, top + 21.5, canvas.fit(about, right - x, SMALL), color=MUTED)


def latency(run: Run, styles: Mapping[str, Style], caption: Sequence[str]) -> Canvas:
    """Draw p50, p95 and p99 of every variant, each with its smallest and largest block."""
    rows = Rows(
        run,
        "latency",
        "Latency: p50, p95 and p99",
        "ms, logarithmic; bars: smallest to largest block",
        caption,
    )
    axes = rows.axes
    axes.set_xscale("log")
    seen = [
        value / 1e3
        for metrics in rows.metrics.values()
        for metric in _MARKS
        if metric in metrics
        for value in (metrics[metric].min, metrics[metric].max)
        if value > 0
    ] or [1.0]
    low, high = min(seen) * 0.85, max(seen) * 1.15
    axes.set_xlim(low, high)
    canvas.log_axis(axes.xaxis, low, high)
    rows.rule()
    texts = {}
    for place, row in enumerate(rows.rows):
        metrics = rows.metrics[row.variant.name]
        style = styles[row.variant.name]
        shown = [(metric, metrics[metric], mark) for metric, mark in _MARKS.items() if metric in metrics]
        for metric, spread, (marker, size, below) in shown:
            key = metric.removesuffix("_us")
            y = rows.middle(place) + below
            with rows.of(row, rows.mark(row, key, row.cells[key].written, spread, (units.ms, "ms"))):
                axes.plot(
                    [spread.min / 1e3, spread.max / 1e3], [y, y],
                    color=style.light, linewidth=3.6, alpha=0.35, solid_capstyle="butt",
                )  # fmt: skip
                axes.plot(
                    [spread.median / 1e3], [y], linestyle="none", marker=marker, markersize=size,
                    color=style.light, markerfacecolor=style.light if style.solid else PAPER, markeredgewidth=1.1,
                )  # fmt: skip
        if shown:
            texts[row.variant.name] = " / ".join(row.cells[key].text for key in ("p50", "p95", "p99")) + " ms"
    rows.label(texts)
    _legend(rows.canvas, [(mark[0], metric.removesuffix("_us")) for metric, mark in _MARKS.items()])
    return rows.canvas


def throughput(run: Run, styles: Mapping[str, Style], caption: Sequence[str]) -> Canvas:
    """Draw right answers per second: the median as a bar, the blocks' extremes as a line."""
    rows = Rows(run, "throughput", "Throughput", "requests/s; line: smallest to largest block", caption)
    axes = rows.axes
    spreads = {name: metrics.get(view.throughput(run)) for name, metrics in rows.metrics.items()}
    axes.set_xlim(0, max((spread.max for spread in spreads.values() if spread), default=1) * 1.03 or 1)
    canvas.linear_axis(axes.xaxis)
    rows.rule()
    texts = {}
    for place, row in enumerate(rows.rows):
        spread = spreads[row.variant.name]
        if spread is None:
            continue
        y = rows.middle(place)
        figure = units.per_second(spread.median)
        with rows.of(row, rows.mark(row, "throughput", figure, spread, (units.per_second, "requests/s"))):
            bar(axes, y, 0, spread.median, styles[row.variant.name])
            axes.plot([spread.min, spread.max], [y, y], color=INK, linewidth=1.2, marker="|", markersize=5)
        texts[row.variant.name] = f"{units.per_second(spread.median)} /s"
    rows.label(texts)
    plan = run.plan
    users = units.plural(plan.closed_users if view.is_open(run) else plan.load.users, "user")
    where = f"in {units.seconds(plan.closed_s)} behind each window" if view.is_open(run) else "in closed load"
    rows.canvas.text(canvas.MARGIN, 10, f"what {users} could draw {where}", color=MUTED)
    return rows.canvas


def cpu(run: Run, styles: Mapping[str, Style], caption: Sequence[str]) -> Canvas:
    """Draw CPU time per request of app, store and generator, end to end."""
    rows = Rows(run, "cpu", "CPU time per request", "µs per request, medians", caption)
    kind = _Kind(_ROLES, "CPU", "cpu_us_per_request", "median", units.us, "µs/req")
    return _stacked(rows, styles, kind)


def memory(run: Run, styles: Mapping[str, Style], caption: Sequence[str]) -> Canvas | None:
    """Draw the resident memory of app and store, end to end; None where nobody looked."""
    rows = Rows(run, "memory", "Resident memory", "MiB, the largest of all blocks", caption)
    kind = _Kind(_ROLES[:2], "RSS", "rss_bytes", "max", units.mib, "MiB", 2.0**20)
    return _stacked(rows, styles, kind) if any(map(kind.known, rows.metrics.values())) else None


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is drawn end to end, role by role: a metric, which end of its spread, and how that is written."""

    roles: Sequence[Role]
    what: str
    metric: str
    pick: str
    write: Callable[[float], str]
    unit: str
    scale: float = 1.0
    """How many of the recorded unit make one of the chart's."""

    def known(self, metrics: Metrics) -> dict[Role, Spread]:
        """Return what is known of a variant, by role."""
        return {role: metrics[key] for role in self.roles if (key := f"{role}_{self.metric}") in metrics}

    def figure(self, spread: Spread) -> float:
        """Return what is drawn of a spread, as it is recorded."""
        return float(getattr(spread, self.pick))


def _stacked(rows: Rows, styles: Mapping[str, Style], kind: _Kind) -> Canvas:
    axes = rows.axes
    split = {name: kind.known(metrics) for name, metrics in rows.metrics.items()}
    sums = (sum(map(kind.figure, spreads.values())) / kind.scale for spreads in split.values())
    axes.set_xlim(0, max(sums, default=1) * 1.03 or 1)
    canvas.linear_axis(axes.xaxis)
    rows.rule()
    texts = {}
    for place, row in enumerate(rows.rows):
        if not (spreads := split[row.variant.name]):
            continue
        y, start = rows.middle(place), 0.0
        for role, spread in spreads.items():
            figure = kind.figure(spread)
            if figure:
                told = rows.mark(row, f"{kind.what} of the {role}", kind.write(figure), spread, (kind.write, kind.unit))
                with rows.of(row, told):
                    bar(axes, y, start / kind.scale, figure / kind.scale, styles[row.variant.name], role=role)
                start += figure
        parts = (kind.write(kind.figure(spreads[role])) if role in spreads else units.MISSING for role in kind.roles)
        texts[row.variant.name] = " + ".join(parts)
    rows.label(texts)
    _swatches(rows.canvas, kind.roles)
    return rows.canvas


def bar(axes: Axes, y: float, start: float, length: float, style: Style, *, role: Role = "app") -> None:
    """Draw a bar: the app's solid, the store's pale, the generator's, no cost of the backend, empty."""
    alpha = {"app": 1.0, "store": 0.4, "generator": 0.0}[role]
    axes.barh(y, length, height=THICK, left=start, color=style.light, alpha=alpha, linewidth=0)
    if role == "app" and style.hatch:
        axes.barh(
            y,
            length,
            height=THICK,
            left=start,
            facecolor="none",
            edgecolor=PAPER,
            hatch=style.hatch,
            linewidth=0,
        )
    axes.barh(y, length, height=THICK, left=start, facecolor="none", edgecolor=style.light, linewidth=0.8)


def _legend(on: Canvas, marks: Sequence[tuple[str, str]]) -> None:
    x = canvas.MARGIN + 4
    for marker, text in marks:
        _place(on, x, marker)
        on.text(x + 6, 10, text, color=MUTED)
        x += canvas.measure(text, SMALL) + 22
    on.text(x, 10, "medians of the blocks", color=MUTED)


def _place(on: Canvas, x: float, marker: str) -> None:
    axes = on.axes(x - 4, 3, 8, 8)
    axes.set_axis_off()
    axes.plot([0], [0], marker=marker, markersize=4.8, color=MUTED)


def _swatches(on: Canvas, roles: Sequence[Role]) -> None:
    x = canvas.MARGIN
    grey = Style(MUTED, MUTED, "")
    for role in roles:
        axes = on.axes(x, 2, 14, 10)
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(THICK * 0.6, -THICK * 0.6)
        bar(axes, 0, 0, 1, grey, role=role)
        on.text(x + 18, 10, role + (" +" if role != roles[-1] else ""), color=MUTED)
        x += canvas.measure(role, SMALL) + 38
