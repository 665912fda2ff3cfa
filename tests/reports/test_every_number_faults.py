"""Every figure of a run with faults is found in run.json: of its tables and of what its charts tell."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from reports.charts import canvas, gallery, outage_chart, palette
from reports.exporters import html
from reports.listings import outage_listing
from tests.reports.numbers import check
from tests.reports.test_charts import SVG

if TYPE_CHECKING:
    from reports.charts.canvas import Chart
    from reports.data import Recorded
    from reports.record.outage import Outage
    from tests.reports.page import Page


@pytest.fixture(scope="module")
def drawn(harmed: Recorded) -> list[Chart]:
    with canvas.paper():
        return [
            on.finish(outage_chart.HOW, said, gallery.colours(harmed.run), "fault")
            for on, said in outage_chart.draw(harmed, palette.styles(harmed.run))
        ]


@pytest.fixture(scope="module")
def page(harmed: Recorded, drawn: list[Chart]) -> Page:
    return check(harmed.run, html.render(harmed.run, drawn), least=300)


def outages(harmed: Recorded) -> dict[tuple[str, str], Outage | None]:
    return {(each.variant, each.fault.kind): each.trial.outage for each in outage_listing.faulted(harmed.run)}


def test_every_figure_of_a_fault_is_in_the_data(page: Page) -> None:
    tables = {"outages", "outage-stages", "outage-bystanders", "fault-freeze-2-2-data", "fault-kill-2-2-data"}
    assert tables <= page.tables.keys()
    for key in tables:
        assert sum(cell.value is not None for row in page.tables[key] for cell in row) > 10, key


def test_what_sorts_a_table_of_faults_is_what_was_recorded(harmed: Recorded, page: Page) -> None:
    found = outages(harmed)
    _, *rows = page.tables["outages"]
    assert len(rows) == len(found)
    for variant, fault, _, first, slowest, recovery, *_ in rows:
        seen = found[variant.text, fault.text]
        assert recovery.value == (seen and seen.recovery_ms)
        assert slowest.value == (seen and seen.slowest_error_us)
        began = None if seen is None or seen.first_error_us is None else seen.first_error_us - seen.began_us
        assert first.value == began
    of = {(row[0].text, row[1].text): row for row in page.tables["outage-bystanders"]}
    assert (of["postgres", "kill"][-1].value, of["postgres", "kill"][-1].to) == (10, 33)
    stages = {(row[0].text, row[1].text): row for row in page.tables["outage-stages"]}
    never = stages["postgres", "kill"][6]
    seen = found["postgres", "kill"]
    assert seen is not None
    assert (never.text[0], never.value) == ("≥", seen.stages[1].p99_us)


def test_nobody_overlooks_a_verdict(harmed: Recorded, page: Page) -> None:
    grave = {"FAILED", "INVALID"}
    cells = [cell for key in ("outages", "searches") for row in page.tables[key][1:] for cell in row]
    alarmed = {cell.text for cell in cells if "alarm" in (cell.attributes.get("class") or "").split()}
    assert alarmed == grave & {trial.verdict.state for trial in harmed.run.trials}


def test_a_chart_of_a_fault_tells_each_stage_where_it_is(harmed: Recorded, drawn: list[Chart]) -> None:
    freeze, kill, slow = drawn
    told = [mark.told for mark in kill.marks]
    seen = outages(harmed)["redis", "kill"]
    assert seen is not None
    assert [mark.what for mark in kill.marks if mark.variant == "redis"] == [
        "right answers before the fault", "right answers during the fault", "right answers after the fault",
        "sessions lost", "slowest before the fault", "slowest during the fault", "first error",
        "slowest after the fault", "recovery",
    ]  # fmt: skip
    assert f"redis, sessions lost: {seen.sessions_lost}" in told
    assert any(each.startswith("postgres, slowest during the fault: ≥") for each in told)
    assert all(mark.note.endswith("FAILED") for mark in kill.marks if mark.variant == "postgres")
    assert {mark.what for mark in slow.marks}.isdisjoint({"first error", "sessions lost"})
    for chart in (freeze, kill, slow):
        for mark in chart.marks:
            assert mark.told in chart.inline.replace("&gt;", ">")
    assert len(kill.inline.split("<title>")) - 1 == 2 * 3 * 2  # variants, stages, panels


def test_a_variant_s_panel_goes_with_it(drawn: list[Chart]) -> None:
    _, kill, slow = drawn
    root = ET.fromstring(kill.inline)  # noqa: S314 - ours
    whose = {id(part): each.get("data-of") for each in root.iter() if each.get("data-of") for part in each.iter()}
    assert set(whose.values()) == {"redis", "postgres"}
    shared = {"".join(text.itertext()) for text in root.iter(f"{SVG}text") if id(text) not in whose}
    assert shared == {"s since the window began", "right", "503", "wrong answer", "no answer", "left out"}
    assert {each.get("data-without") for each in root.iter()} == {None, "redis", "postgres"}
    assert 'data-of="postgres"' not in slow.inline
