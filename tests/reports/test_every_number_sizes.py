"""Every figure that a page tells of payload sizes is found in run.json; the sizes are in the names of its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reports.charts.marks import Mark
from reports.exporters import html
from reports.words.units import Written
from tests.reports import synthetic_sizes
from tests.reports.numbers import check
from tests.reports.test_sizes import drawn

if TYPE_CHECKING:
    from reports.format import Run


def payloads(run: Run) -> set[float]:
    """Return the payloads that a run's requests are named after."""
    figures = [arm.figures for trial in run.trials for arm in trial.arms if arm.figures is not None]
    sized = [name.split(" ")[-2:] for each in figures for name in each.steps]
    return {float(number) for number, unit in sized if unit == "B"}


def test_every_figure_of_sizes_is_in_the_data() -> None:
    run = synthetic_sizes.run(synthetic_sizes.MOST | {"redis": 50})
    page = check(run, html.render(run, [drawn(run)]), least=300, also=payloads(run))
    assert {"payloads", "sizes-data", "steps"} <= page.tables.keys()
    rows = [{"what": row[1].text, "value": row[2].value} for row in page.tables["sizes-data"]]
    assert [row["value"] for row in rows if row["what"] == "smallest payload refused (413)"] == [3000, 3000, 100]
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_a_figure_of_a_size_that_is_made_up_is_found_out() -> None:
    run = synthetic_sizes.run()
    chart = drawn(run)
    chart.marks[3] = Mark("memory", "p50 of GET /profile at 2.5 kB", Written("0.926", 926.0), "ms")
    with pytest.raises(AssertionError):
        check(run, html.render(run, [chart]), least=1, also=payloads(run))
