"""The arrows of the design point one way: who may import whom, read from the source."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"backends", "scenarios", "harness", "reports"}
MAY_IMPORT = {
    "backends": {"backends"},
    "scenarios": {"scenarios"},
    "reports": {"reports"},
    "harness": {"harness", "reports"},
}
REPORTS = ("record", "words", "trials", "judging", "listings", "choice", "tidy", "charts", "exporters")
"""The folders of `reports`, in the order in which a report is made."""
FILES = [path for package in sorted(OURS) for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Return the absolute names that a file imports anywhere, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_package_imports_only_what_it_may(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    foreign = {name for name in imported(path) if name.split(".")[0] in OURS - MAY_IMPORT[package]}
    assert not foreign


def test_a_report_is_made_one_way_through_its_folders() -> None:
    folders = {path.parent.name for path in FILES if path.parent.parent == ROOT / "reports"}
    assert folders == set(REPORTS)
    back = [
        f"{name_of(path)}: {name}"
        for place, folder in enumerate(REPORTS)
        for path in sorted((ROOT / "reports" / folder).glob("*.py"))
        for name in sorted(imported(path))
        if name.startswith("reports.") and name.split(".")[1] in REPORTS[place + 1 :]
    ]
    assert not back


@pytest.mark.parametrize("path", [path for path in FILES if "scenarios" not in path.parts], ids=name_of)
def test_only_the_generator_imports_locust(path: Path) -> None:
    inside = "load" in path.relative_to(ROOT).parts
    patching = {name for name in imported(path) if name.split(".")[0] in {"locust", "gevent"}}
    assert inside or not patching


@pytest.mark.parametrize("path", sorted((ROOT / "harness" / "load").glob("*.py")), ids=name_of)
def test_the_generator_imports_nothing_heavy(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & {"pandas", "pyarrow", "pydantic"}


def test_only_the_spool_crosses_from_the_generator_to_the_harness() -> None:
    outside = [path for path in (ROOT / "harness").rglob("*.py") if path.parent.name != "load"]
    crossing = {name for path in outside for name in imported(path) if name.startswith("harness.load.")}
    assert {name.split(".")[2] for name in crossing} == {"spool"}


def test_the_launcher_needs_only_the_standard_library_and_uvicorn() -> None:
    names = {name.split(".")[0] for name in imported(ROOT / "harness" / "launch.py")}
    assert names - {"uvicorn"} <= sys.stdlib_module_names


def test_importing_reports_loads_neither_matplotlib_nor_scipy() -> None:
    code = "import sys, reports, reports.format, reports.stats; print(*{'matplotlib', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.py")), ids=name_of)
def test_no_scenario_shadows_an_installed_module(path: Path) -> None:
    """Locust puts the scenario's folder first on the path, so its name would win everywhere in the process."""
    if path.stem == "__init__":
        return
    found = importlib.util.find_spec(path.stem)
    assert found is None, f"{path.stem} would shadow {found}"
