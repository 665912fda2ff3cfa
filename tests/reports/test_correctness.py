from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.exporters import markdown
from reports.format import Arm
from reports.listings import correctness, findings
from reports.listings.correctness import Tally
from reports.record.audited import Checked
from tests.reports import synthetic_audits, synthetic_told
from tests.reports.conftest import in_terminal


def test_answers_are_summed_over_all_trials_of_a_variant() -> None:
    run = synthetic_audits.bench()
    run.trials[0].verdict.state = "INVALID"
    run.trials[0].purpose = "ladder"
    for each in correctness.tallies(run):
        trials = [trial for trial in run.trials if trial.arms[0].variant == each.variant]
        assert each.checked == sum(trial.checked[each.name].checked for trial in trials) > 0
        assert each.wrong == sum(trial.checked[each.name].wrong for trial in trials)
    assert len(correctness.tallies(run)) == 2 * len(run.variants)


def test_arms_that_were_checked_together_are_told_together() -> None:
    run = synthetic_told.bench(1)
    run.trials[0].arms.append(Arm(variant="redis"))
    run.trials[0].checked = {"isolation": Checked(checked=10, wrong=1)}
    assert correctness.tallies(run) == [Tally("none, redis", "isolation", 10, 1)]


@given(st.integers(30, 10**9))
def test_the_rule_of_three_bounds_what_was_never_seen(checked: int) -> None:
    upper = Tally("redis", "isolation", checked, 0).upper_per_million
    assert upper is not None
    # Whoever is wrong so often would have shown it with 95 %, and hardly more.
    assert 0.042 < (1 - upper / 1e6) ** checked <= 0.05


def test_a_bound_is_only_of_what_never_happened_and_of_enough() -> None:
    assert Tally("redis", "isolation", 1_000_000, 0).upper_per_million == 3.0
    assert Tally("redis", "isolation", 29, 0).upper_per_million is None
    assert Tally("redis", "isolation", 1_000_000, 1).upper_per_million is None
    assert Tally("redis", "isolation", 1_000_000, 7).wrong_per_million == 7.0
    assert Tally("redis", "isolation", 0, 0).wrong_per_million is None


def test_the_table_says_what_was_counted() -> None:
    run = synthetic_audits.bench()
    found = correctness.listing(run)
    assert found is not None
    rows = {(row[0], row[1]): list(row[2:]) for row in found.rows}
    assert rows["memory", "isolation"] == ["48,000", "0", "–", "< 62.5"]  # noqa: RUF001 - the dash of tables
    assert rows["none", "concurrent updates"] == ["1,440", "16", "11,100", "–"]  # noqa: RUF001 - the dash of tables
    assert "conflict=last-wins gives up by choice" in found.remark
    for trial in run.trials:
        del trial.checked["concurrent_updates"]
    found = correctness.listing(run)
    assert found is not None
    assert "last-wins" not in found.remark


def test_what_nobody_broke_shares_a_row() -> None:
    run = synthetic_told.bench(1)
    first, second, *_ = run.trials
    right = Checked(checked=100, wrong=0)
    first.checked = {"isolation": right, "payload": right, "revocation": Checked(checked=9, wrong=0)}
    second.checked = {"isolation": Checked(checked=100, wrong=1), "payload": right}
    found = correctness.listing(run)
    assert found is not None
    assert {(row[1], *row[2:4]) for row in found.rows if row[0] == first.arms[0].variant} == {
        ("isolation, payload", "100", "0"), ("revocation", "9", "0"),
    }  # fmt: skip
    assert {(row[1], *row[2:4]) for row in found.rows if row[0] == second.arms[0].variant} == {
        ("isolation", "100", "1"), ("payload", "100", "0"),
    }  # fmt: skip
    second.checked = {}
    found = correctness.listing(run)
    assert found is not None
    assert "wrong per million" not in [head.text for head in found.heads]


@pytest.mark.parametrize("width", [80, 120])
def test_a_run_that_checked_nothing_says_nothing(width: int) -> None:
    run = synthetic_told.bench(3)
    assert "correctness" not in [each.key for each in findings.beside(run)]
    assert "Correctness" not in in_terminal(run, width) + markdown.render(run)
