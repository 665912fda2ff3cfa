"""A run of a single block in which everything that can go wrong with a variant did, in every exporter."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

import reports
from reports import stats
from reports.charts import canvas
from reports.exporters import audit_junit, history_html, junit, pull_request, side_by_side_html
from reports.files import write_run, write_trial
from reports.format import Verdict
from reports.judging.compared import across
from reports.judging.history import history
from reports.listings.side_by_side import Side, SideBySide
from tests.reports import synthetic_audits, synthetic_judged, synthetic_open, two_days
from tests.reports.conftest import in_terminal
from tests.reports.page import Page

if TYPE_CHECKING:
    from pathlib import Path

    from reports.data import Recorded
    from reports.format import Run

SHOWN = {
    "none": "VALID", "memory": "NO TRIAL", "redis": "FAILED", "mongodb": "EXCLUDED",
    "mongodb:driver=pymongo": "SUSPECT", "postgres": "VALID", "http": "OVERLOADED",
    "postgres:driver=psycopg": "NOT RUN",
}  # fmt: skip
"""What a report says of each variant; EXCLUDED is one whose trials are all INVALID."""
VERDICTS: dict[str, Any] = {
    "redis": "FAILED", "mongodb": "INVALID", "mongodb:driver=pymongo": "SUSPECT", "http": "OVERLOADED",
}  # fmt: skip
GRAVE = {name: state for name, state in SHOWN.items() if state != "VALID"}
ONE_BLOCK = "One block says nothing of chance"


def trouble(run: Run) -> Run:
    """Let the trials of a run come to what they shall, and leave those of one variant out."""
    run.trials = [trial for trial in run.trials if trial.arms[0].variant != "memory"]
    for trial in run.trials:
        state = VERDICTS.get(trial.arms[0].variant, "VALID")
        trial.verdict = Verdict(state=state, reasons=[] if state == "VALID" else [f"it was made {state}"])
    run.summaries = stats.summaries(run.trials, run.baseline)
    return run


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("results") / "troubled"
    run = trouble(synthetic_open.record(folder, blocks=1, ladder_per_s=(), capacities=False))
    write_run(folder, run)
    for trial in run.trials:
        write_trial(folder, trial)
    return reports.load(folder)


@pytest.fixture(scope="module")
def written(troubled: Recorded) -> dict[str, Path]:
    folder = troubled.folder / "report"
    return {path.relative_to(folder).as_posix(): path for path in reports.write(troubled)}


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_says_so(troubled: Recorded, width: int) -> None:
    text = in_terminal(troubled.run, width)
    assert max(map(len, text.splitlines())) <= width
    lines = text.splitlines()
    for name, state in SHOWN.items():
        [row, *_] = [line for line in lines if line.split()[:1] == [name] and not line.startswith("·")]
        assert (state in row) == (state != "VALID"), row
    for said in (ONE_BLOCK, "memory: NO TRIAL, the run ended before its turn", "it was made INVALID"):
        assert said in words(text)


def test_markdown_says_so(written: dict[str, Path]) -> None:
    text = written["report.md"].read_text()
    rows = {line.split(" | ")[0].removeprefix("| ").replace("\\", ""): line for line in reversed(text.splitlines())}
    for name, state in SHOWN.items():
        assert f"| {state} " in rows[name], rows[name]
    for said in (ONE_BLOCK, "it was made OVERLOADED", "no PostgreSQL could be had"):
        assert said in text


def test_csv_and_frames_say_so(troubled: Recorded, written: dict[str, Path]) -> None:
    rows = {row["variant"]: row for row in csv.DictReader(io.StringIO(written["variants.csv"].read_text()))}
    assert {name: row["state"] for name, row in rows.items()} == SHOWN
    assert {name for name, row in rows.items() if not row["p50_us_median"]} == {
        "memory", "mongodb", "postgres:driver=psycopg",
    }  # fmt: skip
    assert "no PostgreSQL could be had" in rows["postgres:driver=psycopg"]["error"]
    trials = {row["variant"]: row for row in csv.DictReader(io.StringIO(written["trials.csv"].read_text()))}
    assert {name: row["state"] for name, row in trials.items() if row["state"] != "VALID"} == VERDICTS
    assert trials["mongodb"]["reasons"] == "it was made INVALID"
    assert dict(zip(troubled.variants["variant"], troubled.variants["state"], strict=True)) == SHOWN
    assert troubled.told["level"].isna().all()


def test_the_page_says_so(written: dict[str, Path]) -> None:
    page = Page(written["index.html"].read_text())
    assert page.unbalanced == []
    rows = {name: row for row in page.tables["figures"] for name in SHOWN if words(row[0].text).split()[:1] == [name]}
    for name, state in SHOWN.items():
        assert (state in rows[name][0].text) == (state != "VALID"), rows[name][0].text
    text = words("".join(page.texts))
    for said in (ONE_BLOCK, "it was made FAILED", "INVALID and left out: 1 of 6 trials", "no PostgreSQL could be had"):
        assert said in text


@pytest.mark.parametrize("chart", ["latency", "throughput", "cost-cpu", "cpu"])
def test_charts_say_so(written: dict[str, Path], chart: str) -> None:
    root = ET.parse(written[f"charts/{chart}.svg"]).getroot()  # noqa: S314 - ours
    texts = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(text for text in texts if text in GRAVE.values()) == sorted(GRAVE.values())
    assert "1 block" in words(" ".join(texts))
    assert f"charts/{chart}.png" in written


def test_a_panel_without_room_keeps_the_name_and_the_worst() -> None:
    on = canvas.Canvas("small", "Small", [], 50)
    on.heading(0, 10, 125, "memory:workers=2", "SUSPECT, FAILS 5 checks", struck=True)
    texts = [text.get_text() for text in on.figure.texts]
    assert "FAILS 5 checks" in texts
    assert [text for text in texts if text.startswith("mem")]


def test_two_runs_and_a_history_say_so(troubled: Recorded) -> None:
    before, after = (two_days.on(troubled.run, day) for day in range(2))
    beside = SideBySide(across(before, after), (Side("A", "a", before), Side("B", "b", after)))
    told = history("results", [("a", before), ("b", after)])
    last = history_html.latest([before, after])
    drawn = history_html.draw(told, last)
    assert "history-none" in {chart.name for chart in drawn}
    page = Page(history_html.render(told, last, drawn))
    place = [cell.text for cell in page.tables["runs"][0]].index("blocks")
    assert [row[place].text.strip() for row in page.tables["runs"][1:]] == ["1", "1"]
    texts = {
        "page": words("".join(Page(side_by_side_html.render(beside)).texts)),
        "markdown": side_by_side_html.markdown(beside),
        "history": words("".join(page.texts)),
    }
    for kind, text in texts.items():
        for name in ("redis", "mongodb", "http"):
            assert re.search(f"[12] of [12] trials? {VERDICTS[name]}", text), (kind, name)
        assert kind == "history" or "1 block" in text, kind


def test_a_judgement_and_an_audit_of_what_could_not_start_say_so() -> None:
    run = synthetic_judged.check("inconclusive")
    run.variants[-1].error = "it did not start"
    assert run.judgement is not None
    assert "it did not start" in junit.render(run, run.judgement)
    assert "INCONCLUSIVE" in pull_request.render(run, run.judgement)
    assert "its port was taken" in audit_junit.render(synthetic_audits.only())
