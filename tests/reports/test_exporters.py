from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt

from reports import stats
from reports.exporters import audit_json, judged_json, markdown
from reports.exporters import csv as exported
from reports.format import Run
from reports.listings import view
from reports.tidy.frame_columns import TABLES
from tests.reports import (
    synthetic_audits,
    synthetic_distance,
    synthetic_faults,
    synthetic_judged,
    synthetic_sizes,
    synthetic_told,
)
from tests.reports.conftest import in_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reports.data import Recorded


@pytest.mark.parametrize("width", [80, 120, 160])
def test_terminal(recorded: Recorded, golden: Callable[[str, str], None], width: int) -> None:
    text = in_terminal(recorded.run, width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"terminal-{width}.txt", text)


@pytest.mark.parametrize("width", [80, 100, 120])
def test_open_load_in_a_terminal(opened: Recorded, golden: Callable[[str, str], None], width: int) -> None:
    text = in_terminal(opened.run, width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"open-terminal-{width}.txt", text)


def test_open_load_in_markdown_and_csv(opened: Recorded, golden: Callable[[str, str], None]) -> None:
    golden("open-report.md", markdown.render(opened.run))
    golden("open-variants.csv", exported.variants(opened.run))
    golden("open-trials.csv", exported.trials(opened.run))


def test_markdown(recorded: Recorded, golden: Callable[[str, str], None]) -> None:
    golden("report.md", markdown.render(recorded.run, [("Throughput", "charts/throughput.png")]))


def test_csv(recorded: Recorded, golden: Callable[[str, str], None]) -> None:
    golden("variants.csv", exported.variants(recorded.run))
    golden("trials.csv", exported.trials(recorded.run))


def test_every_table_has_a_file(opened: Recorded, golden: Callable[[str, str], None], tmp_path: Path) -> None:
    judged = synthetic_judged.check("regressed")
    made = {
        "steps": opened.run.model_copy(update={"trials": opened.run.trials[:4]}),
        "sizes": synthetic_sizes.run(blocks=2, sizes=(1000, 2500, 3000)),
        "capacities": opened.run,
        "told": synthetic_told.bench(blocks=6),
        "comparisons": judged,
        "outages": synthetic_faults.record(tmp_path),
        "distances": synthetic_distance.run(blocks=2),
    }
    for name, run in made.items():
        golden(f"{name}.csv", exported.table(run, name))
    # Those of variants, trials, audits, correctness and counts are written elsewhere, and summaries are variants in
    # long form.
    elsewhere = {"variants", "trials", "audits", "correctness", "counts", "summaries"}
    assert made.keys() | elsewhere == TABLES.keys() - {"requests", "resources"}


def test_json(golden: Callable[[str, str], None]) -> None:
    judged = synthetic_judged.check("regressed", blocks=4)
    assert judged.judgement is not None
    golden("judgement.json", judged_json.render(judged, judged.judgement))
    audited = synthetic_audits.only()
    # What failed nothing, and what could not be audited.
    audited.audits = [each for each in audited.audits if each.variant == "none" or each.error]
    golden("audit.json", audit_json.render(audited))


def test_csv_holds_the_summaries_of_run_json(recorded: Recorded, written: dict[str, Path]) -> None:
    raw = json.loads((recorded.folder / "run.json").read_bytes())
    rows = {row["variant"]: row for row in csv.DictReader(io.StringIO(written["variants.csv"].read_text()))}
    assert list(rows) == [variant["name"] for variant in raw["variants"]]
    for summary in raw["summaries"]:
        row = rows[summary["variant"]]
        for metric in stats.METRICS:
            for pick in ("median", "min", "max"):
                expected = summary["metrics"].get(metric, {}).get(pick)
                assert row[f"{metric}_{pick}"] == "" if expected is None else float(row[f"{metric}_{pick}"]) == expected


def test_csv_keeps_every_trial_with_its_verdict(recorded: Recorded) -> None:
    rows = list(csv.DictReader(io.StringIO(exported.trials(recorded.run))))
    assert [int(row["trial"]) for row in rows] == list(range(1, len(recorded.run.trials) + 1))
    assert [row["state"] for row in rows].count("INVALID") == 1


def test_rows_stand_in_the_plans_order_after_what_keeps_nothing(recorded: Recorded) -> None:
    run = recorded.run.model_copy(deep=True)
    run.variants.reverse()
    names = [row.variant.name for row in view.sheet(run).rows]
    assert names == ["none", "postgres", "mongodb:driver=pymongo", "mongodb", "redis", "memory"]


def test_every_variant_is_there_with_its_state_and_reason(recorded: Recorded) -> None:
    sheet = view.sheet(recorded.run)
    states = {row.variant.name: row.state for row in sheet.rows}
    assert states == {
        "none": "VALID",
        "memory": "VALID",
        "redis": "VALID",
        "mongodb": "FAILED",
        "mongodb:driver=pymongo": "VALID",
        "postgres": "NOT RUN",
    }
    notes = {row.variant.name: [sheet.footnotes[note - 1] for note in row.notes] for row in sheet.rows}
    assert "INVALID, excluded from every figure (redis 1 of 4 trials)" in notes["redis"][0]
    assert "FAILED (mongodb 3 of 3 trials)" in notes["mongodb"][0]
    assert "NOT RUN (postgres): no PostgreSQL could be had" in notes["postgres"][0]
    assert notes["none"] == []
    invalid = next(trial for trial in recorded.run.trials if trial.verdict.state == "INVALID").arms[0].figures
    redis = next(row for row in sheet.rows if row.variant.name == "redis")
    assert invalid is not None
    assert invalid.max_us is not None
    assert redis.trials == 3
    assert redis.cells["max"].value != invalid.max_us


def test_what_closed_load_means_is_said(recorded: Recorded) -> None:
    for text in (in_terminal(recorded.run, 500), markdown.render(recorded.run)):
        assert "Closed load, 16 users" in text
        assert "Not comparable to open load" in text
        assert text.count("ranking") == 1
        assert "3 blocks bear no ranking" in text


def changed(recorded: Recorded, **facts: Any) -> Run:
    """Return the run with some of its fields replaced, in all its parts."""
    return Run.model_validate(recorded.run.model_dump() | facts)


def test_a_reason_shared_by_many_is_said_once(recorded: Recorded) -> None:
    trials = [trial.model_dump() for trial in recorded.run.trials]
    for place, trial in enumerate(trials):
        trial["verdict"] = {"state": "SUSPECT", "reasons": [f"the generator used {71 + place} % of its core"]}
    sheet = view.sheet(
        changed(recorded, trials=trials, variants=[each.model_dump() for each in recorded.run.variants[:5]])
    )
    assert [row.notes for row in sheet.rows] == [(1,)] * 5
    [note] = sheet.footnotes
    assert note.startswith("SUSPECT (none 3 of 3; memory 3 of 3; redis 4 of 4;")
    assert "the generator used 7" in note


def test_lower_bounds_are_marked(recorded: Recorded) -> None:
    trials = [trial.model_dump() for trial in recorded.run.trials]
    trials[0]["arms"][0]["figures"]["at_least"] = ["p99_us"]
    name = trials[0]["arms"][0]["variant"]
    sheet = view.sheet(changed(recorded, trials=trials))
    row = next(row for row in sheet.rows if row.variant.name == name)
    assert row.cells["p99"].text.startswith("≥")
    assert not row.cells["p95"].text.startswith("≥")
    assert any(remark.startswith("≥") for remark in sheet.remarks)


@pytest.mark.parametrize(("status", "words"), [("running", "is not finished"), ("interrupted", "was interrupted")])
def test_a_partial_run_says_so(recorded: Recorded, status: str, words: str) -> None:
    trials = [trial.model_dump() for trial in recorded.run.trials[:4]]
    run = changed(recorded, status=status, trials=trials, summaries=stats.summaries(recorded.run.trials[:4]))
    sheet = view.sheet(run)
    assert f"The run {words}: 4 of its 15 trials of latency are here" in sheet.remarks[0]
    assert [row.state for row in sheet.rows].count("NO TRIAL") == 1
    assert in_terminal(run, 80)


def test_a_run_without_a_trial_can_be_shown(recorded: Recorded) -> None:
    run = changed(recorded, status="running", trials=[], summaries=[])
    assert "0 of its 15 trials" in in_terminal(run, 500)
    assert markdown.render(run)
    assert len(exported.trials(run).splitlines()) == 1


def test_hostile_names_do_nothing_in_a_terminal(hostile: Recorded) -> None:
    for width in (80, 120, 300):
        text = in_terminal(hostile.run, width)
        assert max(map(len, text.splitlines())) <= width
        assert not set(text) & {"\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"}
    assert "[red]x[/red]" in text


def test_hostile_names_do_nothing_in_markdown(hostile: Recorded) -> None:
    text = markdown.render(hostile.run)
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    inline = [child for token in tokens for child in token.children or []]
    assert {token.type for token in [*tokens, *inline]} >= {"table_open", "heading_open"}
    assert not [token for token in [*tokens, *inline] if token.type in {"html_inline", "html_block", "link_open"}]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {line.replace(r"\|", "").count("|") for line in rows[:5]} == {16}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "  =1", "\N{FULLWIDTH EQUALS SIGN}1"])
def test_no_spreadsheet_calculates_a_text(text: str) -> None:
    written = exported.write(["text", "number"], [{"text": text, "number": -1.5}])
    assert [*csv.reader(io.StringIO(written, newline=""))][1] == [f"'{text}", "-1.5"]


def test_hostile_names_stay_whole_in_csv(hostile: Recorded) -> None:
    rows = list(csv.DictReader(io.StringIO(exported.variants(hostile.run))))
    assert [row["variant"] for row in rows] == [variant.name for variant in hostile.run.variants]
