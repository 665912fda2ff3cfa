"""Every figure on the page is found in run.json, or is a function of what is there that `numbers` names."""

from __future__ import annotations

import html as markup
import re
from typing import TYPE_CHECKING

import pytest

from reports.charts import timeline
from reports.exporters import html
from tests.reports import synthetic_audits
from tests.reports.numbers import check
from tests.reports.page import Page

if TYPE_CHECKING:
    from pathlib import Path

    from reports.data import Recorded


def pointed(content: str, figure: str) -> list[str]:
    """Return what is told to whoever points at the marks of a figure."""
    inside = content.partition(f'<figure id="{figure}"')[2].partition("</figure>")[0]
    return list(map(markup.unescape, re.findall(r"<g data-of=[^>]*>\s*<title>([^<]*)</title>", inside)))


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


@pytest.mark.parametrize("kind", ["closed", "open"])
def test_what_a_timeline_tells_of_a_trial_is_in_its_row(kind: str, request: pytest.FixtureRequest) -> None:
    read, pages = ("recorded", "written") if kind == "closed" else ("opened", "opened_written")
    run, content = request.getfixturevalue(read).run, request.getfixturevalue(pages)["index.html"].read_text()
    heads, *rows = Page(content).tables["trials"]
    names = [head.text.strip() for head in heads]
    shown = [dict(zip(names, (cell.text for cell in row), strict=True)) for row in rows]
    reasons = {str(trial.number): "; ".join(trial.verdict.reasons) for trial in run.trials}
    seen, verdicts = [], []
    for variant in run.variants:
        found = pointed(content, f"timeline-{variant.slug}")
        seen += [told.partition(";")[0] for told in found]
        for told in found:
            row = next(each for each in shown if told.startswith(f"trial {each['trial']} in block {each['block']}; "))
            amount = f"{row['requests']} requests"
            if kind == "open":
                amount = f"{row['requests']} arrivals, {row['achieved']} of them answered"
            assert row["variant"] == variant.name
            *figures, verdict = told.split("; ", 2)[1:]
            assert figures == [f"{amount}, p50 {row['p50 ms']} ms, p99 {row['p99 ms']} ms"]
            verdicts.append(verdict)
            assert verdict == ": ".join(filter(None, [row["verdict"], reasons[row["trial"]]]))
    counted = [each for each in run.trials if each.purpose == "latency" and each.verdict.state != "INVALID"]
    assert sorted(seen) == sorted(f"trial {each.number} in block {each.block}" for each in counted)
    assert any(": " in verdict for verdict in verdicts)


def test_a_trial_without_figures_tells_its_error(recorded: Recorded) -> None:
    verdict = recorded.run.trials[0].verdict.model_copy(update={"state": "FAILED", "reasons": []})
    arms = [arm.model_copy(update={"figures": None}) for arm in recorded.run.trials[0].arms]
    trial = recorded.run.trials[0].model_copy(update={"verdict": verdict, "arms": arms, "error": "the app died"})
    assert timeline.told(trial, arms[0].variant) == []
    assert timeline.said(trial, []) == "trial 1 in block 0; FAILED: the app died"


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
