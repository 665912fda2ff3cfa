"""The figures of what is not one table of variants: distance, a regression check, two runs, a history."""

from __future__ import annotations

import html as markup
import math
import statistics
from typing import TYPE_CHECKING

import pytest

from reports.charts import gallery
from reports.data import Recorded
from reports.exporters import history_html, html, side_by_side_html
from reports.files import write_run
from reports.judging.history import history
from reports.listings.history_listing import TIMES
from reports.record.judgement import Tolerance
from reports.words import units
from tests.reports import synthetic_distance, synthetic_judged, two_days
from tests.reports.numbers import check, known, rounded
from tests.reports.page import Page
from tests.reports.test_side_by_side import beside, two

if TYPE_CHECKING:
    from pathlib import Path

    from reports.charts.canvas import Chart
    from reports.format import Run


def measured(run: Run, metric: str) -> dict[str, dict[int, float]]:
    """Return what each variant took by block, in runs without a trial that does not count."""
    found: dict[str, dict[int, float]] = {}
    for trial in run.trials:
        for arm in trial.arms:
            assert arm.figures is not None
            cpu = arm.figures.cpu_us_per_request
            value = cpu["app"] if metric == "app CPU" else getattr(arm.figures, metric)
            assert value is not None
            found.setdefault(arm.variant, {})[trial.block] = value
    return found


def ratios(run: Run) -> dict[tuple[str, str], list[float]]:
    """Return by metric and variant what each block took in multiples of what keeps nothing."""
    return {
        (metric, name): [value / seen["none"][block] for block, value in blocks.items()]
        for metric in ("p50_us", "p99_us", "app CPU")
        for seen in [measured(run, metric)]
        for name, blocks in seen.items()
    }


def multiples(run: Run) -> set[float]:
    """Return the middle of these by Hodges and Lehmann, where their interval may end, their median and extremes."""
    found = set()
    for values in ratios(run).values():
        logs = list(map(math.log, values))
        walsh = [(one + other) / 2 for place, one in enumerate(logs) for other in logs[place:]]
        found |= {math.exp(each) for each in (statistics.median(walsh), *walsh)}
        found |= {statistics.median(values), min(values), max(values)}
    return found


def ends(page: Page, key: str) -> set[str]:
    """Return the ends of the ranges that stand in brackets behind a figure of a table."""
    cells = [cell.text for row in page.tables[key] for cell in row if cell.value is not None]
    return {end for text in cells if "(" in text for end in text.partition("(")[2].removesuffix(")").split("–")}  # noqa: RUF001 - a range


def drawn(run: Run, folder: Path) -> list[Chart]:
    """Return the charts that a run has without the tables of its trials."""
    write_run(folder, run)
    return list(gallery.draw(Recorded(folder, run)))


def test_every_figure_of_two_runs_is_in_the_data_of_either() -> None:
    a, b = two(("environment.packages.fastapi", "0.121.0"))
    changes = {
        statistics.median(after) / statistics.median(before) - 1
        for before, after in zip(ratios(a).values(), ratios(b).values(), strict=True)
    }
    both = known(a) | multiples(a) | multiples(b)
    page = check(b, side_by_side_html.render(beside(a, b)), least=40, also=both | changes)
    assert {"changes", "run-a", "run-b"} <= page.tables.keys()
    assert ends(page, "changes") <= set(map(units.significant, both))
    assert len(ends(page, "changes")) > 4
    with pytest.raises(AssertionError):
        check(b, side_by_side_html.render(beside(a, b)), least=1, also=both)


def test_every_figure_of_two_runs_that_are_not_compared_is_in_the_data_of_either() -> None:
    a, b = two(("environment.cpu", "Intel Xeon"))
    both = known(a) | known(b) | multiples(a) | multiples(b)
    page = check(b, side_by_side_html.render(beside(a, b)), least=40, also=both)
    assert ends(page, "both") <= {write(each) for write in (units.ms, units.us) for each in both}
    assert len(ends(page, "both")) > 4


def test_every_figure_of_a_history_is_in_the_data_of_its_runs() -> None:
    runs = list(two_days.days())
    told = history("results", [(f"run{number:02d}", each) for number, each in enumerate(runs)])
    latest = history_html.latest(runs)
    recorded = {value for run in runs for value in known(run) | multiples(run)}
    counts = set(map(float, range(len(runs) + 1)))
    charts = history_html.draw(told, latest)
    content = history_html.render(told, latest, charts)
    page = check(latest, content, least=500, also=recorded | counts)
    assert {"trends", "points", "runs"} <= page.tables.keys()
    there = set(map(rounded, recorded))
    for mark in (mark for chart in charts for mark in chart.marks):
        figures = [mark.figure, *([mark.reach] if mark.reach else [])]
        assert all(isinstance(each, units.Written) and rounded(each.value) in there for each in figures)
        assert all(each.to is None or rounded(each.to) in there for each in figures if isinstance(each, units.Written))
        assert markup.escape(mark.told, quote=False) in content
    assert sum(len(chart.marks) for chart in charts) == sum(len(series.known) for series in told.series)


def test_what_is_told_of_a_run_in_a_history_is_in_its_row() -> None:
    runs = list(two_days.days(4))
    told = history("results", [(f"run{number:02d}", each) for number, each in enumerate(runs)])
    latest = history_html.latest(runs)
    charts = history_html.draw(told, latest)
    heads, *rows = Page(history_html.render(told, latest, charts)).tables["points"]
    names = [head.text.strip() for head in heads]
    shown = [dict(zip(names, (cell.text for cell in row), strict=True)) for row in rows]
    marks = [mark for chart in charts for mark in chart.marks]
    assert len(marks) == len(shown) == 4 * 3 * 4
    for mark in marks:
        metric, _, run = mark.what.partition(" in ")
        row = next(
            each
            for each in shown
            if (each["variant"], each["metric"]) == (mark.variant, metric) and run.endswith(each["began"])
        )
        assert run == f"run{int(row['began'][8:10]) - 1:02d} of {row['began']}"
        assert mark.note == row.get("note", "")
        if row[f"multiple {TIMES}"] == units.MISSING:
            assert (mark.figure, mark.unit) == (row["median"], row["unit"])
        else:
            _, _, _, _, multiple, reach, *_ = row.values()
            assert (mark.figure, mark.unit, mark.reach) == (multiple, TIMES, reach)


# A dozen blocks bear intervals, fewer only their extremes.
@pytest.mark.parametrize("blocks", [4, 12])
def test_every_figure_of_distance_is_in_the_data(blocks: int, tmp_path: Path) -> None:
    run = synthetic_distance.run(rtts=(0.0, 1.0, 20.0), blocks=blocks)
    for trial in run.trials:
        # Not the same in every block, so that what is shown of them is no block's.
        for name, value in trial.relayed or ():
            if isinstance(value, float) and name != "rtt_ms":
                setattr(trial.relayed, name, value * (1 + trial.block / 50))
    page = check(run, html.render(run, drawn(run, tmp_path)), least=300)
    assert {"distances", "relay", "distance-data", "capacity-data"} <= page.tables.keys()
    rows = {facts.get("id") or "": facts.get("data-of") for tag, facts in page.elements if tag == "tr"}
    assert [whose for name, whose in rows.items() if name.startswith("distances-")] == run.plan.order[0]


@pytest.mark.parametrize("kind", ["regressed", "counts", "inconclusive"])
def test_every_figure_of_a_check_is_in_its_data(kind: str, tmp_path: Path) -> None:
    run = synthetic_judged.check(kind, ("redis", "memory"))
    judgement = run.judgement
    assert judgement is not None
    page = check(run, html.judged(run, judgement, drawn(run, tmp_path)), least=500)
    assert {
        "changes",
        "values",
        "trials",
        "forest-data",
        "blocks-redis-data",
        "blocks-memory-data",
    } <= page.tables.keys()
    assert ("counts" in page.tables) == (kind == "counts")


@pytest.mark.parametrize("name", ["head", "smallest_seen", "tolerance"])
def test_a_figure_of_a_check_that_is_made_up_is_found_out(name: str) -> None:
    run = synthetic_judged.check("regressed")
    judgement = run.judgement
    assert judgement is not None
    other = run.model_copy(deep=True)
    judged = other.comparisons[0].metrics[0]
    made_up = {
        "head": [each * 1.001 for each in judged.head],
        "smallest_seen": 0.0123,
        "tolerance": Tolerance(share=0.04),
    }
    setattr(judged, name, made_up[name])
    check(run, html.judged(run, judgement, []), least=200)
    with pytest.raises(AssertionError):
        check(run, html.judged(other, judgement, []), least=1)
