from __future__ import annotations

import csv
import io
import re
import statistics
from typing import TYPE_CHECKING, Any

import pytest

import reports
from reports import stats
from reports.charts import canvas, intervals, palette
from reports.exporters import csv as exported
from reports.exporters import markdown
from reports.files import write_run
from reports.format import LAYERS, Run, Verdict
from reports.listings import details, findings, view
from reports.words import units
from tests.reports import synthetic, synthetic_open
from tests.reports.conftest import in_terminal
from tests.reports.page import Page
from tests.reports.test_charts import texts
from tests.reports.test_html import test_the_page_asks_for_nothing as asks_for_nothing
from tests.reports.test_html import test_the_page_is_well_nested_and_its_ids_are_its_own as well_nested

if TYPE_CHECKING:
    from pathlib import Path

    from reports.data import Recorded


def changed(recorded: Recorded, **facts: Any) -> Run:
    """Return the run with some of its plan's fields replaced."""
    run = recorded.run.model_copy(deep=True)
    for name, value in facts.items():
        setattr(run.plan, name, value)
    return run


def number(text: str) -> float:
    return float(text.replace(units.MINUS, "-").replace(",", "").lstrip("≥+"))


def test_only_what_a_run_holds_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    run = synthetic_open.record(
        folder, synthetic_open.SUBJECTS[1:3], blocks=1, closed_s=0, ladder_per_s=(), capacities=False
    )
    charts = {path.stem for path in reports.write(folder) if path.suffix == ".svg"}
    assert not charts & {"load", "capacity", "cost-p50", "cost-cpu", "throughput"}
    shown = markdown.render(run) + in_terminal(run, 120)
    for words in ("req/s", "Capacity", "Cost over"):
        assert words not in shown
    assert [listing.key for listing in details.tables(run)].count("searches") == 0


def test_the_table_is_of_latency_trials_that_count(opened: Recorded) -> None:
    rows = {row.variant.name: row for row in view.sheet(opened.run).rows}
    assert {name: row.state for name, row in rows.items()} == {
        "none": "VALID", "memory": "VALID", "redis": "VALID", "mongodb": "FAILED", "mongodb:driver=pymongo": "VALID",
        "postgres": "SUSPECT", "http": "OVERLOADED", "postgres:driver=psycopg": "NOT RUN",
    }  # fmt: skip
    counted = [
        trial
        for trial in opened.run.trials
        if trial.purpose == "latency" and trial.verdict.state != "INVALID" and trial.arms[0].variant == "redis"
    ]
    assert len(counted) == 3
    figures = [(trial.arms[0].figures, trial.arms[0].closed) for trial in counted]
    cells = rows["redis"].cells
    assert cells["p99"].value == statistics.median(found.p99_us for found, _ in figures if found and found.p99_us)
    assert cells["max"].value == max(found.max_us for found, _ in figures if found and found.max_us)
    assert cells["rate"].value == statistics.median(closed.requests_per_s for _, closed in figures if closed)
    assert rows["http"].cells["range"].text.startswith("≥")
    assert "redis 1 of 4 trials" in view.sheet(opened.run).footnotes[0]


def test_what_open_load_means_is_said(opened: Recorded, opened_written: dict[str, Path]) -> None:
    page = " ".join(" ".join(Page(opened_written["index.html"].read_text()).texts).split())
    for text in (in_terminal(opened.run, 500), markdown.render(opened.run).replace("\\", ""), page):
        for words in (
            "Open load, 300 arrivals/s, exponentially spaced",
            "it counts from the intended start",
            "errors left out and counted apart",
            "behind each window 16 users sent as soon as they were answered, for 0.4 s",
            "Warm-up: 0.5 s, fixed",
            "OVERLOADED: the app or its store did not sustain the rate",
        ):
            assert words in text
        assert "Closed load" not in text
    [note] = [column.note for column in view.columns(opened.run) if column.key == "rate"]
    assert "closed phase" in note


def test_how_the_rate_and_the_warm_up_came_about_is_said(opened: Recorded) -> None:
    run = changed(opened, rate_source="probe", warmup_s=3.0, warmup_most_s=8.0)
    run.plan.load.arrivals = "constant"
    for trial in run.trials:
        trial.steady = trial.number != 4
    said = " ".join(view.sheet(run).remarks)
    assert "300 arrivals/s (a rate that a probe of the slowest variant chose), evenly spaced" in said
    assert "at least 3 s and at most 8 s" in said
    assert "1 of 22 trials were not steady even then" in said
    assert "evenly spaced, at most 64 in flight" in view.title(run)


def test_a_repeat_says_whose_place_it_takes(opened: Recorded) -> None:
    rows = {row[0]: row for row in details.trials(opened.run).rows}
    assert rows["13"][-1] == "the hypervisor stole 31 % of CPU time (limit 5 %); repeated as trial 14"
    assert rows["14"][-1] == "attempt 2 of trial 13's place"
    assert rows["12"][-1] == ""


def test_every_trial_is_listed_once_with_what_its_instrument_saw(opened: Recorded) -> None:
    latency, others = details.trials(opened.run), details.searches(opened.run)
    numbers = [int(row[0]) for listing in (latency, others) for row in listing.rows]
    assert sorted(numbers) == [trial.number for trial in opened.run.trials]
    assert {row[1] for row in others.rows} == {"ladder", "capacity"}
    heads = [head.name for head in latency.heads]
    first = dict(zip(heads, latency.rows[0], strict=True))
    trial = opened.run.trials[0]
    figures = trial.arms[0].figures
    assert figures is not None
    assert figures.dispatch_lag_p99_us is not None
    assert first["dispatch lag p99"] == units.ms(figures.dispatch_lag_p99_us)
    assert (first["achieved"], first["generator lag p99"], first["steal"]) == ("100 %", "0.410", "0.40 %")
    assert first["closed phase"] == units.per_second(trial.arms[0].closed.requests_per_s if trial.arms[0].closed else 0)


def test_costs_are_those_of_the_summaries(opened: Recorded, opened_written: dict[str, Path]) -> None:
    listing = findings.costs(opened.run)
    assert listing is not None
    rows = {row[0]: row for row in listing.rows}
    by_name = {summary.variant: summary.over_baseline for summary in opened.run.summaries}
    assert set(rows) == {name for name, costs in by_name.items() if costs}
    for name, row in rows.items():
        for place, (metric, scale) in enumerate({"p50_us": 1e3, "app_cpu_us_per_request": 1}.items()):
            estimate, ends = row[2 + 2 * place : 4 + 2 * place]
            if metric not in by_name[name]:
                assert (name, estimate, ends) == ("http", "–", "–")  # noqa: RUF001 - the dash of tables
                continue
            interval = by_name[name][metric]
            shown = [number(text) * scale for text in (estimate, *ends.split(" – "))]  # noqa: RUF001 - a range
            assert shown == pytest.approx([interval.estimate, interval.low, interval.high], rel=0.006, abs=0.6)
    assert "extremes of 3 blocks. So few blocks bear no interval." in listing.remark
    said = texts(opened_written["charts/cost-p50.svg"])
    assert any(text.startswith(rows["redis"][2] + " (") for text in said)
    assert "ms more than none; lines: smallest to largest block" in said


def test_enough_blocks_bear_intervals(tmp_path: Path) -> None:
    subjects = [synthetic_open.SUBJECTS[0], synthetic_open.SUBJECTS[2]]
    run = synthetic_open.record(tmp_path, subjects, blocks=8, closed_s=0, ladder_per_s=(), capacities=False)
    listing = findings.costs(run)
    assert listing is not None
    assert "From and to: 95 % interval of 8 blocks. The intervals of a metric hold for all variants at once." in (
        listing.remark
    )
    with canvas.paper():
        on = intervals.cost(run, "p50_us", palette.styles(run), [])
    assert on is not None
    assert "Hodges-Lehmann estimates over paired blocks, 95 % intervals" in [
        text.get_text() for text in on.figure.texts
    ]


def test_closed_load_has_no_cost_in_latency(recorded: Recorded) -> None:
    assert {metric for costs in findings.over(recorded.run).values() for metric in costs} == {"app_cpu_us_per_request"}


@pytest.mark.parametrize(
    ("difference", "written"),
    [(0.3, "0"), (-63, "−0.063"), (63, "+0.063"), (-1_960, "−1.96"), (0, "0")],  # noqa: RUF001 - a minus
)
def test_differences_have_signs(difference: float, written: str) -> None:
    assert units.signed(difference, units.ms_apart) == written


def test_layers_add_up_to_the_mean(opened: Recorded) -> None:
    listing = findings.layers(opened.run)
    assert listing is not None
    for row in listing.rows:
        seen = [found.layers_us for _, found in view.measured(opened.run, row[0])]
        parts = findings.mean_parts(opened.run, row[0])
        mean = statistics.median(sum(each.values()) for each in seen)
        assert sum(parts.values()) == pytest.approx(mean)
        assert parts["store"] == statistics.median(each["store"] for each in seen)
        assert row[1:] == [*(units.ms(parts[layer]) for layer in LAYERS), units.ms(mean)]


def test_layers_that_add_up_to_too_much_are_not_made_negative(opened: Recorded) -> None:
    run = opened.run.model_copy(deep=True)
    for place, (_, figures) in enumerate(view.measured(run, "redis")):
        figures.layers_us = {"client": 100 + 50 * (place == 0), "store": 100 + 50 * (place == 1), "unattributed": 0}
    assert findings.mean_parts(run, "redis")["unattributed"] == 50
    for place, (_, figures) in enumerate(view.measured(run, "redis")):
        figures.layers_us = {"client": 200 - 150 * (place == 0), "store": 200 - 150 * (place == 1), "unattributed": 0}
    assert findings.mean_parts(run, "redis") == {"client": 200, "store": 200, "unattributed": 0}


def test_csv_tells_purposes_costs_and_capacities(opened: Recorded) -> None:
    rows = list(csv.DictReader(io.StringIO(exported.trials(opened.run))))
    assert [row["purpose"] for row in rows] == [trial.purpose for trial in opened.run.trials]
    assert {row["rate_per_s"] for row in rows if row["purpose"] == "latency"} == {"300"}
    figures = opened.run.trials[0].arms[0].figures
    assert figures is not None
    assert float(rows[0]["layer_store_us"]) == figures.layers_us["store"]
    assert float(rows[0]["dispatch_lag_p99_us"]) == figures.dispatch_lag_p99_us
    variants = {row["variant"]: row for row in csv.DictReader(io.StringIO(exported.variants(opened.run)))}
    redis = next(summary for summary in opened.run.summaries if summary.variant == "redis")
    assert float(variants["redis"]["throughput_per_s_median"]) == redis.metrics["throughput_per_s"].median
    assert float(variants["redis"]["p50_us_over_baseline_low"]) == redis.over_baseline["p50_us"].low
    assert variants["redis"]["p50_us_over_baseline_level"] == ""
    assert (variants["http"]["capacity_lower_per_s"], variants["http"]["capacity_upper_per_s"]) == ("", "200")


def test_the_page_holds_every_listing(opened: Recorded, opened_written: dict[str, Path]) -> None:
    page = Page(opened_written["index.html"].read_text())
    asks_for_nothing(page)
    well_nested(page)
    listings = [*findings.beside(opened.run), *details.tables(opened.run)]
    assert {listing.key for listing in listings} == {
        "costs", "capacities", "steps", "mean-parts", "app-loop", "store-operations", "trials", "searches",
    }  # fmt: skip
    for listing in listings:
        heads, *rows = page.tables[listing.key]
        assert [" ".join(cell.text.split()) for cell in heads] == [head.text for head in listing.heads]
        assert [[cell.text for cell in row] for row in rows] == [list(row) for row in listing.rows]


def test_hostile_names_are_only_text_under_open_load(tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    run = synthetic_open.record(folder, synthetic.HOSTILE, blocks=1, capacities=False, ladder_per_s=[150.0])
    paths = reports.write(folder)
    assert all(path.resolve().is_relative_to(folder.resolve()) for path in paths)
    page = Page(paths[0].read_text())
    asks_for_nothing(page)
    well_nested(page)
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in "".join(page.texts)
    for width in (80, 120):
        shown = in_terminal(run, width)
        assert max(map(len, shown.splitlines())) <= width
        assert not set(shown) & {"\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"}
    lines = [line for line in markdown.render(run).splitlines() if line.startswith("|")]
    assert not [line for line in lines if re.search(r"(?<!\\)<script", line)]


def test_a_frame_of_trials_tells_rates_and_purposes(opened: Recorded) -> None:
    frame = opened.trials
    assert frame.groupby("purpose").size().to_dict() == {"capacity": 6, "ladder": 21, "latency": 22}
    assert set(frame[frame["purpose"] == "ladder"]["rate_per_s"]) == {150, 600, 1_200}
    assert set(stats.METRICS) & set(frame.columns) >= {"throughput_per_s", "p99_us"}


def test_a_run_with_open_load_can_be_shown_before_its_first_trial(opened: Recorded, tmp_path: Path) -> None:
    run = opened.run.model_copy(deep=True)
    run.status, run.trials, run.summaries, run.capacities = "running", [], [], []
    write_run(tmp_path, run)
    assert reports.write(tmp_path)
    assert "0 of its 21 trials of latency are here" in in_terminal(run, 500)


def test_a_trial_that_came_to_nothing_is_listed_with_its_error(opened: Recorded) -> None:
    run = opened.run.model_copy(deep=True)
    trial = run.trials[0]
    trial.arms[0].figures = trial.arms[0].closed = None
    trial.verdict = Verdict(state="INVALID", reasons=["the app did not start"])
    [row] = [row for row in details.trials(run).rows if row[0] == "1"]
    assert row[3] == "INVALID"
    assert row[-1] == "the app did not start"
    assert markdown.render(run)
