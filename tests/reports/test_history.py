from __future__ import annotations

import csv
import io
import json
import re
import sys
from typing import TYPE_CHECKING

import jsonschema
import pytest
from rich.console import Console

from harness.history import show
from reports import schemas
from reports.exporters import history_csv, history_html
from reports.format import Arm
from reports.judging.history import History, LeftOut, history
from reports.listings import history_listing as listing
from tests.reports import synthetic_audits, synthetic_judged, two_days
from tests.reports.page import Page
from tests.reports.synthetic import EVIL
from tests.reports.two_runs import NONE, POSTGRES, REDIS, changed, figures, interleaved, run, steady, trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.format import Run


def named(runs: list[Run]) -> list[tuple[str, Run]]:
    return [(f"run{number:02d}", each) for number, each in enumerate(runs, 1)]


def short(days: int = 3) -> list[Run]:
    return [
        two_days.on(run(interleaved({"none": steady(800, 300), "redis": steady(1_000, 400)}), [NONE, REDIS]), day)
        for day in range(days)
    ]


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return list(two_days.days())


@pytest.fixture(scope="module")
def told(runs: list[Run]) -> History:
    # In another order than that of the days.
    return history("results", [*reversed(named(runs))], [LeftOut(folder="broken", why="it is damaged")])


def test_runs_stand_in_the_order_of_their_days(told: History) -> None:
    assert [each.folder for each in told.runs] == [f"run{number:02d}" for number in range(1, 19)]
    assert [each.setting for each in told.runs] == [*"A" * 17, "B"]


def test_what_differs_parts_the_series_and_is_named(told: History) -> None:
    first, second = told.settings
    assert (first.letter, first.runs, first.differences) == ("A", 17, [])
    assert [(each.what, each.b) for each in second.differences] == [("kernel", "6.2.0")]
    editions = {series.label: series for series in told.series if series.variant == "postgres"}
    assert list(editions) == ["A", "A2", "B"]
    assert [(each.what, each.b) for each in editions["A2"].differences] == [("store of postgres", "PostgreSQL 18.7")]
    assert [point.run for point in editions["A2"].points] == [15, 16]
    # The store of another variant is none of its business.
    assert {series.label for series in told.series if series.variant == "redis"} == {"A", "B"}


def test_figures_are_multiples_of_what_keeps_nothing_in_the_same_run(runs: list[Run], told: History) -> None:
    [series] = [each for each in told.series if (each.variant, each.metric, each.label) == ("redis", "p50_us", "A")]
    assert series.relative
    assert len(series.points) == 17
    few, many = series.points[0].over, series.points[5].over
    assert few is not None
    assert many is not None
    # Three blocks have extremes, twelve an interval.
    assert (few.level, few.blocks) == (None, 3)
    assert (many.level, many.blocks) == (0.95, 12)
    assert many.low < many.estimate < many.high
    ratios = sorted(
        own / base
        for block in range(1, 13)
        for own, base in [
            [
                next(
                    each.arms[0].figures.p50_us or 0
                    for each in runs[5].trials
                    if each.block == block and each.arms[0].variant == name and each.arms[0].figures
                )
                for name in ("redis", "none")
            ]
        ]
    )
    assert ratios[0] < many.low <= ratios[5] <= many.high < ratios[-1]
    assert many.estimate == pytest.approx((ratios[5] + ratios[6]) / 2, rel=0.02)


def test_the_change_is_found_with_what_else_changed(told: History) -> None:
    found = {(each.variant, each.metric): each.changes for each in told.series if each.label == "A"}
    for metric in ("p50_us", "app_cpu_us_per_request"):
        [change] = found["redis", metric]
        assert change.run == two_days.SLOWER_FROM
        assert change.change == pytest.approx(0.09, abs=0.03)
        assert ("fastapi", "0.120.0", "0.121.0") in [(each.what, each.a, each.b) for each in change.beside]
    assert not [changes for (name, _), changes in found.items() if name != "redis" and changes]


def test_what_keeps_nothing_is_shown_in_its_own_unit(told: History) -> None:
    series = next(each for each in told.series if each.variant == "none" and each.metric == "p50_us")
    assert not series.relative
    assert all(point.over is None for point in series.points)
    assert listing.unit(series) == "ms"


def test_without_what_keeps_nothing_the_figures_are_their_own() -> None:
    values = {"redis": steady(1_000, 400)}
    told = history("x", named([two_days.on(run(interleaved(values), [REDIS]), day) for day in range(3)]))
    assert {each.relative for each in told.series} == {False}


def test_a_regression_check_an_audit_and_an_empty_run_are_left_out_with_their_reasons() -> None:
    empty = run([], [NONE, REDIS])
    found = [
        *named(short()),
        ("check", synthetic_judged.check("pass")),
        ("audit", synthetic_audits.only()),
        ("empty", empty),
    ]
    told = history("x", found)
    assert len(told.runs) == 3
    why = {each.folder: each.why for each in told.left_out}
    assert "regression check" in why["check"]
    assert "an audit" in why["audit"]
    assert why["empty"] == "no trial of it was finished"


def test_of_copies_and_of_runs_that_go_on_the_longest_counts() -> None:
    whole = short(1)[0]
    begun = whole.model_copy(update={"trials": whole.trials[:4], "status": "interrupted"})
    told = history("x", [("begun", begun), ("copy", whole), ("whole", whole)])
    assert [each.folder for each in told.runs] == ["copy"]
    assert {each.folder: each.why for each in told.left_out} == {
        "begun": "it holds trials of copy",
        "whole": "it holds trials of copy",
    }


def test_failed_missing_and_suspect_trials_are_said_and_do_not_count() -> None:
    ones = short(4)
    for each in ones[1].trials:
        if each.arms[0].variant == "redis":
            each.verdict.state = "FAILED"
    ones[2] = changed(ones[2], "variants.redis.error", "no server")
    ones[2].trials = [each for each in ones[2].trials if each.arms[0].variant != "redis"]
    for each in ones[3].trials:
        each.verdict.state = "SUSPECT"
    told = history("x", named(ones))
    series = next(each for each in told.series if (each.variant, each.metric) == ("redis", "p50_us"))
    assert [point.why for point in series.points] == ["", "12 of 12 trials FAILED", "no server", ""]
    assert [point.suspect for point in series.points] == [0, 0, 0, 12]
    assert [point.run for point in series.known] == [0, 3]
    said = ["redis, A: no figure in 2 of 4 runs, first in run02: 12 of 12 trials FAILED; no server."]
    assert listing.missing(told) == said
    assert said[0] in " ".join(Page(history_html.render(told, history_html.latest(ones), [])).texts)


def test_who_never_has_a_figure_is_there_with_the_reason() -> None:
    ones = short(2)
    for one in ones:
        for each in one.trials:
            if each.arms[0].variant == "redis":
                each.verdict.state = "INVALID"
    told = history("x", named(ones))
    assert [(each.metric, len(each.known)) for each in told.series if each.variant == "redis"] == [("p50_us", 0)]
    assert listing.missing(told) == ["redis, A: no figure in 2 of 2 runs, first in run01: 12 of 12 trials INVALID."]
    assert [each.name for each in history_html.draw(told, history_html.latest(ones))] == ["history-none"]


def test_a_run_in_which_what_keeps_nothing_failed_is_in_no_series_of_multiples() -> None:
    ones = short(3)
    for each in ones[1].trials:
        if each.arms[0].variant == "none":
            each.verdict.state = "INVALID"
    told = history("x", named(ones))
    series = next(each for each in told.series if (each.variant, each.metric) == ("redis", "p50_us"))
    assert [point.run for point in series.known] == [0, 2]
    assert "beside what keeps nothing" in series.points[1].why


def test_a_single_block_and_a_single_run_are_shown() -> None:
    made = run(
        [
            trial(1, Arm(variant="none", figures=figures(800, 300))),
            trial(1, Arm(variant="redis", figures=figures(900, 400))),
        ],
        [NONE, REDIS],
    )
    told = history("x", [("one", made)])
    series = next(each for each in told.series if (each.variant, each.metric) == ("redis", "p50_us"))
    assert series.points[0].over is not None
    assert series.points[0].over.level is None
    assert listing.ends(series, series.points[0]) == "–"  # noqa: RUF001 - the dash of tables
    assert history_html.draw(told, history_html.latest([made]))
    assert "the longest here has 1" in listing.how(told)


def test_without_the_library_it_says_so(monkeypatch: pytest.MonkeyPatch, runs: list[Run]) -> None:
    monkeypatch.setitem(sys.modules, "ruptures", None)
    told = history("x", named(runs))
    assert not told.searched
    assert not [each for each in told.series if each.changes]
    assert "pip install 'session-bench[history]'" in listing.how(told)


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_has_room_for_it(told: History, golden: Callable[[str, str], None], width: int) -> None:
    console = Console(width=width, file=io.StringIO(), color_system=None, legacy_windows=False)
    show(told, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    golden(f"history-{width}.txt", text)


def test_csv(told: History, golden: Callable[[str, str], None]) -> None:
    text = history_csv.table(told)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 18 * 3 * 4
    row = next(
        each for each in rows if (each["folder"], each["variant"], each["metric"]) == ("run10", "redis", "p50_us")
    )
    assert float(row["changed"]) == pytest.approx(0.09, abs=0.03)
    assert float(row["over_baseline_low"]) < float(row["over_baseline"]) < float(row["over_baseline_high"])
    few = history("x", named(short(2)))
    golden("history.csv", history_csv.table(few))


def test_json_is_as_its_schema_says(told: History) -> None:
    jsonschema.validate(json.loads(told.model_dump_json()), schemas.schema("history"))


def test_the_page_holds_every_series_and_every_change(runs: list[Run], told: History) -> None:
    run_ = history_html.latest(runs)
    charts = history_html.draw(told, run_)
    assert [each.name for each in charts] == ["history-none", "history-redis", "history-postgres"]
    page = Page(history_html.render(told, run_, charts))
    assert page.unbalanced == []
    assert len(page.tables["trends"]) == 1 + len(told.series)
    text = " ".join(" ".join(page.texts).split())
    for words in (
        "Advice, never a gate",
        "first in run10",
        "fastapi 0.120.0 → 0.121.0",
        "it is damaged",
        "A2",
        "6.2.0",
    ):
        assert words in text
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_figure_on_the_page_is_one_of_the_runs(runs: list[Run], told: History) -> None:
    page = Page(history_html.render(told, history_html.latest(runs), []))
    shown = [[cell.text.strip() for cell in row] for row in page.tables["points"][1:]]
    expected = []
    for series in told.series:
        for point in series.points:
            cells = [f"{point.over.estimate:.3g}"] if point.over else []
            expected.append((series.variant, listing.moment(told, point.run), *map(float, cells)))
    seen = []
    for row in shown:
        multiple = [float(row[4])] if re.fullmatch(r"[\d.]+", row[4]) else []
        seen.append((row[0], row[2], *multiple))
    assert seen == expected


def test_hostile_names_are_only_text() -> None:
    variants = [NONE, REDIS.model_copy(update={"name": EVIL, "slug": EVIL}), POSTGRES]
    ones = list(two_days.days(4, variants=variants))
    told = history(
        EVIL, [(f"{EVIL}{number}", each) for number, each in enumerate(ones)], [LeftOut(folder=EVIL, why=EVIL)]
    )
    run_ = history_html.latest(ones)
    charts = history_html.draw(told, run_)
    assert len({chart.name for chart in charts}) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", chart.name) for chart in charts)
    page = Page(history_html.render(told, run_, charts))
    assert page.unbalanced == []
    shown = "".join(page.texts)
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in shown
    assert "\x1b" not in shown
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert EVIL in {row["variant"] for row in csv.DictReader(io.StringIO(history_csv.table(told)))}


def test_letters_go_on_behind_the_last() -> None:
    ones = [changed(each, "environment.kernel", str(day)) for day, each in enumerate(short(28))]
    told = history("x", named(ones))
    assert [each.setting for each in told.runs][-3:] == ["Z", "AA", "AB"]
