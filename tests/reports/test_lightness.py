from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from reports.data import Recorded

HEAVY = ("matplotlib", "scipy", "pandas", "jinja2", "rich")


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("reports", (*HEAVY, "pyarrow", "numpy")),
        ("reports.format", (*HEAVY, "pyarrow", "numpy")),
        ("reports.stats", (*HEAVY, "pyarrow")),
        ("reports.verdict", (*HEAVY, "pyarrow", "numpy")),
        ("reports.data", HEAVY),
        ("reports.exporters.terminal", ("matplotlib", "scipy", "pandas", "jinja2", "pyarrow")),
        ("reports.exporters.html", ("scipy", "pandas", "matplotlib.pyplot")),
    ],
)
def test_importing_loads_no_more_than_it_needs(module: str, heavy: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.split()


def test_a_report_needs_neither_scipy_nor_a_window_nor_the_other_packages(recorded: Recorded) -> None:
    foreign = {"matplotlib.pyplot", "scipy", "tkinter", "backends", "harness", "scenarios", "locust"}
    code = (
        "import sys, pathlib, reports\n"
        "reports.write(pathlib.Path(sys.argv[1]))\n"
        f"print(*sorted(set(sys.modules) & {foreign}))\n"
    )
    command = [sys.executable, "-c", code, str(recorded.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not done.stdout.split()
