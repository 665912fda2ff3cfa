"""Every figure on the page is found in run.json, or is a function of what is there that `numbers` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reports.exporters import html
from tests.reports import synthetic_audits
from tests.reports.numbers import check
from tests.reports.page import Page

if TYPE_CHECKING:
    from pathlib import Path

    from reports.data import Recorded


def test_every_figure_of_a_run_is_in_its_data(recorded: Recorded, written: dict[str, Path]) -> None:
    page = check(recorded.run, written["index.html"].read_text(), least=200)
    assert {"figures", "costs", "trials", "steps", "latency-data", "cpu-data"} <= page.tables.keys()


def test_every_figure_of_open_load_is_in_its_data(opened: Recorded, opened_written: dict[str, Path]) -> None:
    page = check(opened.run, opened_written["index.html"].read_text(), least=500)
    assert {"mean-parts", "store-operations", "searches", "load-data", "capacity-data"} <= page.tables.keys()


def test_every_figure_of_pairs_and_audits_is_in_the_data() -> None:
    run = synthetic_audits.bench()
    page = check(run, html.render(run, []), least=500)
    assert {"told", "pairs", "correctness", "audit-redis-3-exchanges"} <= page.tables.keys()


def test_a_figure_that_is_made_up_is_found_out(recorded: Recorded) -> None:
    run = recorded.run.model_copy(deep=True)
    run.summaries[0].metrics["p99_us"].median *= 1.001
    with pytest.raises(AssertionError):
        check(recorded.run, html.render(run, []), least=1)


def test_every_sign_of_the_matrix_is_the_state_of_a_check() -> None:
    run = synthetic_audits.bench()
    heads, *rows = Page(html.render(run, [])).tables["audit-matrix"]
    order = [int(cell.text.split()[-1]) for cell in heads[1:]]
    states = {audit.variant: {each.number: each.state for each in audit.checks} for audit in run.audits}
    assert len(rows) == len(states)
    for name, *cells in rows:
        known_states = states[name.text.partition(" (fails its audit)")[0]]
        for number, cell in zip(order, cells, strict=True):
            assert known_states.get(number, "not made") in cell.text
