"""All charts of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.charts import (
    bars,
    breakdown,
    crossover_chart,
    distribution,
    forest,
    intervals,
    ladder,
    outage_chart,
    palette,
    sizes_chart,
    timeline,
    tradeoff,
)
from reports.charts.canvas import Chart, paper
from reports.listings import findings, struck, view
from reports.words import units
from reports.words.text import distinct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reports.charts.canvas import Canvas
    from reports.charts.palette import Style
    from reports.data import Recorded
    from reports.format import Run


_NAME: Final = 60
"""Characters of a pair's name that go into a file's."""
_COST: Final = (
    "What a variant adds to the same app without a store behind its sessions, paired block by block. A line that "
    "crosses zero rules out neither a cost nor none."
)
_HOW: Final = {
    "tradeoff": (
        "The further down and to the right the better, the smaller the cheaper: areas are CPU time of the app per "
        "request. Lines reach as far as the figures do, from the smallest to the largest block or over their 95 % "
        "intervals; arrows: nobody knows how much farther. Hollow and in words: not to be trusted. Crossed: the audit "
        "takes it out of the choice."
    ),
    "latency": (
        "Marks are medians over the blocks; the pale bar behind a mark reaches from the smallest block to the largest."
    ),
    "distribution": (
        "How many requests took longer than so many ms: the further left and the steeper, the better. A line per "
        "trial, those of the first variant in grey; it ends where ten requests took longer."
    ),
    "load": (
        "p50 and p99 of response time at every rate that was tried. Points are medians of trials, the pale bar behind "
        "one reaches from the smallest to the largest; without a bar it is one trial. Hollow: OVERLOADED, the rate was "
        "not sustained and the figure is that of a growing queue. Crossed: FAILED."
    ),
    "throughput": "Bars are medians over the blocks, lines reach from the smallest to the largest block.",
    "capacity": (
        "With 95 % confidence the capacity lies in the full part of the bar, by all trials of its search together; "
        "the pale part is below it. Beside it, what gave out first."
    ),
    "cost-p50": _COST,
    "cost-cpu": _COST,
    "layers": (
        "Means, which add up as percentiles do not. Client and framework are what every variant has. In colour: the "
        "session layer, and pale the round trips to its store; dashed: what is not attributed."
    ),
    "forest": (
        "The middle of the blocks' changes with its 95 % interval. An interval left of the shade's end is tolerated, "
        "one right of zero is slower. Arrows: beyond the scale."
    ),
    "blocks": (
        "Head over base, a mark per block in the order in which they ran; dashed: the middle of them all; shaded: what "
        "is tolerated."
    ),
    "cpu": "CPU time over requests answered in the window. The generator's is no cost of the backend.",
    "memory": (
        "The largest resident memory (RSS) of the app's and the store's processes: what they share counts once for "
        "each, in PSS once for all. A store's holds the live sessions, a cookie's are with the clients."
    ),
}
"""How each chart is read."""


def draw(recorded: Recorded) -> Iterator[Chart]:
    """Draw every chart that the run holds data for, one per fault, then a timeline per variant that ran."""
    run = recorded.run
    styles = palette.styles(run)
    themes = colours(run)
    if run.judgement is not None:
        yield from _judged(run, styles, themes)
        return
    how = _HOW | {"distance": crossover_chart.how(run), "sizes": sizes_chart.HOW}
    with paper():
        for on, description in _summaries(recorded, styles, view.caption(run)):
            if on is not None:
                yield on.finish(how[on.name], description, themes)
        for on, description in outage_chart.draw(recorded, styles):
            yield on.finish(outage_chart.HOW, description, themes, "fault")
        beside = ", arrivals beside them, and arrivals that wait for a user" if view.is_open(run) else ""
        limits_ms = timeline.limits(recorded)
        variants = view.ordered(run)
        for variant, name in zip(variants, distinct(each.slug for each in variants), strict=True):
            on = timeline.draw(recorded, variant, name, styles[variant.name], limits_ms)
            if on is not None:
                yield on.finish(
                    "A panel per trial: p50 as a line, p5 to p95 as a band, the slowest as dots; below, right answers "
                    f"per second in bins of 0.25 s{beside}. The latency scale is the same for all variants.",
                    f"Latency and throughput of {struck.called(run, variant.name)} over time, a panel per trial.",
                    themes,
                    "timeline",
                )


def _judged(run: Run, styles: dict[str, Style], themes: dict[str, str]) -> Iterator[Chart]:
    """Draw what a regression check found, which has no latency trials to show."""
    about = view.caption(run)
    with paper():
        if (on := forest.changes(run.comparisons, styles, about)) is not None:
            yield on.finish(_HOW[on.name], forest.describe(run.comparisons), themes)
        for pair, name in zip(run.comparisons, distinct(each.name[:_NAME] for each in run.comparisons), strict=True):
            if (on := forest.every_block(pair, name, styles[pair.base], about)) is not None:
                described = f"The change from base to head of {pair.name} in every block, a panel per metric."
                yield on.finish(_HOW["blocks"], described, themes, "timeline")


def _summaries(
    recorded: Recorded, styles: dict[str, Style], about: Sequence[str]
) -> Iterator[tuple[Canvas | None, str]]:
    """Yield the charts of all variants, each with what it says for those who cannot see it."""
    run = recorded.run
    yield tradeoff.draw(run, styles, about), tradeoff.describe(run)
    yield bars.latency(run, styles, about), _describe(run, "p50_us", "p50", units.ms, "ms")
    distributed = "The share of requests that took longer than a latency, a panel per variant, a line per trial."
    yield distribution.draw(recorded, styles, about), distributed
    yield ladder.draw(run, styles, about), ladder.describe(run)
    drawn = view.throughput(run)
    if any(drawn in summary.metrics for summary in run.summaries):
        described = _describe(run, drawn, "Throughput", units.per_second, "requests/s")
        yield bars.throughput(run, styles, about), described
    found = (f"{struck.called(run, each.variant)} {findings.bounds(each)}, {each.limit}" for each in run.capacities)
    yield intervals.capacity(run, styles, about), f"Capacity: {'; '.join(found)}."
    yield sizes_chart.draw(run, styles, about), sizes_chart.describe(run)
    yield crossover_chart.draw(run, about), crossover_chart.describe(run)
    for metric in findings.COSTS:
        yield intervals.cost(run, metric, styles, about), intervals.describe(run, metric)
    layered = "The mean response in ms by layer, a bar per variant; the figures are in the details."
    yield breakdown.layers(run, styles, about), layered
    yield bars.cpu(run, styles, about), _describe(run, "app_cpu_us_per_request", "CPU of the app", units.us, "µs/req")
    yield bars.memory(run, styles, about), _describe(run, "app_rss_bytes", "RSS of the app", units.mib, "MiB", "max")


def colours(run: Run) -> dict[str, str]:
    """Return the CSS value for each colour that charts are drawn in."""
    themes = {getattr(palette, name)[0]: f"var(--{name.lower()})" for name in palette.THEMED}
    for place, style in enumerate(palette.styles(run).values()):
        themes[style.light] = f"var(--v{place})"
    return themes


def _describe(  # noqa: PLR0917 - what is said of a metric, and how
    run: Run, metric: str, name: str, write: Callable[[float], str], unit: str, pick: str = "median"
) -> str:
    """Put a chart into words, for those who cannot see it."""
    metrics = {summary.variant: summary.metrics for summary in run.summaries if summary.trials}
    values = (
        f"{struck.called(run, variant.name)} {write(getattr(metrics[variant.name][metric], pick))}"
        for variant in view.ordered(run)
        if metric in metrics.get(variant.name, {})
    )
    return f"{name} in {unit}: {', '.join(values)}."
