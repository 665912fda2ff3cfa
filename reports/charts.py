"""All charts of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports import bars, distribution, palette, timeline, units, view
from reports.canvas import Chart, paper
from reports.text import distinct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reports.data import Recorded
    from reports.format import Run


def draw(recorded: Recorded) -> Iterator[Chart]:
    """Draw every chart: latency, distribution, throughput, CPU, then a timeline per variant that ran."""
    run = recorded.run
    styles = palette.styles(run)
    themes = colours(run)
    about = view.caption(run)
    with paper():
        yield bars.latency(run, styles, about).finish(
            "Marks are medians over the blocks; the pale bar behind a mark reaches from the smallest block "
            "to the largest.",
            _describe(run, "p50_us", "p50", units.ms, "ms"),
            themes,
        )
        yield distribution.draw(recorded, styles, about).finish(
            "How many requests took longer than so many ms: the further left and the steeper, the better. "
            "A line per trial, the first variant's in grey behind the others; it ends where ten requests "
            "took longer.",
            "The share of requests that took longer than a latency, a panel per variant, a line per trial.",
            themes,
        )
        yield bars.throughput(run, styles, about).finish(
            "Bars are medians over the blocks, lines reach from the smallest to the largest block.",
            _describe(run, "requests_per_s", "Throughput", units.per_second, "requests/s"),
            themes,
        )
        yield bars.cpu(run, styles, about).finish(
            "CPU time over requests answered in the window. The generator's is no cost of the backend.",
            _describe(run, "app_cpu_us_per_request", "CPU of the app", units.us, "µs per request"),
            themes,
        )
        limits_ms = timeline.limits(recorded)
        variants = view.ordered(run)
        for variant, name in zip(variants, distinct(each.slug for each in variants), strict=True):
            on = timeline.draw(recorded, variant, name, styles[variant.name], limits_ms)
            if on is not None:
                yield on.finish(
                    "Every trial: p50 as a line, p5 to p95 as a band, the slowest as dots; below, right "
                    "answers per second in bins of 0.25 s. The latency scale is the same for all variants.",
                    f"Latency and throughput of {variant.name} over time, a panel per trial.",
                    themes,
                    "timeline",
                )


def colours(run: Run) -> dict[str, str]:
    """Return the CSS value for each colour that charts are drawn in."""
    themes = {getattr(palette, name)[0]: f"var(--{name.lower()})" for name in palette.THEMED}
    for place, style in enumerate(palette.styles(run).values()):
        themes[style.light] = f"var(--v{place})"
    return themes


def _describe(run: Run, metric: str, name: str, write: Callable[[float], str], unit: str) -> str:
    """Put a chart into words, for those who cannot see it."""
    metrics = {summary.variant: summary.metrics for summary in run.summaries if summary.trials}
    values = (
        f"{variant.name} {write(metrics[variant.name][metric].median)}"
        for variant in view.ordered(run)
        if metric in metrics.get(variant.name, {})
    )
    return f"{name} in {unit}: {', '.join(values)}."
