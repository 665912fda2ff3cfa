from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import reports
from reports.charts import canvas, gallery, outage_chart, palette
from reports.exporters import grids
from reports.listings import outage_listing
from reports.record import tables
from reports.record.columns import NULL, ints, start_us
from reports.record.faulted import Fault
from reports.trials import outage_bins
from reports.words import units
from reports.words.text import markdown as escaped
from tests.reports import synthetic_faults, synthetic_outage, tabled
from tests.reports.page import Page
from tests.reports.synthetic import EVIL
from tests.reports.test_charts import SVG
from tests.reports.test_html import test_the_page_is_well_nested_and_its_ids_are_its_own as well_nested

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reports.charts.canvas import Chart
    from reports.data import Recorded
    from reports.format import Run
    from reports.listings.listing import Listing


def everything(run: Run) -> list[Listing]:
    beside = outage_listing.bystanders(run)
    assert beside is not None
    return [*outage_listing.tables(run), beside]


def in_terminal(listings: list[Listing], width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None, legacy_windows=False)
    for listing in listings:
        console.print(listing.title, grids.laid(listing, console, console.options), listing.remark, sep="\n")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def drawn(recorded: Recorded) -> list[Chart]:
    with canvas.paper():
        return [
            on.finish(outage_chart.HOW, said, gallery.colours(recorded.run))
            for on, said in outage_chart.draw(recorded, palette.styles(recorded.run))
        ]


def test_faults_in_a_terminal(harmed: Recorded, golden: Callable[[str, str], None]) -> None:
    text = in_terminal(everything(harmed.run), 80)
    assert max(map(len, text.splitlines())) <= 80
    golden("faults-terminal-80.txt", text)


def test_a_row_is_what_its_trial_showed(harmed: Recorded) -> None:
    results, through = outage_listing.tables(harmed.run)
    rows = {tuple(row[:2]): row[2:] for row in results.rows}
    assert list(rows)[:3] == [("redis", "freeze"), ("mongodb", "freeze"), ("postgres", "freeze")]
    [kill] = [
        trial.outage
        for trial in harmed.run.trials
        if trial.fault and trial.fault.kind == "kill" and trial.arms[0].variant == "redis"
    ]
    assert kill is not None
    assert kill.first_error_us is not None
    assert kill.recovery_ms is not None
    assert kill.slowest_error_us is not None
    refused = sum(each.errors.get("503", 0) for each in kill.stages)
    assert rows["redis", "kill"] == [
        "VALID", f"{units.ms(kill.first_error_us - kill.began_us)} (503)", units.ms(kill.slowest_error_us),
        units.ms(kill.recovery_ms * 1e3), f"{refused}×503", f"{kill.sessions_lost} sessions",  # noqa: RUF001 - times
    ]  # fmt: skip
    assert rows["mongodb", "kill"] == ["INVALID", *["–"] * 3, "–", "–"]  # noqa: RUF001 - the dash of tables
    assert rows["redis", "slow"][1:] == ["–", "–", "0", "none", "nothing"]  # noqa: RUF001 - the dash of tables
    stages = {tuple(row[:2]): row[2:] for row in through.rows}
    assert stages["redis", "kill"][:3] == [units.per_second(each.goodput_per_s) for each in kill.stages]
    assert stages["postgres", "kill"][4].startswith("≥")
    for words in (
        "the last 2.59 s later (limit 2 s). mongodb, kill: INVALID",
        "postgres, kill: FAILED: 4 requests hung",
    ):
        assert words in results.remark


def test_an_invalid_trial_gives_way_to_its_repeat(harmed: Recorded) -> None:
    run = harmed.run.model_copy(deep=True)
    counted = next(trial for trial in run.trials if trial.purpose == "fault")
    failed = counted.model_copy(deep=True, update={"number": 90})
    failed.verdict.state = "INVALID"
    run.trials.append(failed)
    assert outage_listing.faulted(run)[0].trial is counted
    counted.verdict.state = "INVALID"
    assert outage_listing.faulted(run)[0].trial is failed
    failed.verdict.state = "SUSPECT"
    assert outage_listing.faulted(run)[0].trial is failed
    assert len(outage_listing.faulted(run)) == 7


def test_faults_at_other_times_are_told_apart_by_their_whole_names(harmed: Recorded) -> None:
    run = harmed.run.model_copy(deep=True)
    last = [trial for trial in run.trials if trial.purpose == "fault"][-2]
    last.fault = Fault(kind="slow", at_s=1, for_s=3, slow_ms=50)
    names = [row[1] for row in outage_listing.tables(run)[0].rows]
    assert names == ["freeze@2+2"] * 3 + ["kill@2+2"] * 3 + ["slow:50@1+3"]


def test_a_run_without_faults_has_no_table_of_them(recorded: Recorded) -> None:
    assert outage_listing.tables(recorded.run) == []
    assert outage_listing.bystanders(recorded.run) is None
    assert drawn(recorded) == []


def test_a_chart_of_a_fault_holds_every_answer_once(harmed: Recorded) -> None:
    for each in outage_listing.faulted(harmed.run):
        table = tables.read_requests(harmed.folder, each.trial.number)
        if table is None:
            continue
        found = outage_bins.bins(table, window_s=synthetic_faults.WINDOW_S)
        rows = table.to_pandas()
        begun = rows["scheduled_us"]
        lost = rows["outcome"].isin(["timeout", "cut", "unsent"])
        when = begun.where(lost, begun + rows["response_us"])
        inside = (when >= 0) & (when < synthetic_faults.WINDOW_S * 1e6) & (rows["name"] != "GET /ping")
        assert sum(int(counts.sum()) for counts in found.counts.values()) == inside.sum()
        assert int(found.counts["503"].sum()) == (inside & (rows["status"] == 503)).sum()
        assert int(found.counts["wrong"].sum()) == (inside & (rows["outcome"] == "wrong_answer")).sum()
        assert int(found.counts["unanswered"].sum()) == (inside & lost).sum()
        assert np.nanmax(found.slowest_ms) * 1e3 == max(
            rows["response_us"][(begun >= 0) & (rows["name"] != "GET /ping")]
        )
        assert (found.lost == (found.counts["unanswered"] > 0)).all()


def test_bins_are_where_the_truth_is() -> None:
    table = tabled.requests(*synthetic_outage.rows())
    found = outage_bins.bins(table, window_s=10.0)
    assert len(found.edges_s) == 101
    assert found.counts["503"][30:54].tolist() == [9] * 24
    assert found.counts["503"].sum() == 24 * 9
    assert found.slowest_ms[29:31].tolist() == [1.5, 4.0]
    assert found.sessionless_ms[[29, 31]].tolist() == [0.8, 0.9]
    assert (start_us(table) != NULL).all()
    assert ints(table, "status").min() == 200


def test_a_chart_says_what_came_of_the_fault(harmed: Recorded) -> None:
    freeze, kill, slow = drawn(harmed)
    assert [each.name for each in (freeze, kill, slow)] == ["fault-freeze-2-2", "fault-kill-2-2", "fault-slow-2-2"]
    assert kill.title == "The store killed after 2 s, for 2 s"
    assert slow.title == "The store slower by 300 ms after 2 s, for 2 s"
    said = ["".join(element.itertext()) for element in ET.fromstring(kill.svg).iter(f"{SVG}text")]  # noqa: S314 - ours
    results = {tuple(row[:2]): row for row in outage_listing.tables(harmed.run)[0].rows}
    for name in ("redis", "postgres"):
        assert any(f"recovered in {results[name, 'kill'][5]} ms" in text for text in said)
    assert "FAILED" in said
    assert {"right", "503", "wrong answer", "no answer"} <= set(said)
    assert "redis VALID, recovered in" in kill.inline


def test_hostile_names_stay_text_in_tables_and_charts(harmed: Recorded) -> None:
    run = harmed.run.model_copy(deep=True)
    run.trials = [trial for trial in run.trials if trial.fault is None or trial.fault.kind == "freeze"]
    names = {"redis": f"redis:{EVIL}", "postgres": "postgres:" + "W" * 60}
    for variant in run.variants:
        variant.name = names.get(variant.name, variant.name)
    for trial in run.trials:
        for arm in trial.arms:
            arm.variant = names.get(arm.variant, arm.variant)
        trial.verdict.reasons = [f"{reason} {EVIL}" for reason in trial.verdict.reasons]
    told = in_terminal(outage_listing.tables(run), 80)
    assert max(map(len, told.splitlines()[:8])) <= 80
    recorded = reports.data.Recorded(harmed.folder, run)
    for chart in drawn(recorded):
        for element in ET.fromstring(chart.svg).iter(f"{SVG}text"):  # noqa: S314 - ours
            text, style = "".join(element.itertext()), element.get("style", "")
            size = float(style.partition("px")[0].rpartition(" ")[2])
            width = canvas.measure(text, size, bold="bold" in style)
            x: Any = element.get("x") or element.get("transform", "").partition("(")[2].replace(",", " ").split()[0]
            start = float(x) - width * ("middle" in style) / 2 - width * ("anchor: end" in style)
            assert -0.5 <= start <= start + width <= canvas.WIDTH + 0.5, text
        assert "<script" not in chart.inline


@pytest.fixture(scope="module")
def written(harmed: Recorded) -> dict[str, Path]:
    folder = harmed.folder / "report"
    return {path.relative_to(folder).as_posix(): path for path in reports.write(harmed.folder)}


def test_faults_are_in_every_report(harmed: Recorded, written: dict[str, Path]) -> None:
    page = Page(written["index.html"].read_text())
    well_nested(page)
    ids = {attributes.get("id") for _, attributes in page.elements}
    assert {"outages", "outage-stages", "outage-bystanders", "fault-kill-2-2"} <= ids
    said = " ".join(" ".join(page.texts).split())
    assert "Trials of the ladder, of capacity, of faults and of probes" in said
    results = outage_listing.tables(harmed.run)[0]
    told = written["report.md"].read_text()
    for row in results.rows:
        assert "| " + " | ".join(escaped(cell) for cell in row) + " |" in told
    for name in ("freeze", "kill", "slow"):
        with Image.open(written[f"charts/fault-{name}-2-2.png"]) as picture:
            picture.verify()


def test_outages_are_exported_as_they_are_recorded(harmed: Recorded, written: dict[str, Path]) -> None:
    rows = {int(row["trial"]): row for row in csv.DictReader(io.StringIO(written["outages.csv"].read_text()))}
    trials = [trial for trial in harmed.run.trials if trial.fault is not None]
    assert sorted(rows) == [trial.number for trial in trials]
    for trial in trials:
        row = rows[trial.number]
        assert (row["variant"], row["state"]) == (trial.arms[0].variant, trial.verdict.state)
        if (found := trial.outage) is None:
            assert row["during_p99_us"] == ""
            continue
        assert (int(row["answered_us"]), int(row["refused"])) == (found.answered_us, found.refused)
        for each in found.stages:
            assert float(row[f"{each.name}_goodput_per_s"]) == pytest.approx(each.goodput_per_s)
            assert row[f"{each.name}_errors"] == " ".join(f"{kind}={count}" for kind, count in each.errors.items())
        assert float(row["sessionless_during_longest_us"]) == found.sessionless[1].longest_us
