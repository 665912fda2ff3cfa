"""Runs `session-bench` as a user does, in a folder of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

QUICK = (
    "--set",
    "blocks=1",
    "--set",
    "warmup_s=0.3",
    "--set",
    "window_s=0.7",
    "--set",
    "sessions=50",
    "--set",
    "audit=false",
    "--set",
    "repeats=0",
    "--users",
    "4",
)
"""The shortest run that still measures something."""

OPEN = (*QUICK[:-1], "20", "--rate", "150", "--set", "closed_s=0.4", "--set", "closed_users=4")
"""The same with open load, and a closed phase behind it."""

MEASURED = (0, 5)
"""Exit codes of a run that went well; 5 says that this machine was too busy for its figures to count."""

TIMEOUT_S = 300


def command(*arguments: str, python: str | Path = sys.executable) -> list[str]:
    return [str(python), "-c", "from harness.cli import main; main()", *arguments]


def environ(**more: str) -> dict[str, str]:
    """Return an environment in which no setting of the user's own counts, nor any that only slows Python's start."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SESSION_BENCH_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "COLUMNS": "100", **more}


def session_bench(
    folder: Path, *arguments: str, python: str | Path = sys.executable, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments, python=python),
        cwd=folder,
        env=environ(**more),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
