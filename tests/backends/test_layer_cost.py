from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "layer_cost.py"


def test_the_benchmark_runs_and_prints_all_three_with_their_spread() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--rounds", "3", "--requests", "5"],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert done.stderr == ""
    line = r"\s+(-?\d+\.\d+)   \(-?\d+\.\d+ to -?\d+\.\d+\)"
    for label in ("bare", "ours", "starsessions", "ours adds", "starsessions adds", "ratio of the two"):
        assert re.search(rf"^  {label}{line}", done.stdout, re.MULTILINE), label
