"""`session-bench selftest` as a user runs it: what is planted is measured, and kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from reports.record.recorded_blocks import read_blocks
from tests.harness.command import session_bench

if TYPE_CHECKING:
    from pathlib import Path

SHORT = ("--set", "warmup_s=0.3", "--set", "window_s=0.8", "--set", "drain_s=1", "--set", "sessions=50")


def test_each_block_holds_every_share_and_is_kept(tmp_path: Path) -> None:
    done = session_bench(
        tmp_path, "selftest", "--blocks", "2", "--planted", "1", "--record", "kept.json", *SHORT, "--json"
    )
    assert done.returncode == 0, done.stderr
    kept = read_blocks(tmp_path / "kept.json")
    assert sorted((each.block, each.planted) for each in kept.blocks) == [(1, 0.0), (1, 1.0), (2, 0.0), (2, 1.0)]
    assert kept.rate_per_s.keys() == kept.seconds_per_block.keys() == {"memory"}
    assert kept.seconds_per_block["memory"] > 0.3 + 0.8
    for each in kept.blocks:
        base, head = each.metrics["app_cpu_us_per_request"]
        # Twice the CPU where as much again was burnt; a neighbour's noise is far from that.
        assert (head / base > 1.4) == (each.planted == 1.0)
    answer = json.loads(done.stdout)
    assert answer["cells"] == []
    assert answer["too_few"] == ["memory at 0%: 2 blocks of at least 12", "memory at 100%: 2 blocks of at least 12"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--planted", "x"], "--planted takes shares"),
        (["--planted", "3"], "above 0 and up to 1"),
        (["cokie"], "did you mean"),
        (["--set", "windows=3"], "windows"),
    ],
)
def test_what_cannot_be_asked_is_one_paragraph(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = session_bench(tmp_path, "selftest", *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
