from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

import reports
from reports.exporters.terminal import Report
from tests.reports import synthetic, synthetic_faults, synthetic_open

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.data import Recorded
    from reports.format import Run

GOLDENS = Path(__file__).parent / "goldens"


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Record a small run with a FAILED, an INVALID and an unavailable variant, and read it back."""
    folder = tmp_path_factory.mktemp("results") / "small"
    synthetic.record(folder)
    return reports.load(folder)


@pytest.fixture(scope="session")
def written(recorded: Recorded) -> dict[str, Path]:
    """Write the report of the small run; its files by their names under report/."""
    folder = recorded.folder / "report"
    return {path.relative_to(folder).as_posix(): path for path in reports.write(recorded.folder)}


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Record a run in which stores were frozen, killed and slowed, and read it back."""
    folder = tmp_path_factory.mktemp("results") / "harmed"
    synthetic_faults.record(folder)
    return reports.load(folder)


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Record a run with open load, every kind of trial and verdict in it, and read it back."""
    folder = tmp_path_factory.mktemp("results") / "open"
    synthetic_open.record(folder)
    return reports.load(folder)


@pytest.fixture(scope="session")
def opened_written(opened: Recorded) -> dict[str, Path]:
    """Write the report of the open run; its files by their names under report/."""
    folder = opened.folder / "report"
    return {path.relative_to(folder).as_posix(): path for path in reports.write(opened.folder)}


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Record a run whose names and versions would do harm if they were believed."""
    folder = tmp_path_factory.mktemp("results") / "hostile"
    synthetic.record(folder, synthetic.HOSTILE, unavailable=(synthetic.HOSTILE_UNAVAILABLE,), blocks=1)
    return reports.load(folder)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a text with its golden; UPDATE_GOLDENS=1 in the environment writes it instead."""

    def compare(name: str, text: str) -> None:
        text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
        path = GOLDENS / name
        if os.environ.get("UPDATE_GOLDENS"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


def in_terminal(run: Run, width: int) -> str:
    """Return the report as a terminal of this width shows it, without colours."""
    console = Console(width=width, file=io.StringIO(), color_system=None, legacy_windows=False)
    console.print(Report(run))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
