from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from reports.exporters import side_by_side_csv, side_by_side_html
from reports.judging.compared import across
from reports.listings.history_listing import TIMES
from reports.listings.side_by_side import Side, SideBySide
from tests.reports import two_days
from tests.reports.page import Page
from tests.reports.synthetic import EVIL
from tests.reports.two_runs import NONE, POSTGRES, REDIS, changed, interleaved, run, steady

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.format import Run


def beside(a: Run, b: Run, folders: tuple[str, str] = ("results/a", "results/b")) -> SideBySide:
    return SideBySide(across(a, b), (Side("A", folders[0], a), Side("B", folders[1], b)))


def two(*facts: tuple[str, object]) -> tuple[Run, Run]:
    """Return two days on which redis got slower by a tenth, the second with other facts."""
    values = {"none": steady(800, 300), "redis": steady(1_000, 400), "postgres": steady(1_200, 480)}
    later = {**values, "redis": steady(1_100, 440)}
    a, b = (
        two_days.on(run(interleaved(each), [NONE, REDIS, POSTGRES]), day) for day, each in enumerate((values, later))
    )
    for path, value in facts:
        b = changed(b, path, value)
    return a, b


@pytest.fixture(scope="module")
def advised() -> SideBySide:
    return beside(*two(("environment.packages.fastapi", "0.121.0")))


@pytest.fixture(scope="module")
def refused() -> SideBySide:
    return beside(*two(("environment.cpu", "Intel Xeon"), ("variants.redis.server.version", "9.1.3")))


def test_advice_in_markdown_and_csv(advised: SideBySide, golden: Callable[[str, str], None]) -> None:
    golden("compare-advisory.md", side_by_side_html.markdown(advised))
    golden("compare-advisory.csv", side_by_side_csv.table(advised))


def test_a_refusal_in_markdown_and_csv(refused: SideBySide, golden: Callable[[str, str], None]) -> None:
    text = side_by_side_html.markdown(refused)
    golden("compare-refused.md", text)
    assert "change" not in text
    rows = list(csv.DictReader(io.StringIO(side_by_side_csv.table(refused))))
    assert {row["kind"] for row in rows} == {"refused"}
    assert not any(row["change"] for row in rows)


def test_what_parts_them_stands_first(refused: SideBySide, advised: SideBySide) -> None:
    assert [each.key for each in refused.tables()] == ["forbids", "both", "run-a", "run-b"]
    assert [each.key for each in advised.tables()] == ["beside", "changes", "run-a", "run-b"]


@pytest.mark.parametrize("kind", ["advised", "refused"])
def test_the_page_says_what_the_terminal_does_and_has_both_tables(kind: str, request: pytest.FixtureRequest) -> None:
    shown: SideBySide = request.getfixturevalue(kind)
    page = Page(side_by_side_html.render(shown))
    assert page.unbalanced == []
    assert {"run-a", "run-b", "machines"} <= page.tables.keys()
    text = " ".join(" ".join(page.texts).split())
    for words in (shown.head, *shown.reasons, "results/a", "results/b", "2026-05-01 10:00"):
        assert " ".join(words.split()) in text
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_figures_are_those_of_the_runs(advised: SideBySide) -> None:
    page = Page(side_by_side_html.render(advised))
    [redis] = [row for row in page.tables["changes"] if row[0].text.startswith("redis") and row[1].text == "p50"]
    answer = next(row for row in advised.answer.rows if (row.variant, row.metric) == ("redis", "p50_us"))
    assert answer.change is not None
    assert redis[-1].text == f"+{answer.change * 100:.1f}"
    assert answer.change == pytest.approx(0.1, abs=0.01)
    table = csv.DictReader(io.StringIO(side_by_side_csv.table(advised)))
    rows = {(row["variant"], row["metric"]): row for row in table}
    found = rows["redis", "p50_us"]
    assert float(found["a_median"]) == pytest.approx(1_000, rel=0.01)
    assert (
        float(found["b_over_baseline_low"]) <= float(found["b_over_baseline"]) <= float(found["b_over_baseline_high"])
    )
    assert float(found["change"]) == answer.change
    # Of what no difference is computed by the answer, none is here.
    assert rows["redis", "p99_us"]["change"] == ""
    assert rows["none", "p50_us"]["a_over_baseline"] == ""


def test_variants_that_only_one_has_and_trials_that_do_not_count() -> None:
    a, b = two()
    b.variants.remove(b.variant("postgres"))
    b.trials = [each for each in b.trials if each.arms[0].variant != "postgres"]
    for each in b.trials:
        if each.arms[0].variant == "redis":
            each.verdict.state = "FAILED" if each.block % 2 else "INVALID"
    shown = beside(a, b)
    page = Page(side_by_side_html.render(shown))
    text = " ".join(page.texts)
    assert "Only A has postgres." in text
    assert "6 of 12 trials FAILED" in text
    assert "6 of 12 trials INVALID" in text
    rows = {(row["variant"], row["metric"]): row for row in csv.DictReader(io.StringIO(side_by_side_csv.table(shown)))}
    assert rows["redis", "p50_us"]["b_median"] == ""
    assert rows["postgres", "p50_us"]["a_median"] != ""


def test_runs_without_what_keeps_nothing_are_shown_and_not_compared() -> None:
    a, b = (each.model_copy(update={"variants": [REDIS], "trials": []}) for each in two())
    for each, source in zip((a, b), two(), strict=True):
        each.trials = [trial for trial in source.trials if trial.arms[0].variant == "redis"]
    shown = beside(a, b)
    assert shown.answer.kind == "refused"
    assert TIMES not in side_by_side_html.markdown(shown)


def test_hostile_names_are_only_text() -> None:
    variants = [NONE, REDIS.model_copy(update={"name": EVIL, "slug": EVIL}), POSTGRES]
    a, b = list(two_days.days(3, variants=variants))[:2]
    shown = beside(a, b, (EVIL, EVIL))
    page = Page(side_by_side_html.render(shown))
    assert page.unbalanced == []
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in "".join(page.texts)
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(side_by_side_html.markdown(shown))
    inline = [child for token in tokens for child in token.children or []]
    assert not [each for each in [*tokens, *inline] if each.type in {"html_inline", "html_block", "link_open"}]
