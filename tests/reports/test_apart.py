from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

import reports
from reports.exporters import csv as exported
from reports.exporters import markdown
from reports.exporters.html import render
from reports.files import write_run
from reports.listings import apart, view
from reports.words import units
from tests.reports import synthetic_told
from tests.reports.conftest import in_terminal
from tests.reports.page import Page
from tests.reports.synthetic import EVIL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reports.format import Run
    from reports.listings.listing import Listing


@pytest.fixture(scope="module")
def bench() -> Run:
    """Return a bench of eight variants with blocks enough."""
    return synthetic_told.bench()


def matrix(run: Run) -> Listing:
    listing = apart.matrix(run)
    assert listing is not None
    return listing


def block_of(text: str, title: str) -> list[str]:
    """Return the lines of a terminal's text from a title to the next empty line."""
    lines = text.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(title))
    return lines[start : lines.index("", start)]


def test_eight_variants_take_thirteen_lines(bench: Run, golden: Callable[[str, str], None]) -> None:
    text = in_terminal(bench, 80)
    assert max(map(len, text.splitlines())) <= 80
    lines = block_of(text, "Which variants differ")
    assert len(lines) <= 13
    golden("told-80.txt", "\n".join(lines))


def test_every_pair_stands_in_the_square_once(bench: Run) -> None:
    rows = matrix(bench).rows
    names = [variant.name for variant in view.ordered(bench)]
    assert [row[0] for row in rows] == [f"{letter} {name}" for letter, name in zip("ABCDEFGH", names, strict=True)]
    place = {name: number for number, name in enumerate(names)}
    for each in bench.told:
        row, column = place[each.b], place[each.a]
        change = each.change.estimate
        if (row > column) != (each.metric == "p50_us"):
            row, column = column, row
        if (row, column) != (place[each.b], place[each.a]):
            change = 1 / (1 + change) - 1
        cell = rows[row][column + 1]
        if each.state == "differ":
            assert float(cell.replace(units.MINUS, "-").replace(",", "")) == pytest.approx(change * 100, rel=0.06)
        else:
            assert cell == {"tied": "=", "not told apart": "?", "too few blocks": "·"}[each.state]
    assert {rows[number][number + 1] for number in range(8)} == {units.MISSING}


def test_what_is_alike_is_tied_and_what_is_not_differs(bench: Run) -> None:
    states = {(each.a, each.b, each.metric): each.state for each in bench.told}
    assert states["memory", "cookie", "p50_us"] == "tied"
    assert states["memory", "redis", "p50_us"] == "differ"
    remark = matrix(bench).remark
    assert "= tied" in remark
    assert "16 blocks" in remark


def test_one_metric_fills_both_sides() -> None:
    run = synthetic_told.bench()
    run.told = [each for each in run.told if each.metric == "app_cpu_us_per_request"]
    listing = matrix(run)
    assert listing.remark.startswith("The row over the column, in %: app CPU")
    assert "diagonal" not in listing.remark
    assert listing.rows[1][1].startswith("+")
    assert listing.rows[0][2].startswith(units.MINUS)


def test_signs_that_nobody_needs_are_not_explained(bench: Run) -> None:
    run = bench.model_copy(deep=True)
    run.told[0].state = "not told apart"
    assert "? not told apart" in matrix(run).remark
    assert "too few" not in matrix(run).remark
    run.told[1].state = "too few blocks"
    assert "· too few blocks" in matrix(run).remark


def test_three_blocks_are_one_sentence() -> None:
    run = synthetic_told.bench(3)
    assert {each.state for each in run.told} == {"too few blocks"}
    assert apart.matrix(run) is None
    assert apart.pairs(run) is None
    for text in (in_terminal(run, 500), markdown.render(run)):
        assert "Which variants differ" not in text
        assert text.count("No two variants are told apart: 3 blocks") == 1
        assert "--profile standard has 12 blocks" in text


def test_a_run_that_told_nothing_says_what_it_said_before() -> None:
    run = synthetic_told.bench(3)
    run.told = []
    assert apart.too_few(run) is None
    assert "Rows stand in the plan's order." in in_terminal(run, 500)


def test_markdown_and_page_have_the_square_and_the_page_every_pair(bench: Run) -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown.render(bench))
    said = [token.content for token in tokens]
    assert "Which variants differ" in said
    assert [each for each in said if "in %: p50 below the diagonal, app CPU above it; " in each]
    page = Page(render(bench, []))
    assert page.unbalanced == []
    shown = [[cell.text for cell in row] for row in page.tables["told"][1:]]
    assert shown == [list(row) for row in matrix(bench).rows]
    rows = [[cell.text for cell in row] for row in page.tables["pairs"][1:]]
    assert len(rows) == len(bench.told) == 56
    known = {(each.b, each.a, units.change(each.change.estimate)): each for each in bench.told}
    for row in rows:
        each = known[row[0], row[1], row[4]]
        assert row[3] == each.state
        assert row[5] == f"{units.change(each.change.low)} – {units.change(each.change.high)}"  # noqa: RUF001 - a range
    assert [row[3] for row in rows] == sorted((row[3] for row in rows), key=["differ", "tied", "not told apart"].index)


def test_an_interrupted_run_is_told_apart_by_what_it_has(tmp_path: Path) -> None:
    run = synthetic_told.bench(14)
    known, run.told, run.status = run.told, [], "interrupted"
    write_run(tmp_path, run)
    assert reports.load(tmp_path).run.told == known


def test_csv_has_every_pair_exactly(bench: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(exported.told(bench))))
    assert [(row["a"], row["b"], row["metric"], row["state"]) for row in rows] == [
        (each.a, each.b, each.metric, each.state) for each in bench.told
    ]
    for row, each in zip(rows, bench.told, strict=True):
        assert [float(row[name]) for name in ("estimate", "low", "high")] == [
            each.change.estimate, each.change.low, each.change.high,
        ]  # fmt: skip


def test_hostile_names_do_nothing() -> None:
    run = synthetic_told.bench(12)
    name = f"redis:{EVIL}"
    for each in run.variants:
        each.name = name if each.name == "redis" else each.name
    for told in run.told:
        told.a, told.b = (name if each == "redis" else each for each in (told.a, told.b))
    run.trials, run.summaries = [], []
    for width in (80, 120):
        text = in_terminal(run, width)
        assert max(map(len, text.splitlines())) <= width
        assert not set(text) & {"\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"}
    assert "<script" not in markdown.render(run)
    page = Page(render(run, []))
    assert page.unbalanced == []
    assert [tag for tag, _ in page.elements].count("script") == 1


def test_letters_go_on_after_z() -> None:
    assert [apart.letter(place) for place in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "AZ", "BA"]
