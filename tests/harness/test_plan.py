from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from harness import cli, config, plan, scenarios
from harness.arms import Arm
from harness.errors import UsageError
from harness.variants import Wanted
from reports.files import read_run
from reports.format import Arm as FormatArm
from reports.format import Load, Trial, Verdict
from tests.harness.test_exit_code import REFERENCE

if TYPE_CHECKING:
    from reports.format import Plan


def wanted(name: str, server: str | None = None) -> Wanted:
    return Wanted(name, name, Arm(name), server, {}, None, {}, {}, "", {}, "3.11")


def make(names: list[str], *, stores: tuple[str, ...] = (), **flags: Any) -> Plan:
    scenario = scenarios.find("read_heavy")
    settings = config.load(flags, environ={})
    variants = [wanted(name, "redis" if name in stores else None) for name in names]
    return plan.make(settings, variants, scenario, scenario.parameters)


@given(st.integers(1, 20), st.integers(0, 2**32), st.integers(1, 9))
def test_every_variant_has_its_turn_in_every_block(blocks: int, seed: int, variants: int) -> None:
    names = [f"v{number}" for number in range(variants)]
    made = make(names, blocks=blocks, seed=seed)
    assert len(made.order) == blocks
    assert all(sorted(block) == names for block in made.order)
    assert made.order == make(names, blocks=blocks, seed=seed).order


def test_blocks_differ_and_seeds_matter() -> None:
    names = [f"v{number}" for number in range(8)]
    first, second = make(names, blocks=12, seed=1).order, make(names, blocks=12, seed=2).order
    assert len({tuple(block) for block in first}) == 12
    assert first != second


def test_a_ranking_takes_twelve_blocks() -> None:
    assert not make(["a"], blocks=11).ranking
    assert make(["a"], blocks=12).ranking


def test_the_estimate_grows_with_what_is_left() -> None:
    made = make(["a", "b"], blocks=3, warmup_s=1, window_s=3, audit=False)
    assert plan.estimate_s(made, 0) == 2 * plan.estimate_s(made, 0, done=3)
    assert plan.estimate_s(made, 1) > plan.estimate_s(made, 0)
    assert plan.estimate_s(make(["a", "b"], blocks=3, ladder=[100], slo="p99<20ms"), 0) > plan.estimate_s(made, 0)
    assert plan.estimate_s(make(["a", "b"], blocks=3, warmup_s=1, window_s=3), 0) > plan.estimate_s(made, 0)


def test_the_disk_of_a_recorded_run_is_what_it_took() -> None:
    """The reference holds no requests of its searches, which were a third of it."""
    parts = [REFERENCE / "run.json", *(path for name in ("trials", "report") for path in (REFERENCE / name).rglob("*"))]
    taken = sum(path.stat().st_size for path in parts if path.is_file())
    run = read_run(REFERENCE)
    results, _ = plan.estimate_disk_bytes(run.plan, stores=4)
    assert taken / 2 < results < 2 * taken
    searches = run.plan.model_copy(update={"objective": None})
    assert taken / 4 < results - plan.estimate_disk_bytes(searches, stores=4)[0] < taken


def test_whatever_is_recorded_takes_its_place() -> None:
    least = make(["none"], blocks=1, rate=0, warmup_s=0.1, window_s=0.1)
    assert plan.estimate_disk_bytes(least, 0)[0] > 100_000
    asked = ["--users", "4", *(f"--set={each}" for each in ("blocks=1", "warmup_s=0.1", "window_s=0.1"))]
    said = " ".join(CliRunner().invoke(cli.app, ["run", "none", "--dry-run", *asked]).stdout.split())
    assert said.endswith("less than 1 MiB of results, no store data meanwhile.")
    facts: list[dict[str, Any]] = [
        {"blocks": 12}, {"ladder": [100.0]}, {"slo": "p99<20ms"}, {"faults": ["freeze@1+1"]}, {"rate": 5000},
        {"closed_s": 3}, {"window_s": 60},
    ]  # fmt: skip
    usual = plan.estimate_disk_bytes(make(["redis"], stores=("redis",)), 1)[0]
    for more in facts:
        assert plan.estimate_disk_bytes(make(["redis"], stores=("redis",), **more), 1)[0] > 1.1 * usual, more


def test_a_fault_comes_last_once_for_each_store_and_is_seen_to_its_end() -> None:
    made = make(["a", "b"], stores=("b",), blocks=2, faults=["freeze@3+2", "kill@1+1"], window_s=3)
    *_, freeze, kill = list(plan.blocks(made))
    assert [(each.variant, each.fault and each.fault.text) for each in (*freeze, *kill)] == [
        ("b", "freeze@3+2"),
        ("b", "kill@1+1"),
    ]
    phases = plan.phases(made, "fault", freeze[0].load, freeze[0].fault)
    assert phases.window_s > 3 + 2
    assert phases.closed_s == 0
    assert plan.left(freeze, [done(freeze[0])], made) == []
    assert plan.left(kill, [done(freeze[0])], made) == kill


def test_a_fault_takes_arrivals_and_a_store() -> None:
    with pytest.raises(UsageError, match="needs open load"):
        make(["a"], stores=("a",), faults=["freeze@3+2"], rate=0)
    with pytest.raises(UsageError, match="None of these variants has a store"):
        make(["a"], faults=["freeze@3+2"])


def done(planned: plan.Planned, state: str = "VALID", error: str | None = None) -> Trial:
    return Trial(
        number=1, block=planned.block, attempt=planned.attempt, purpose=planned.purpose, load=planned.load,
        arms=[FormatArm(variant=planned.variant)], started_at="", warmup_s=1, window_s=3, error=error,
        fault=planned.fault,
        verdict=Verdict.model_validate({"state": state}),
    )  # fmt: skip


@pytest.mark.parametrize(("asked", "attempts"), [({}, (1, 2, 3)), ({"repeats": 1}, (1, 2)), ({"repeats": 0}, (1,))])
def test_what_the_instrument_spoilt_is_repeated_twice_or_as_asked(
    asked: dict[str, Any], attempts: tuple[int, ...]
) -> None:
    made = make(["a"], blocks=1, **asked)
    (block,) = plan.blocks(made)
    trials: list[Trial] = []
    for attempt in attempts:
        (again,) = plan.left(block, trials, made)
        assert again.attempt == attempt
        trials.append(done(again, "INVALID"))
    assert plan.left(block, trials, made) == []


@pytest.mark.parametrize("state", ["VALID", "SUSPECT", "OVERLOADED", "FAILED"])
def test_what_the_subject_did_is_never_repeated(state: str) -> None:
    made = make(["a"], blocks=1)
    (block,) = plan.blocks(made)
    assert plan.left(block, [done(block[0], state)], made) == []


def test_what_could_not_be_measured_at_all_is_not_tried_again() -> None:
    made = make(["a"], blocks=1)
    (block,) = plan.blocks(made)
    assert plan.left(block, [done(block[0], "INVALID", "the app did not start")], made) == []


def test_a_ladder_has_every_variant_on_every_rung() -> None:
    made = make(["a", "b"], blocks=1, ladder=[100, 50], ladder_blocks=2)
    _, *ladder = plan.blocks(made)
    rungs = {("a", 50.0), ("a", 100.0), ("b", 50.0), ("b", 100.0)}
    assert [{(each.variant, each.load.rate_per_s) for each in block} for block in ladder] == [rungs, rungs]
    assert {each.purpose for block in ladder for each in block} == {"ladder"}
    assert [list(block) for block in plan.blocks(made)] == [list(block) for block in plan.blocks(made)]


def test_only_latency_trials_have_a_closed_phase() -> None:
    made = make(["a"], closed_s=2, slo="p99<20ms")
    assert plan.phases(made, "latency", made.load).closed_s == 2
    assert plan.phases(made, "ladder", made.load).closed_s == 0
    assert plan.phases(make(["a"], rate=0), "latency", Load(users=4)).closed_s == 0
    assert plan.phases(made, "capacity", made.load).window_s <= made.window_s


def test_a_probe_goes_before_a_rate_that_was_left_open() -> None:
    assert plan.probes(make(["a", "b"])) == []
    assert plan.probes(make(["a", "b"], rate=0)) == []
    probes = plan.probes(make(["a", "b"], rate="probe"))
    assert sorted(each.variant for each in probes) == ["a", "b"]
    assert {each.load.kind for each in probes} == {"closed"}


@given(st.floats(1, 1e6))
def test_the_common_rate_is_a_round_half_of_the_slowest(slowest: float) -> None:
    rate = plan.common_rate(slowest)
    assert f"{rate:.0e}"[0] in "125"
    assert rate <= max(slowest / 2, 1) < rate * 2.5
