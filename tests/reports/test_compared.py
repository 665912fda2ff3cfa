from __future__ import annotations

from typing import Any

import pytest

from reports.format import Arm, Run, Verdict
from reports.judging.between import between, told
from reports.judging.compared import across, same
from reports.judging.judge import Rules, judge
from reports.judging.pairs import pairs_of
from reports.record.judgement import Comparison, CountChange, Judgement, Revision
from tests.reports import synthetic
from tests.reports.two_runs import (
    BESIDE,
    FORBIDS,
    NONE,
    POSTGRES,
    REDIS,
    changed,
    figures,
    interleaved,
    run,
    steady,
    trial,
)

TUESDAY: dict[str, Any] = {"started_at": "2026-05-05T10:00:00Z"}


def day(redis: float = 2_000, *, machine: float = 1.0, **facts: Any) -> Run:
    """Return a run of a day on which everything took `machine` times as long."""
    values = {"none": steady(1_000 * machine, 500 * machine), "redis": steady(redis * machine, 800 * machine)}
    return run(interleaved(values), [NONE, REDIS], **facts)


def two(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> Run:
    return run(interleaved({"redis": first, "postgres": second}), [REDIS, POSTGRES])


def spoilt(ran: Run, name: str, block: int, state: Any) -> Run:
    """Return a run in which one trial was not VALID."""
    for each in ran.trials:
        if each.block == block and each.arms[0].variant == name:
            each.verdict = Verdict(state=state, reasons=[f"made {state}"])
    return ran


# Two variants of one run.


def test_the_second_of_two_variants_is_slower() -> None:
    comparison = between(two(steady(1_000, 400), steady(1_200, 402)), "redis", "postgres").comparison
    assert (comparison.state, comparison.blocks) == ("REGRESSED", 12)
    by_metric = {each.metric: each for each in comparison.metrics}
    assert by_metric["p50_us"].state == "slower"
    assert by_metric["p50_us"].change is not None
    assert by_metric["p50_us"].change.estimate == pytest.approx(0.2, abs=0.01)
    assert by_metric["app_cpu_us_per_request"].state == "within"
    assert [each.decides for each in comparison.metrics] == [True, True, False, False]
    cpu, p50 = told(comparison)
    assert p50.startswith("postgres is slower than redis by 2")
    assert p50.endswith("in p50; the tolerance is 5 %.")
    assert cpu.startswith("postgres is as good as redis within the tolerance of 3 %")


def test_the_other_way_round_it_is_faster_and_said_as_clearly() -> None:
    comparison = between(two(steady(1_000, 400), steady(1_200, 480)), "postgres", "redis").comparison
    assert comparison.state == "PASS"
    assert [each.state for each in comparison.metrics if each.decides] == ["faster", "faster"]
    cpu, p50 = told(comparison)
    assert cpu.startswith("redis is faster than postgres by 16.")
    assert p50.startswith("redis is faster than postgres by 16.")


def test_too_few_blocks_show_medians_and_no_verdict() -> None:
    comparison = between(two(steady(1_000, 400, 11), steady(1_200, 402, 11)), "redis", "postgres").comparison
    assert comparison.state == "INVALID"
    assert comparison.reasons == ["11 blocks of both count, and a verdict takes 12 or more"]
    cpu, p50 = told(comparison)
    assert cpu == "app CPU: redis 400, postgres 402 µs/req, the medians of 11 blocks."
    assert p50.startswith("p50: redis 1.00, postgres 1.20 ms")


def test_blocks_that_cannot_tell_are_inconclusive() -> None:
    noisy = [(p50 * (1.3 if block % 2 else 0.8), cpu) for block, (p50, cpu) in enumerate(steady(1_000, 400))]
    comparison = between(two(steady(1_000, 400), noisy), "redis", "postgres").comparison
    assert comparison.state == "INCONCLUSIVE"
    assert "cannot tell postgres from redis" in told(comparison)[1]
    assert "12 blocks would have shown" in told(comparison)[1]


@pytest.mark.parametrize(("blocks", "look"), [(12, 1), (17, 1), (18, 2), (26, 3), (36, 4), (50, 4)])
def test_the_look_is_the_last_whose_blocks_are_there(blocks: int, look: int) -> None:
    # What the blocks would have shown depends on what the look spends.
    rules = Rules(spent=(1e-6, 2e-6, 4e-6, 8e-6))
    ran = two(steady(1_000, 400, blocks), steady(1_010, 400, blocks))
    found = between(ran, "redis", "postgres", rules).comparison
    assert found.blocks == blocks
    seen = [each.smallest_seen for each in found.metrics if each.decides]
    at = [
        [each.smallest_seen for each in _judged_at(ran, number, rules).metrics if each.decides]
        for number in range(1, 5)
    ]
    assert at.index(seen) == look - 1


def _judged_at(ran: Run, look: int, rules: Rules) -> Comparison:
    pairs = pairs_of(
        [
            trial(number, *(each.arms[0] for each in ran.trials if each.block == number))
            for number in sorted({each.block for each in ran.trials})
        ]
    )
    return judge(pairs, rules, look=look)[0]


def test_only_blocks_of_both_count_and_what_is_left_out_is_said() -> None:
    ran = spoilt(two(steady(1_000, 400, 13), steady(1_200, 400, 13)), "redis", 3, "INVALID")
    found = between(ran, "redis", "postgres")
    assert (found.comparison.state, found.comparison.blocks) == ("REGRESSED", 12)
    assert found.notes == ["redis: 1 of 13 trials INVALID, left out; trial 3: made INVALID."]
    kept = between(spoilt(ran, "postgres", 5, "SUSPECT"), "redis", "postgres")
    assert kept.comparison == found.comparison
    assert kept.notes[1] == "postgres: 1 of 13 trials SUSPECT, kept; trial 5: made SUSPECT."


def test_a_repeated_block_counts_by_its_last_attempt() -> None:
    ran = spoilt(two(steady(1_000, 400), steady(1_000, 400)), "redis", 3, "INVALID")
    ran.trials.append(trial(3, Arm(variant="redis", figures=figures(1_000, 400)), attempt=2))
    assert between(ran, "redis", "postgres").comparison.blocks == 12


@pytest.mark.parametrize("state", ["FAILED", "OVERLOADED"])
def test_a_wrong_answer_is_not_fast(state: str) -> None:
    ran = spoilt(two(steady(1_000, 400, 20), steady(800, 300, 20)), "postgres", 3, state)
    found = between(ran, "redis", "postgres").comparison
    assert found.state == "REGRESSED"
    assert found.reasons == [f"postgres {state} in 1 of 20 trials: made {state}"]
    assert told(found)[0] == "app CPU: redis 400, postgres 300 µs/req, the medians of 19 blocks."
    assert between(ran, "postgres", "redis").comparison.state == "INVALID"


def test_an_unknown_figure_is_not_left_out_silently() -> None:
    first, second = steady(1_000, 400, 20), steady(800, 300, 20)
    ran = two(first, second)
    for each in ran.trials[:6]:
        if each.arms[0].variant == "postgres" and each.arms[0].figures:
            each.arms[0].figures.at_least = ["p50_us"]
    found = between(ran, "redis", "postgres").comparison
    assert found.state == "INVALID"
    assert found.reasons == ["p50 is not known in 3 of 20 blocks"]


def test_a_generator_that_was_later_for_one_of_them_is_said() -> None:
    ran = two(steady(1_000, 400), steady(1_200, 400))
    for each in ran.trials:
        if each.arms[0].variant == "postgres" and each.arms[0].figures:
            each.arms[0].figures.dispatch_lag_p50_us = 160.0
    (note,) = between(ran, "redis", "postgres").notes
    assert "some is not the variants'" in note


def test_closed_load_says_what_its_latency_is() -> None:
    ran = changed(two(steady(1_000, 400), steady(1_200, 400)), "plan.load.kind", "closed")
    assert between(ran, "redis", "postgres").notes[0].startswith("Closed load")


# A regression check.

REVISIONS = [synthetic.variant(name, traits={"keeps": "server"}) for name in ("redis@base", "redis@head")]


def check(head: float = 1_200, blocks: int = 12) -> Run:
    trials = [
        trial(block, *(Arm(variant=name, figures=figures(p50 * k, 400), slices=figures(p50 * k, 400))
                       for name, p50 in (("redis@base", 1_000), ("redis@head", head))))
        for block, (k, _) in enumerate(steady(1, 1, blocks), 1)
    ]  # fmt: skip
    return run(trials, REVISIONS)


def test_a_regression_check_keeps_its_verdict() -> None:
    ran = check()
    ran.comparisons = judge(pairs_of(ran.trials), look=1)
    ran.comparisons[0].reasons.append("as recorded")
    found = between(ran, "redis@base", "redis@head")
    assert found.recorded
    assert found.comparison == ran.comparisons[0]
    assert found.comparison.state == "REGRESSED"


def test_an_interrupted_check_is_judged_from_its_trials() -> None:
    ran = check()
    found = between(ran, "redis@base", "redis@head")
    assert not found.recorded
    assert found.comparison == judge(pairs_of(ran.trials), look=1)[0]


def test_a_regression_check_the_other_way_round_is_judged_under_its_tolerances() -> None:
    ran = check()
    bands = {each.metric: each.tolerance for each in judge(pairs_of(ran.trials), look=1)[0].metrics}
    wide = bands["p50_us"].model_copy(update={"share": 0.5})
    ran.comparisons = judge(pairs_of(ran.trials, tolerances={"redis": {**bands, "p50_us": wide}}), look=1)
    found = between(ran, "redis@head", "redis@base")
    assert not found.recorded
    assert found.comparison.state == "PASS"
    p50 = next(each for each in found.comparison.metrics if each.metric == "p50_us")
    assert (p50.state, p50.tolerance.share) == ("faster", 0.5)


def judgement(**facts: Any) -> Judgement:
    revision = Revision(label="HEAD")
    given: dict[str, Any] = {
        "state": "INVALID", "exit_code": 5, "base": revision, "head": revision, "looks": [12], "spent": [1.0],
        "alpha": 0.05, "fail_on": "any",
    }  # fmt: skip
    return Judgement(**{**given, **facts})


@pytest.mark.parametrize("names", [("redis@base", "redis@head"), ("redis@head", "redis@base")])
def test_times_of_a_check_whose_sentinel_was_out_of_range_say_nothing(names: tuple[str, str]) -> None:
    ran = check()
    ran.comparisons = judge(pairs_of(ran.trials), look=1)
    out = ran.comparisons[0].model_copy(update={"state": "INVALID", "reasons": ["two arms of the same code differ"]})
    ran.judgement = judgement(sentinel=out)
    found = between(ran, *names).comparison
    assert (found.state, found.reasons) == ("INVALID", ["two arms of the same code differ"])


@pytest.mark.parametrize(("now", "state"), [(3, "REGRESSED"), (1, "PASS")])
def test_exact_counts_that_rose_fail_whatever_the_clock_says(now: int, state: str) -> None:
    ran = check(head=1_000)
    ran.comparisons = judge(pairs_of(ran.trials), look=1)
    assert ran.comparisons[0].state == "PASS"
    change = CountChange(variant="redis", step="login", count="round_trips", before=2, now=now, against="base")
    ran.judgement = judgement(counts=[change, change.model_copy(update={"variant": "postgres", "now": 9})])
    found = between(ran, "redis@base", "redis@head").comparison
    assert found.state == state
    assert [reason for reason in found.reasons if "round trips" in reason] == (
        ["redis, login: round trips 2 → 3"] if state == "REGRESSED" else []
    )


# Two runs.


def test_another_day_is_advice_over_the_baseline_of_the_same_block() -> None:
    found = across(day(), day(2_100, machine=1.7, **TUESDAY))
    assert (found.kind, found.reasons, found.baseline) == ("advisory", [], "none")
    assert {row.variant for row in found.rows} == {"redis"}
    by_metric = {row.metric: row for row in found.rows}
    p50, cpu = by_metric["p50_us"], by_metric["app_cpu_us_per_request"]
    # The machine's 70 % are gone, and redis's own 5 % are left.
    assert p50.change == pytest.approx(0.05, abs=0.01)
    assert cpu.change == pytest.approx(0, abs=0.01)
    assert p50.a_over is not None
    assert p50.a_over.median == pytest.approx(2.0, abs=0.02)
    assert p50.a_over.trials == 12
    assert p50.a is not None
    assert p50.b is not None
    assert p50.b.median / p50.a.median == pytest.approx(1.785, abs=0.02)


def test_every_block_is_divided_by_its_own_baseline() -> None:
    # Medians of the two would be 2.0 in both runs.
    base, own = [1_000.0, 2_000.0, 4_000.0], [4_000.0, 4_000.0, 4_000.0]
    values = {"none": [(each, 500.0) for each in base], "redis": [(each, 800.0) for each in own]}
    ran = run(interleaved(values), [NONE, REDIS])
    row = next(row for row in across(ran, ran).rows if row.metric == "p50_us")
    assert row.a_over is not None
    assert (row.a_over.min, row.a_over.median, row.a_over.max) == (1.0, 2.0, 4.0)
    shifted = {"none": values["none"], "redis": [values["redis"][0]] * 2 + [(8_000.0, 800.0)]}
    other = across(ran, run(interleaved(shifted), [NONE, REDIS]))
    assert next(row.b_over.median for row in other.rows if row.metric == "p50_us" and row.b_over) == 2.0


@pytest.mark.parametrize("path", FORBIDS)
def test_anything_else_that_differs_refuses(path: str) -> None:
    what, value = FORBIDS[path]
    first = changed(day(), "plan.closed_s", 1.0)
    found = across(first, changed(first, path, value))
    assert found.kind == "refused"
    assert what in [each.what for each in found.differences]
    assert what in found.reasons[0]
    # Both are shown, and no difference is computed.
    assert {(row.variant, row.metric) for row in found.rows} >= {("none", "p50_us"), ("redis", "p50_us")}
    assert all(
        row.a and row.b and row.change is None and row.a_over is None and row.b_over is None for row in found.rows
    )


@pytest.mark.parametrize("path", BESIDE)
def test_what_is_only_worth_knowing_is_said_and_refuses_nothing(path: str) -> None:
    what, value = BESIDE[path]
    found = across(day(), changed(day(**TUESDAY), path, value))
    assert found.kind == "advisory"
    assert [each.what for each in found.beside] == [what]


def test_without_a_baseline_nothing_is_normalised_and_so_nothing_compared() -> None:
    ran = two(steady(1_000, 400), steady(1_200, 400))
    found = across(ran, day(**TUESDAY))
    assert found.kind == "refused"
    (reason,) = found.reasons
    assert reason.startswith("There is no variant that keeps nothing (none) in A, ")
    assert "(none) in A and B, " in across(ran, ran).reasons[0]
    assert {row.variant for row in found.rows} == {"redis", "postgres", "none"}


def test_regression_checks_are_not_compared_across_days() -> None:
    found = across(check(), check())
    assert found.kind == "refused"
    assert "regression check" in found.reasons[0]


def test_runs_without_a_variant_in_common_are_refused() -> None:
    values = {"none": steady(1_000, 500), "postgres": steady(1_200, 800)}
    found = across(day(), run(interleaved(values), [NONE, POSTGRES], **TUESDAY))
    assert found.reasons == ["They have no variant in common but none."]
    assert found.notes == ["Only A has redis.", "Only B has postgres."]


def test_what_does_not_count_is_struck_and_said() -> None:
    other = spoilt(spoilt(day(**TUESDAY), "redis", 2, "FAILED"), "redis", 4, "OVERLOADED")
    found = across(day(), other)
    assert found.notes == [
        "B: redis: 1 of 12 trials FAILED, left out; trial 2: made FAILED.",
        "B: redis: 1 of 12 trials OVERLOADED, left out; trial 4: made OVERLOADED.",
    ]
    assert all(row.b_over is not None and row.b_over.trials == 10 for row in found.rows)


def test_a_baseline_that_never_counts_normalises_nothing() -> None:
    other = day(**TUESDAY)
    for block in range(1, 13):
        spoilt(other, "none", block, "INVALID")
    assert across(day(), other).reasons == ["No trial of none counts in B."]


def test_a_variant_that_took_no_part_is_said() -> None:
    absent = POSTGRES.model_copy(update={"error": "there is no server binary."})
    ran = day()
    ran.variants.append(absent)
    found = across(ran, day(status="interrupted", **TUESDAY))
    assert found.notes == [
        "Only A has postgres.",
        "A: postgres took no part: there is no server binary.",
        "B was interrupted.",
    ]


def test_a_copy_is_the_same_run_and_another_day_is_not() -> None:
    assert same(day(), day())
    assert not same(day(), day(**TUESDAY))
