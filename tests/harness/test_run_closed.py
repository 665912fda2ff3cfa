"""Runs of closed load end to end: other scenarios, several workers, apps that are wrong or die."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pytest

from reports.files import read_run
from reports.record import tables
from tests.harness.command import MEASURED, QUICK, session_bench

if TYPE_CHECKING:
    from pathlib import Path


def test_a_scenario_that_finds_wrong_answers_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from scenarios.steps import SessionUser\n"
        "from locust import task\n"
        "class Mistaken(SessionUser):\n"
        "    @task\n"
        "    def step(self):\n"
        "        self.updates = {5}\n"
        "        self.read()\n"
    )
    done = session_bench(tmp_path, "run", "memory", *QUICK, "--scenario", "./mine.py")
    assert done.returncode == 1, done.stderr
    (folder,) = (tmp_path / "results").iterdir()
    *_, trial = read_run(folder).trials
    assert trial.verdict.state == "FAILED"
    assert any("wrong" in reason for reason in trial.verdict.reasons)


@pytest.mark.parametrize("scenario", ["read_heavy", "write_heavy", "login_storm", "big_session"])
def test_every_scenario_finds_every_answer_right(tmp_path: Path, scenario: str) -> None:
    """Where the app keeps the session, and where the client does; what keeps none at all has its turn above."""
    done = session_bench(tmp_path, "run", "memory", "cookie", *QUICK, "--scenario", scenario, "--json")
    assert done.returncode in MEASURED, done.stderr + done.stdout
    for trial in read_run(tmp_path / json.loads(done.stdout)["run"]).trials:
        figures = trial.arms[0].figures
        assert figures is not None
        assert set(figures.outcomes) <= {"ok", "refused"}
        assert figures.requests > 20


def test_the_cookie_has_a_cliff_and_it_is_no_error(tmp_path: Path) -> None:
    done = session_bench(
        tmp_path, "run", "cookie", *QUICK, "--scenario", "big_session", "--set", "sizes=100,10000", "--json"
    )
    assert done.returncode in MEASURED, done.stderr + done.stdout
    *_, trial = read_run(tmp_path / json.loads(done.stdout)["run"]).trials
    figures = trial.arms[0].figures
    assert figures is not None
    assert figures.outcomes["refused"] == figures.steps["POST /login 10000 B"].outcomes["refused"] > 0
    assert figures.steps["POST /login 100 B"].outcomes.keys() == {"ok"}


def test_workers_share_one_socket(tmp_path: Path) -> None:
    done = session_bench(tmp_path, "run", "redis:workers=2", *QUICK, "--json")
    assert done.returncode in MEASURED, done.stderr + done.stdout
    run = tmp_path / json.loads(done.stdout)["run"]
    resources = tables.read_resources(run, 1)
    assert resources is not None
    apps = resources.filter(pc.equal(resources["role"].cast("string"), "app"))
    assert len(pc.unique(apps["pid"])) == 2
    assert read_run(run).variants[0].workers == 2


def test_an_app_that_dies_is_reported_and_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "mortal.py").write_text("def create_app():\n    raise SystemExit('no such luck')\n")
    (tmp_path / "session-bench.toml").write_text(
        f"[variants.mortal]\nbackend = 'none'\napp = 'mortal:create_app'\ncwd = '{tmp_path}'\n"
    )
    done = session_bench(tmp_path, "run", "mortal", *QUICK)
    assert done.returncode == 5, done.stderr
    (folder,) = (tmp_path / "results").iterdir()
    *_, trial = read_run(folder).trials
    assert trial.error is not None
    assert "no such luck" in trial.error
