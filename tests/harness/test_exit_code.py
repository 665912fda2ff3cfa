from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import Exit
from harness.run import exit_code
from reports.files import read_run
from reports.format import Capacity

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


@pytest.mark.parametrize(
    ("lower_per_s", "limit", "code"),
    [
        (250.0, "app CPU", Exit.FINE),
        (150.0, "app CPU", Exit.TESTED_FAILED),
        (None, "unknown", Exit.TESTED_FAILED),
        (None, "generator", Exit.FINE),
    ],
)
def test_a_capacity_under_the_common_rate_fails_unless_nobody_could_tell(
    lower_per_s: float | None, limit: str, code: Exit
) -> None:
    run = read_run(REFERENCE)
    assert run.plan.load.rate_per_s == 200
    run.trials = [trial for trial in run.trials if trial.purpose == "latency"]  # what faults did counts by itself
    run.capacities = [Capacity(variant="none", lower_per_s=lower_per_s, upper_per_s=None, limit=limit, why="")]
    assert exit_code(run) == code
