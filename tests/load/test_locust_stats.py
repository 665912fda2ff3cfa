"""Locust's page, tables and files say exactly what they say without us."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_every_figure_is_the_one_that_locust_itself_has() -> None:
    """Thousands of seeded requests, seconds, errors, resets and reports, compared whenever somebody could look."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.load.stats_twins"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["looks"] > 500
