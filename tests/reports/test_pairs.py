from __future__ import annotations

from typing import Any

import pytest

from reports.format import Arm, Figures, Trial, Verdict
from reports.judging.judge import judge
from reports.judging.pairs import name_of, pairs_of
from reports.judging.told import told
from reports.record.judgement import Tolerance

CPU = "app_cpu_us_per_request"


def figures(p50: float | None = 1000.0, app: float | None = 300.0, **facts: Any) -> Figures:
    """Return the figures of 1,000 requests."""
    tail = None if p50 is None else 3 * p50
    known = {
        "requests": 1000, "outcomes": {"ok": 1000}, "window_s": 5.0, "requests_per_s": 200.0, "mean_us": p50,
        "p50_us": p50, "p95_us": tail, "p99_us": tail, "max_us": tail, "error_share": 0.0,
        "cpu_us_per_request": {"app": app, "store": facts.pop("store", None)}, "rss_bytes": {}, "pss_bytes": {},
        "cpu_share": {}, "dispatch_lag_p50_us": facts.pop("lag", 60.0),
    }  # fmt: skip
    return Figures.model_validate(known | facts)


def trial(block: int, base: Any = None, head: Any = None, *, name: str = "redis", **facts: Any) -> Trial:
    """Return a trial of a pair; an arm is its duet's figures, or those and its slices'."""
    arms = []
    for side, each in (("base", base or figures()), ("head", head or figures())):
        duet, slices = each if isinstance(each, tuple) else (each, None)
        arms.append(Arm(variant=f"{name}@{side}", figures=duet, slices=slices))
    known = {"purpose": "pair", "arms": arms, "verdict": Verdict(state=facts.pop("state", "VALID"))}
    return Trial(
        number=block, block=block, started_at="2026-05-04T10:00:00Z", warmup_s=1.0, window_s=5.0, **known | facts
    )


def test_values_are_those_of_the_duet_and_tails_those_of_the_slices() -> None:
    trials = [
        trial(2, (figures(1100, 310, store=40), figures(2000)), (figures(1200, 320, store=44), figures(2100))),
        trial(1, (figures(1000, 300, store=41), figures(1900)), (figures(1050, 305, store=43), figures(2200))),
    ]
    (pair,) = pairs_of(trials)
    assert (pair.name, pair.base, pair.head) == ("redis", "redis@base", "redis@head")
    assert pair.values == {
        CPU: ([300, 310], [305, 320]),
        "p50_us": ([1000, 1100], [1050, 1200]),
        "store_cpu_us_per_request": ([41, 40], [43, 44]),
        "p95_us": ([5700, 6000], [6600, 6300]),
        "p99_us": ([5700, 6000], [6600, 6300]),
    }
    assert (pair.invalid, pair.head_only_errors) == ([], [])


def test_of_a_block_the_last_trial_counts_that_has_both_arms() -> None:
    nothing = trial(3)
    nothing.arms[1].figures = None
    trials = [
        trial(1, figures(1)), trial(1, figures(2)), trial(1, figures(3), state="INVALID"), trial(2, state="INVALID"),
        nothing, trial(4, figures(4), state="SUSPECT"), trial(5, purpose="latency"),
    ]  # fmt: skip
    (pair,) = pairs_of(trials)
    assert pair.values["p50_us"] == ([2.0, 4.0], [1000.0, 1000.0])
    assert pairs_of([]) == []


def test_a_pair_that_never_worked_is_a_pair_and_invalid() -> None:
    (pair,) = pairs_of([trial(block, state="INVALID") for block in range(12)])
    assert judge([pair], look=1)[0].state == "INVALID"


def test_pairs_stand_in_the_order_in_which_they_first_ran_under_their_names() -> None:
    trials = [trial(block, name=name) for block in (1, 2) for name in ("redis", "memory", "sentinel")]
    assert [pair.name for pair in pairs_of(trials)] == ["redis", "memory", "sentinel"]
    renamed = pairs_of(trials, names={("memory@base", "memory@head"): "A/A"})
    assert [pair.name for pair in renamed] == ["redis", "A/A", "sentinel"]
    assert name_of("cookie", "redis") == "cookie → redis"
    assert name_of("redis@base", "memory@head") == "redis@base → memory@head"


def test_tolerances_and_deciding_metrics_are_by_name() -> None:
    bands = {"redis": {"p50_us": Tolerance(share=0.5)}}
    redis, memory = pairs_of([trial(1), trial(1, name="memory")], tolerances=bands, deciding={"memory": ("p99_us",)})
    assert redis.tolerance("p50_us") == Tolerance(share=0.5)
    assert redis.tolerance(CPU) == memory.tolerance(CPU) == Tolerance(share=0.03, floor=5)
    assert memory.tolerance("p50_us") == Tolerance(share=0.05, floor=20)
    assert memory.deciding == ("p99_us",)
    assert redis.deciding == (CPU, "p50_us")


def test_what_is_missing_or_a_lower_bound_is_left_out_for_both_arms() -> None:
    whole = [trial(block) for block in range(19)]
    (pair,) = pairs_of([*whole, trial(19, figures(9, 30), figures(9, None)), trial(20, figures(at_least=["p50_us"]))])
    assert len(pair.values[CPU][0]) == len(pair.values[CPU][1]) == 20
    assert len(pair.values["p50_us"][0]) == len(pair.values["p50_us"][1]) == 20
    assert pair.invalid == []
    # Too often, and nothing is to be had from the rest.
    (pair,) = pairs_of([*whole[:16], *(trial(block, head=figures(at_least=["p50_us"])) for block in (17, 18))])
    assert pair.invalid == ["p50 is not known in 2 of 18 blocks"]
    (pair,) = pairs_of([trial(block, head=figures(app=None)) for block in range(12)])
    assert CPU not in pair.values
    assert judge([pair], look=1)[0].state == "INVALID"


def test_a_store_that_both_arms_share_says_nothing() -> None:
    (pair,) = pairs_of([trial(block, figures(store=40 + block), figures(store=40 + block)) for block in range(3)])
    assert "store_cpu_us_per_request" not in pair.values


def failing(**outcomes: int) -> Figures:
    return figures(outcomes={"ok": 1000 - sum(outcomes.values())} | outcomes)


@pytest.mark.parametrize(
    ("base", "head", "only_head", "invalid"),
    [
        (figures(), failing(wrong_answer=1), "1 of 12,000 answers were wrong", None),
        (figures(), failing(transport_error=2), "0.20 % of 12,000 requests failed (limit 0.10 %)", None),
        (figures(), (figures(), failing(http_error=4)), "0.20 % of 24,000 requests failed", None),
        (failing(timeout=2), figures(), None, "the base failed: 0.20 % of 12,000"),
        (failing(wrong_answer=1), failing(wrong_answer=1), None, "so did the head"),
        # One of a thousand is a stray; so are requests that were cut off at the end.
        (failing(transport_error=1), failing(transport_error=1), None, None),
        (figures(), failing(cut=50), None, None),
    ],
)
def test_whose_fault_errors_are(base: Any, head: Any, only_head: str | None, invalid: str | None) -> None:
    trials = [trial(block, base, head) for block in range(12)]
    if "wrong_answer" in (head[1] if isinstance(head, tuple) else head).outcomes and only_head:
        trials[1:] = [trial(block) for block in range(1, 12)]  # one in all is enough
    (pair,) = pairs_of(trials)
    assert bool(pair.head_only_errors) == (only_head is not None)
    assert bool(pair.invalid) == (invalid is not None)
    assert (only_head or "") in " ".join(pair.head_only_errors)
    assert (invalid or "") in " ".join(pair.invalid)
    expected = "REGRESSED" if only_head else "INVALID" if invalid else "PASS"
    assert judge([pair], look=1)[0].state == expected


def test_a_generator_that_is_later_for_one_arm_spoils_the_pair() -> None:
    (pair,) = pairs_of([trial(block, figures(lag=60), figures(lag=80)) for block in range(12)])  # of 1 ms, 17 µs may be
    assert " ".join(pair.invalid) == (
        "the generator was late by 60.0 µs for the base and by 80.0 µs for the head, as medians of blocks (they may "
        "lie 16.7 µs apart): the arms were not loaded alike"
    )
    (pair,) = pairs_of([trial(block, figures(lag=60), figures(lag=75)) for block in range(12)])
    assert pair.invalid == []


def alone(block: int, name: str, measured: Figures, state: Any = "VALID") -> Trial:
    return Trial(
        number=block, block=block, arms=[Arm(variant=name, figures=measured)], started_at="2026-05-04T10:00:00Z",
        warmup_s=1.0, window_s=5.0, verdict=Verdict(state=state),
    )  # fmt: skip


def bench(blocks: int, **p50_us: float) -> list[Trial]:
    """Return latency trials; every block is 2 % slower than the last, and no two variants move quite alike."""
    return [
        alone(block, name, figures(p50 * (1 + block / 50) * (1 + 0.001 * ((block * 7 + place) % 5)), 300))
        for block in range(blocks)
        for place, (name, p50) in enumerate(p50_us.items())
    ]


def test_every_two_backends_are_told_apart_or_tied_or_neither() -> None:
    trials = bench(12, memory=1000, redis=1500, http=1510)
    found = {(each.a, each.b, each.metric): each for each in told(trials, ["memory", "redis", "http"])}
    assert list(found) == [
        (a, b, metric)
        for a, b in (("memory", "redis"), ("memory", "http"), ("redis", "http"))
        for metric in ("p50_us", CPU)
    ]
    apart, near = found["memory", "redis", "p50_us"], found["redis", "http", "p50_us"]
    assert (apart.state, near.state) == ("differ", "differ")
    assert apart.change.estimate == pytest.approx(0.5, abs=0.005)
    assert found["memory", "http", CPU].state == "tied"
    assert (apart.change.level, apart.change.blocks) == (0.95, 12)
    assert apart.change.low <= apart.change.estimate <= apart.change.high


def test_a_wide_interval_around_nothing_tells_nothing() -> None:
    dear = [1.3 if block % 2 else 1 / 1.3 for block in range(12)]
    trials = [
        alone(block, name, figures(1000 * (dear[block] if name == "b" else 1)))
        for block in range(12) for name in ("a", "b")
    ]  # fmt: skip
    states = {each.metric: each.state for each in told(trials, ["a", "b"])}
    assert states == {"p50_us": "not told apart", CPU: "tied"}


def test_too_few_blocks_for_the_level_of_so_many() -> None:
    names = {f"v{n}": 1000.0 * 2**n for n in range(8)}  # 28 pairs in two metrics: one of 2,240 to each side
    assert {each.state for each in told(bench(11, **names), [*names]) if each.metric == "p50_us"} == {"too few blocks"}
    enough = told(bench(12, **names), [*names])
    assert len(enough) == 56
    assert {each.state for each in enough if each.metric == "p50_us"} == {"differ"}
    few = told(bench(3, a=1000, b=2000), ["a", "b"])
    assert [(each.state, each.change.level, each.change.blocks) for each in few] == [("too few blocks", None, 3)] * 2


def test_only_what_counts_is_told() -> None:
    trials = bench(12, a=1000, b=1000)
    worse = figures(9000, at_least=["p50_us"])
    assert [each.metric for each in told([*trials, alone(3, "b", worse)], ["a", "b"])] == [CPU]
    spoilt = alone(3, "b", figures(9000), "INVALID")
    assert told([*trials, spoilt, trial(1)], ["a", "b", "lost"]) == told(trials, ["a", "b"])
    assert told(trials, ["a"]) == told([], ["a", "b"]) == []
