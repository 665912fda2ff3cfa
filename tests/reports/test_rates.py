from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.files import RunUnreadable
from reports.judging import paired
from reports.judging.family import Rules
from reports.judging.judge import DECIDING, TOLERANCES, Pair, judge, undecided
from reports.judging.rates import Cell, lines, rates, tails
from reports.record.recorded_blocks import Block, RecordedBlocks, read_blocks, write_blocks
from tests.reports.synthetic import ENVIRONMENT

if TYPE_CHECKING:
    from pathlib import Path

    from reports.record.judgement import Comparison

MEMORY = {0.0: 0.05, 0.03: 0.03, 0.10: 0.03}
"""Planted share to the noise of its blocks."""


def recorded(cells: dict[float, float] = MEMORY, blocks: int = 40, variant: str = "memory") -> RecordedBlocks:
    dice = np.random.default_rng(4)
    found = []
    for planted, sigma in cells.items():
        for number in range(1, blocks + 1):
            values: dict[str, tuple[float, float]] = {}
            for metric, typical in zip(DECIDING, (300.0, 900.0), strict=True):
                base = typical * float(np.exp(dice.normal(0, 0.1)))
                head = base * (1 + planted) * float(np.exp(dice.normal(0, sigma)))
                values[metric] = round(base, 1), round(head, 1)
            found.append(Block(variant=variant, planted=planted, block=number, metrics=values))
    return RecordedBlocks(
        harness_version="0.1.0", environment=ENVIRONMENT, rate_per_s={variant: 200.0},
        seconds_per_block={variant: 15.0}, blocks=found,
    )  # fmt: skip


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(-4, 4).map(float), min_size=7, max_size=7), min_size=1, max_size=5),
    st.lists(st.lists(st.floats(-1, 1), min_size=13, max_size=13), min_size=1, max_size=3),
)
def test_the_tails_of_many_rows_are_those_of_each(tied: list[list[float]], free: list[list[float]]) -> None:
    for rows in (tied, free):
        found = tails(np.asarray(rows))
        expected = [paired.p_not_above(row) for row in rows]
        assert all(p == q or (q == 1 and p >= 0.5) for p, q in zip(expected, found.tolist(), strict=True))


def by_the_judge(blocks: list[Block], rules: Rules, draw: list[int], pairs: int) -> tuple[str, int]:
    """Return the verdict on one draw, and after how many blocks, as a regression check comes to it."""
    history: list[list[Comparison]] = []
    for look, count in enumerate(rules.looks, 1):
        chosen = [blocks[number] for number in draw[:count]]
        values = {
            metric: ([each.metrics[metric][0] for each in chosen], [each.metrics[metric][1] for each in chosen])
            for metric in DECIDING
        }
        asked = [Pair("memory", "memory@base", "memory@head", values)]
        # The others were asked about, and show nothing.
        asked += [Pair(f"v{number}", "", "", {}) for number in range(1, pairs)]
        history.append(judge(asked, rules, look=look, earlier=history))
        if "memory" not in undecided(history[-1]):
            break
    return history[-1][0].state, rules.looks[len(history) - 1]


@settings(max_examples=8, deadline=None)  # each is some hundred judgements
@given(st.sampled_from(["any", "delta"]), st.sampled_from([1, 5]), st.sampled_from([0.0, 0.03]), st.integers(0, 999))
def test_rates_are_those_of_the_judge(fail_on: Any, pairs: int, planted: float, seed: int) -> None:
    repeats, rules = 12, Rules(fail_on=fail_on)
    chosen = recorded({planted: 0.04}, blocks=25)
    (cell,) = rates(chosen, rules, repeats=repeats, seed=seed, pairs=pairs).cells
    draws = np.random.default_rng([seed, 0]).integers(0, 25, size=(repeats, rules.looks[-1])).tolist()
    expected = [by_the_judge(chosen.blocks, rules, draw, pairs) for draw in draws]
    shares = [sum(state == each for state, _ in expected) / repeats for each in ("REGRESSED", "PASS", "INCONCLUSIVE")]
    assert [cell.regressed, cell.passed, cell.inconclusive] == pytest.approx(shares)
    assert cell.blocks == pytest.approx(sum(blocks for _, blocks in expected) / repeats)
    assert cell.minutes == pytest.approx(cell.blocks * 15 / 60)


def test_rates_of_what_was_planted() -> None:
    found = rates(recorded(), repeats=400, seed=1)
    nothing, some, much = found.cells
    assert [(each.variant, each.planted, each.draw_from) for each in found.cells] == [
        ("memory", planted, 40) for planted in MEMORY
    ]
    # The 40 blocks differ by 1.2 % in p50, by chance. Where arms are swapped, no more than 5 % may alarm.
    assert nothing.seen["p50_us"] == pytest.approx(0.012, abs=0.001)
    assert found.swapped[0].seen["p50_us"] == pytest.approx(0, abs=1e-9)
    assert found.swapped[0].regressed <= 0.05 < nothing.regressed
    assert min(nothing.passed, found.swapped[0].passed) > 0.5
    assert some.regressed > 0.8
    assert (much.regressed, much.passed, much.blocks) == (1.0, 0.0, 12.0)
    assert much.seen["p50_us"] == pytest.approx(0.10, abs=0.02)
    assert found.found("memory") in {0.03, 0.10}
    assert found.found("redis") is None
    # (2.45 or so + 0.84) 1.023 x 5 % / 6, and what 40 blocks make of 5 %
    assert found.smallest["memory"]["p50_us"] == pytest.approx(0.028, abs=0.008)
    assert rates(recorded(), repeats=400, seed=1) == found
    assert rates(recorded(), repeats=400, seed=2) != found


def test_more_backends_asked_about_need_more_blocks() -> None:
    chosen = recorded({0.03: 0.035})
    alone, many = (rates(chosen, repeats=300, pairs=pairs).cells[0] for pairs in (1, 20))
    assert alone.blocks < many.blocks
    assert alone.regressed > many.regressed


def test_a_wider_tolerance_passes_more() -> None:
    wide = {name: each.model_copy(update={"share": 0.5}) for name, each in TOLERANCES.items()}
    (cell,) = rates(recorded({0.10: 0.03}), repeats=50, tolerances=wide).cells
    assert cell.passed == 1


def test_what_lacks_blocks_is_said() -> None:
    chosen = recorded({0.0: 0.03}, blocks=13)
    del chosen.blocks[0].metrics["p50_us"]
    chosen.blocks[1].metrics["p50_us"] = 0.0, 900.0
    found = rates(chosen, repeats=10)
    assert (found.cells, found.too_few) == ([], ["memory at 0%: 11 blocks of at least 12"])
    assert lines(found)[-1] == "too few blocks: memory at 0%: 11 blocks of at least 12"
    assert rates(chosen, repeats=10, deciding=[DECIDING[0]]).cells[0].draw_from == 13


def test_lines_name_every_cell() -> None:
    written = lines(rates(recorded(), repeats=50))
    assert written[0].split() == (
        "planted REGRESSED PASS INCONCLUSIVE blocks minutes app CPU per request p50".split()  # noqa: SIM905 - a table
    )
    assert written[3].split()[:7] == ["memory", "10%", "100.0%", "0.0%", "0.0%", "12.0", "3.0"]
    assert written[4].split()[:2] == ["memory", "swapped"]
    assert "36 blocks show" in written[5]


def test_the_smallest_that_is_found_has_all_larger_ones_found() -> None:
    found = rates(recorded({0.0: 0.03}), repeats=10)
    for shares, least in (((1, 1, 1), 0.03), ((0.5, 1, 1), 0.05), ((1, 0.5, 1), 0.10), ((1, 1, 0.5), None)):
        found.cells[:] = [
            Cell("memory", planted, 40, share, 0.0, 0.0, 12.0, 3.0, {})
            for planted, share in zip((0.03, 0.05, 0.10), shares, strict=True)
        ]
        assert found.found("memory") == least


def test_blocks_survive_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "blocks.json"
    for each in (recorded(), recorded({})):
        write_blocks(path, each)
        assert read_blocks(path) == each
        assert json.loads(path.read_text())["schema_version"] == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "selftest --record"), ("{", "no JSON"), ("[]", "holds no recorded blocks"),
        ('{"schema_version": 2}', "schema_version 2"), ('{"schema_version": 1}', "harness_version"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "blocks.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RunUnreadable, match=said):
        read_blocks(path)
