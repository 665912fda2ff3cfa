"""What each step takes: the tables, who takes most, what could not be counted, and every number in the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reports.exporters import csv, html, markdown
from reports.listings import counts_listing, details, findings
from reports.listings.listing import Struck
from reports.record.counts import STEPS
from tests.reports import synthetic_audits, synthetic_choice, synthetic_counts
from tests.reports.conftest import in_terminal
from tests.reports.numbers import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.format import Run
    from reports.listings.listing import Listing


CYCLE = "round trips for a login, a read, a write and a logout"


def short(run: Run) -> Listing:
    found = counts_listing.listing(run)
    assert found is not None
    return found


def test_a_run_that_counted_nothing_has_no_such_table() -> None:
    run = synthetic_choice.run({"redis": (1.0, 1.1, 1.2)})
    assert counts_listing.listing(run) is None
    assert counts_listing.steps(run) is None
    assert "counts" not in {each.key for each in [*findings.beside(run), *details.tables(run)]}
    assert "counts.csv" not in csv.every(run)


def test_a_variant_has_one_row_as_short_as_may_be() -> None:
    found = short(synthetic_counts.run())
    assert [head.text for head in found.heads] == [
        "variant", "cookie B", "login trips", "read trips", "write trips", "logout trips", "store B/read",
        "store B/write", "answer B/write",
    ]  # fmt: skip
    rows = {name: cells for name, *cells in found.rows}
    # A client sends what it was given at the write, which is the longest.
    assert rows["cookie"] == ["1,516", "0", "0", "0", "0", "0", "0", "1,715"]
    assert rows["mongodb"] == ["47", "1", "2", "3", "2", "3,060", "4,677", "128"]
    # Where one way is not known, the sum is not; the rest is.
    assert rows["postgres"] == ["47", "1", "1", "2", "2", "–", "2,432", "128"]  # noqa: RUF001 - a dash
    assert rows["redis:pool=4"] == ["47", *["–"] * 6, "128"]  # noqa: RUF001 - a dash
    assert "http" not in rows


def test_where_nobody_has_a_store_that_can_be_counted_its_columns_are_left_out() -> None:
    run = synthetic_counts.run()
    run.counts = run.counts[-2:-1]
    assert [head.text for head in short(run).heads] == ["variant", "cookie B", "answer B/write"]
    run.counts = []
    assert counts_listing.listing(run) is None


def test_who_sends_and_who_asks_most_is_said() -> None:
    assert counts_listing.sentences(synthetic_counts.run()) == [
        "The largest cookie goes with each request of cookie: 1.52 kB; the smallest is 47 B.",
        f"The store is asked most often by mongodb: 8 {CYCLE}; the fewest are 6.",
        "A read moves most between app and store with mongodb, 3.06 kB, and least with redis, 1.19 kB.",
    ]
    assert counts_listing.sentences(synthetic_counts.run("memory", "redis", "postgres", troubled=False)) == [
        "With each request every variant's client sends 47 B of cookie.",
        f"Every store is asked as often: 6 {CYCLE}.",
        "A read moves most between app and store with postgres, 1.2 kB, and least with redis, 1.19 kB.",
    ]
    # Alone nobody takes most.
    assert counts_listing.sentences(synthetic_counts.run("redis", troubled=False)) == []


def test_many_that_take_as_much_are_not_all_named() -> None:
    run = synthetic_counts.run("none", "memory", "cookie", "redis", "postgres", "mongodb", troubled=False)
    for each in run.counts[1:]:
        each.steps["write"].cookie_bytes = 1516
    first, *_ = counts_listing.sentences(run)
    assert first.startswith("The largest cookie goes with each request of memory, cookie and 3 others: 1.52 kB")


def test_who_fails_its_audit_is_named_so() -> None:
    run = synthetic_counts.run()
    run.audits = [synthetic_audits.audit("cookie", synthetic_audits.REVIVED)]
    assert "request of cookie (fails its audit):" in counts_listing.sentences(run)[0]
    [found] = [each for each in findings.beside(run) if each.key == "counts"]
    assert [row[0] for row in found.rows if isinstance(row[0], Struck)] == ["cookie"]


def test_what_could_not_be_counted_is_said_in_sentences() -> None:
    run = synthetic_counts.run()
    said = [
        f"postgres: {synthetic_counts.UNSTEADY}", f"redis:pool=4: {synthetic_counts.ENCRYPTED}",
        f"http: {synthetic_counts.NO_APP}",
    ]  # fmt: skip
    assert sorted(counts_listing.notes(run)) == sorted(said)
    assert all(each in short(run).remark for each in said)
    run.counts = run.counts[-1:]
    assert (short(run).rows, short(run).remark) == ([["http", synthetic_counts.NO_APP]], "")
    assert synthetic_counts.NO_APP in squeezed(in_terminal(run, 80))


def section(text: str, head: str, end: str) -> str:
    """Return a section of a report: whatever else changes there, is others' affair."""
    _, _, after = text.partition(head)
    return head + after.partition(end)[0]


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_the_details_have_every_step_in_its_order() -> None:
    run = synthetic_counts.run()
    run.counts[0].steps = {"an own step": run.counts[0].steps["read"], **run.counts[0].steps}
    found = counts_listing.steps(run)
    assert found is not None
    assert [row[1] for row in found.rows if row[0] == "none"] == [*STEPS, "an own step"]
    assert ["mongodb", "write", "3", "3", "1,955", "2,722", "128", "47"] in [list(row) for row in found.rows]
    assert {row[0] for row in found.rows} == {each.variant for each in run.counts if each.steps}


def test_every_figure_of_counts_is_in_the_data() -> None:
    run = synthetic_counts.run()
    page = check(run, html.render(run, []), least=200)
    assert {"counts", "counts-by-step"} <= page.tables.keys()
    assert sum(cell.value is not None for row in page.tables["counts"] for cell in row) > 40
    spoilt = run.model_copy(deep=True)
    spoilt.counts[3].steps["read"].from_store_bytes = 1088
    with pytest.raises(AssertionError):
        check(run, html.render(spoilt, []), least=1)


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_it(golden: Callable[[str, str], None], width: int) -> None:
    text = in_terminal(synthetic_counts.run(), width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"counts-terminal-{width}.txt", section(text, "What each step takes\n", "\n\n"))


def test_markdown_and_csv(golden: Callable[[str, str], None]) -> None:
    run = synthetic_counts.run()
    golden("counts.md", section(markdown.render(run), "## What each step takes\n", "\n## "))
    golden("counts.csv", csv.every(run)["counts.csv"])
