from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from harness import config, plan, scenarios
from harness.arms import Arm
from harness.variants import Wanted

if TYPE_CHECKING:
    from reports.format import Plan


def wanted(name: str) -> Wanted:
    return Wanted(name, name, Arm(name), None, {}, None, {}, {}, "", {}, "3.11")


def make(names: list[str], **flags: Any) -> Plan:
    scenario = scenarios.find("read_heavy")
    settings = config.load(flags, environ={})
    return plan.make(settings, [wanted(name) for name in names], scenario, scenario.parameters)


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


def test_trials_are_numbered_through() -> None:
    made = make(["a", "b"], blocks=2)
    listed = plan.trials(made)
    assert [number for number, _, _ in listed] == [1, 2, 3, 4]
    assert [block for _, block, _ in listed] == [1, 1, 2, 2]
    assert [name for _, _, name in listed] == made.order[0] + made.order[1]


def test_a_ranking_takes_twelve_blocks() -> None:
    assert not make(["a"], blocks=11).ranking
    assert make(["a"], blocks=12).ranking


def test_the_estimate_grows_with_what_is_left() -> None:
    made = make(["a", "b"], blocks=3, warmup_s=1, window_s=3)
    assert plan.estimate_s(made, 6, 0) == 2 * plan.estimate_s(made, 3, 0)
    assert plan.estimate_s(made, 6, 1) > plan.estimate_s(made, 6, 0)
