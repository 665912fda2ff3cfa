"""A history as one page that needs nothing else: trends, changes, a chart per variant, every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.charts import gallery, history_chart, palette
from reports.charts.canvas import Chart, paper
from reports.exporters import html
from reports.listings import details, view
from reports.listings import history_listing as listing
from reports.words.text import distinct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.format import Run
    from reports.judging.history import History


def latest(runs: Sequence[Run]) -> Run:
    """Return the latest run with every variant that any of them had, which gives a page its colours and machine."""
    last = max(runs, key=lambda run: run.started_at)
    known = {variant.name: variant for run in sorted(runs, key=lambda run: run.started_at) for variant in run.variants}
    ordered = sorted(known.values(), key=lambda variant: variant.traits.get("keeps") != "nothing")
    return last.model_copy(update={"variants": ordered, "audits": []})


def draw(history: History, run: Run) -> list[Chart]:
    """Return a chart per variant that any run has a figure of."""
    styles, themes = palette.styles(run), gallery.colours(run)
    caption = [*(f"{line}." for line in listing.summary(history)), f"{run.environment.label}. Advice, never a gate."]
    drawn = []
    with paper():
        for variant, name in zip(run.variants, distinct(each.slug for each in run.variants), strict=True):
            on = history_chart.draw(history, variant.name, name, styles[variant.name], caption)
            if on is not None:
                described = f"{variant.name} over the runs, a panel per metric; the figures are in the details."
                drawn.append(on.finish(history_chart.HOW, described, themes))
    return drawn


def render(history: History, run: Run, drawn: Sequence[Chart]) -> str:
    """Return the page; `run` is what `latest` returns."""
    below = [listing.parts(history), listing.left(history)]
    return html.page(
        "history.html",
        run,
        {"Over runs": [*drawn]},
        fold=False,
        title=f"History of {history.folder}",
        about=listing.summary(history),
        advice=listing.ADVICE,
        changes=listing.changes(history),
        how=listing.how(history),
        missing=listing.missing(history),
        trends=listing.trends(history),
        below=[each for each in below if each is not None and each.rows],
        rows=view.sheet(run).rows,
        details=[listing.points(history), listing.runs(history)],
        facts=details.facts(run),
    )
