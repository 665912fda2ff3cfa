"""Audits, faults, distances and apps of one's own, with the project's own command on real servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.arms import App, Arm
from harness.processes import Processes
from reports.files import read_run
from tests.harness.command import MEASURED, OPEN, QUICK, session_bench

if TYPE_CHECKING:
    from pathlib import Path

    from reports.format import Run

KEY = "k" * 64


def recorded(folder: Path, said: str) -> tuple[Run, dict[str, Any]]:
    answer = json.loads(said)
    return read_run(folder / answer["run"]), answer


def test_two_workers_with_a_memory_each_fail_their_audit(tmp_path: Path) -> None:
    chosen = ["--check", "workers", "--check", "1", "--json"]
    done = session_bench(tmp_path, "audit", "memory", "memory:workers=2", *chosen)
    assert done.returncode == 1, done.stderr
    run, said = recorded(tmp_path, done.stdout)
    states = {audit.variant: {check.number: check.state for check in audit.checks} for audit in run.audits}
    assert states["memory"] == {1: "PASS", 16: "PASS"}
    assert states["memory:workers=2"][16] == "FAIL"
    assert [check.number for check in run.audits[1].strikes][-1:] == [16]
    assert {path.rsplit("/", 1)[1] for path in said["report"]} >= {"index.html", "junit.xml", "audits.csv"}
    assert "16" in done.stderr


def test_users_who_reconnect_find_what_two_memories_do_not_share(tmp_path: Path) -> None:
    done = session_bench(tmp_path, "run", "memory:workers=2", *QUICK, "--set", "reconnects=10")
    assert done.returncode == 1, done.stderr
    (folder,) = (tmp_path / "results").iterdir()
    *_, trial = read_run(folder).trials
    assert trial.verdict.state == "FAILED"
    assert trial.checked["session_kept"].wrong > 0
    assert trial.checked["isolation"].wrong == 0


def test_a_store_that_is_frozen_under_load_is_borne(tmp_path: Path) -> None:
    done = session_bench(tmp_path, "run", "redis:deadline_ms=300", *OPEN, "--fault", "freeze@0.5+1", "--json")
    run, _ = recorded(tmp_path, done.stdout)
    (planned,) = run.plan.faults
    faulted = [trial for trial in run.trials if trial.purpose == "fault"]
    assert {trial.arms[0].variant for trial in faulted} == {"redis:deadline_ms=300"}
    *_, trial = faulted
    assert trial.fault == planned
    assert trial.outage is not None, trial.error
    assert trial.outage.first_error_status == 503
    assert trial.outage.began_us >= 500_000
    assert trial.outage.lifted_us >= 1_500_000
    assert trial.outage.recovered_us is not None
    assert trial.outage.sessions_lost == 0
    assert trial.outage.sessionless
    assert done.returncode in {*MEASURED, 1}, done.stderr  # whether it was borne well is a loud machine's affair


def test_a_distance_to_the_store_is_paid_at_every_round_trip(tmp_path: Path) -> None:
    done = session_bench(tmp_path, "run", "redis", *QUICK, "--rtt", "0,20", "--counts", "--json")
    assert done.returncode in MEASURED, done.stderr
    run, said = recorded(tmp_path, done.stdout)
    assert [variant.rtt_ms for variant in run.variants] == [0, 20]
    assert run.relay_cost is not None
    assert [each.rtt_ms for each in run.relay_cost.additions] == [20]
    for trial in run.trials:
        figures, relayed = trial.arms[0].figures, trial.relayed
        assert figures is not None
        assert relayed is not None
        assert relayed.round_trips > 0
        read = figures.steps["GET /profile"]
        assert (read.p50_us or 0) > 1000 * relayed.rtt_ms
    # How often the store is asked does not depend on how far away it is.
    assert run.plan.counts
    near, far = run.counts
    assert near.steps == far.steps
    assert {step: each.round_trips for step, each in near.steps.items()} == {
        "login": 1, "read": 1, "write": 2, "logout": 2, "ping": 0,
    }  # fmt: skip
    assert {path.rsplit("/", 1)[1] for path in said["report"]} >= {"counts.csv"}


def test_an_encrypted_store_has_no_distance(tmp_path: Path) -> None:
    (tmp_path / "session-bench.toml").write_text(
        '[variants.far]\nbackend = "redis"\nurl = "rediss://127.0.0.1:1"\nrtt = 4\n'
    )
    done = session_bench(tmp_path, "run", "far", "none", *QUICK, "--set", "counts=true", "--json")
    assert done.returncode == 4, done.stderr
    run, _ = recorded(tmp_path, done.stdout)
    assert run.variant("far").error
    assert {trial.arms[0].variant for trial in run.trials} == {"none"}
    assert [(each.variant, each.steps["read"].round_trips) for each in run.counts] == [("none", 0)]


def test_an_app_that_already_runs_is_loaded_and_audited_and_left_alone(tmp_path: Path) -> None:
    environment = {"SESSION_APP_KEY": KEY, "SESSION_APP_NAMESPACE": "own", "SESSION_APP_AUDIT": "1"}
    with Processes() as processes:
        app = App(processes, Arm("memory", environment=environment), log=tmp_path / "app.log", cpus=None)
        app.about()
        (tmp_path / "session-bench.toml").write_text(f'[variants.there]\ntarget = "{app.url}"\n')
        done = session_bench(tmp_path, "run", "there", *QUICK, "--set", "audit=true", "--counts", "--json")
        assert done.returncode in MEASURED, done.stderr
        run, _ = recorded(tmp_path, done.stdout)
        assert app.died() is None
    (audit,) = run.audits
    assert {check.state for check in audit.checks} == {"PASS"}
    [counts] = run.counts
    assert (counts.variant, counts.steps) == ("there", {})
    assert counts.notes == [
        "Nothing could be counted: it already runs, and nothing can be put between it and its store."
    ]
    (trial, *_) = run.trials
    figures = trial.arms[0].figures
    assert figures is not None
    assert figures.requests > 50
    assert figures.cpu_us_per_request["app"] is None
