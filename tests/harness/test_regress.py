"""`session-bench regress` as a user runs it: on this machine, with real apps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from harness import counts_file
from harness.arms import Arm
from harness.pairing import Met
from harness.provision import Entrant
from reports.files import read_run, read_trials
from reports.format import Variant
from tests.harness.command import session_bench

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

TABLES = """
[regress]
looks = [6]
spent = [1.0]
alpha = 0.2
rate = 150
slices = 1
sentinel = false
counts = "counts.json"

[regress.variants."twin against memory"]
tolerance = { app_cpu_us_per_request = 3.0, p50_us = 9.0 }

[profiles.regress]
blocks = 6
warmup_s = 0.3
window_s = 0.8
drain_s = 1.0
sessions = 50

[variants.twin]
backend = "memory"

[variants.slow]
backend = "memory"
app = "slow:create_app"
cwd = "."
"""
SLOW = """
import os
os.environ["SESSION_PLANT"] = "cpu=3"
from harness.plant import create_app
"""
BROKEN = """
def create_app():
    raise RuntimeError("out of order")
"""


def folder_of(done: subprocess.CompletedProcess[str], folder: Path) -> Path:
    (run,) = (folder / "results").iterdir()
    assert str(run.name) in done.stdout
    return run


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Hold a twin, and one that takes four times the CPU, against the same variant, in one run."""
    folder = tmp_path_factory.mktemp("regress")
    (folder / "session-bench.toml").write_text(TABLES)
    (folder / "slow.py").write_text(SLOW)
    done = session_bench(
        folder, "regress", "twin", "slow", "--against", "memory", "--exit", "regressed=77", "--update-counts"
    )
    return done, folder


@pytest.fixture(scope="module")
def judgement(checked: tuple[subprocess.CompletedProcess[str], Path]) -> dict[str, Any]:
    done, folder = checked
    found: dict[str, Any] = json.loads((folder_of(done, folder) / "report" / "judgement.json").read_text())
    return found


def test_a_slowdown_is_found_and_a_twin_is_not_blamed(
    checked: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, folder = checked
    assert done.returncode == 77, done.stdout + done.stderr
    run = read_run(folder_of(done, folder))
    assert {each.name: each.state for each in run.comparisons} == {
        "twin against memory": "PASS",
        "slow against memory": "REGRESSED",
    }
    assert run.judgement is not None
    assert run.judgement.state == "REGRESSED"
    # What burns three times its own is seen as about that, and the app is what it says.
    slow = next(each for each in run.comparisons if each.name == "slow against memory")
    cpu = next(each for each in slow.metrics if each.metric == "app_cpu_us_per_request")
    assert cpu.change is not None
    assert 1 < cpu.change.estimate < 5
    assert len(cpu.base) == len(cpu.head) == 6


def test_every_block_has_fresh_arms_in_an_order_of_its_own(
    checked: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, folder = checked
    trials = read_trials(folder_of(done, folder))
    assert sorted({(trial.block, trial.arms[1].variant) for trial in trials}) == [
        (block, name) for block in range(1, 7) for name in ("slow", "twin")
    ]
    orders = {
        tuple(trial.arms[1].variant for trial in trials if trial.block == block and trial.attempt == 1)
        for block in range(1, 7)
    }
    assert len(orders) > 1
    for trial in trials:
        assert trial.purpose == "pair"
        for arm in trial.arms:
            assert arm.figures is not None
            assert arm.figures.cpu_us_per_request["app"] is not None
            assert arm.slices is not None
            assert arm.slices.p95_us is not None


def test_ci_finds_what_it_reads(
    checked: tuple[subprocess.CompletedProcess[str], Path], judgement: dict[str, Any]
) -> None:
    done, folder = checked
    report = folder_of(done, folder) / "report"
    assert judgement["exit_code"] == 77
    cases = ET.parse(report / "junit.xml").getroot().iter("testcase")  # noqa: S314 - our own file
    failed = [case for case in cases if case.find("failure") is not None]
    assert failed
    assert all("slow" in f"{case.get('classname')} {case.get('name')}" for case in failed)
    assert "REGRESSED" in (report / "pull_request.md").read_text().splitlines()[0]
    assert "REGRESSED" in (report / "index.html").read_text()


def test_exact_counts_are_written_where_it_is_asked_for(
    checked: tuple[subprocess.CompletedProcess[str], Path], judgement: dict[str, Any]
) -> None:
    _, folder = checked
    file = counts_file.read(folder / "counts.json")
    assert file is not None
    assert [counts.variant for counts in file.counts] == ["slow", "twin"]
    for counts in file.counts:
        assert counts.steps["read"].commands == 0
        assert counts.steps["login"].cookie_bytes
    assert judgement["counts_known"]
    assert judgement["counts"] == []


def test_arms_with_a_store_each_exchange_them() -> None:
    """Base and head never share a store, and neither keeps one: what a store's process costs would stay with an arm."""
    record = Variant(name="x", slug="x", backend="x")
    sides = [tuple(Entrant(record, Arm(f"{arm} in {store}")) for arm in ("base", "head")) for store in (0, 1)]
    met = Met("x", (record, record), sides, (None, None))  # type: ignore[arg-type] # two each
    served = [[each.arm.variant for each in met.pair(flip=flip).entrants] for flip in (False, True)]
    assert served == [["base in 0", "head in 1"], ["base in 1", "head in 0"]]
    alone = Met("x", (record, record), sides[:1], (None, None))  # type: ignore[arg-type] # as above
    for flip in (False, True):
        assert [each.arm.variant for each in alone.pair(flip=flip).entrants] == ["base in 0", "head in 0"]


def test_a_head_that_does_not_start_is_a_component(tmp_path: Path) -> None:
    (tmp_path / "session-bench.toml").write_text(TABLES)
    (tmp_path / "slow.py").write_text(BROKEN)
    done = session_bench(tmp_path, "regress", "slow", "--against", "memory")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "The head of slow against memory cannot be measured. The app of memory did not start" in done.stderr
    run = read_run(folder_of(done, tmp_path))
    assert run.judgement is not None
    assert run.judgement.state == "INVALID"  # whoever measured nothing cannot have passed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "regress needs something to compare with: --base REF"),
        (["memory", "--base", "HEAD", "--against", "cookie"], "give one of them"),
        (["--against", "cookie"], "--against cookie needs the variant that is compared with it"),
        (["memory", "--against", "none"], "none keeps nothing"),
        (["memory", "--against", "cokie"], "did you mean"),
        (["memory", "--base", "HEAD", "--exit", "slower=1"], "--exit 'slower=1'"),
        (["memory", "--base", "HEAD", "--exit", "regressed=300"], "a whole number from 0 to 255"),
        (["memory", "--base", "HEAD"], "There is nothing to compare in"),
        (["memory", "--against", "cookie", "--fail-on", "none"], "fail_on"),
        (["memory", "--against", "cookie", "--set", "regress=1"], "sets regress = '1'"),
    ],
)
def test_what_cannot_be_asked_is_one_paragraph(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = session_bench(tmp_path, "regress", *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()
