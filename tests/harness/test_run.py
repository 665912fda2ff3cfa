"""A run end to end, with the project's own command on real servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pytest

from reports import stats
from reports.exporters import decision_json
from reports.files import read_run, read_trials
from reports.record import tables
from tests.harness.command import MEASURED, OPEN, QUICK, session_bench

if TYPE_CHECKING:
    from pathlib import Path

    from reports.format import Run

VARIANTS = ("none", "memory", "cookie", "redis", "mongodb", "mongodb:driver=pymongo", "postgres", "http")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run, dict[str, Any]]:
    """Run every default variant once; returns the run's folder, what was recorded and what --json said."""
    folder = tmp_path_factory.mktemp("run")
    done = session_bench(folder, "run", *OPEN, "--json")
    assert done.returncode in MEASURED, done.stderr + done.stdout
    said = json.loads(done.stdout)
    run = folder / said["run"]
    return run, read_run(run), said


def test_every_variant_takes_part_and_answers_rightly(recorded: tuple[Path, Run, dict[str, Any]]) -> None:
    _, run, _ = recorded
    assert [variant.name for variant in run.variants] == list(VARIANTS)
    assert {summary.variant for summary in run.summaries} == set(VARIANTS)
    assert {trial.arms[0].variant for trial in run.trials} == set(VARIANTS)
    for trial in run.trials:
        figures, closed = trial.arms[0].figures, trial.arms[0].closed
        assert figures is not None
        assert closed is not None
        # A cookie from before a logout is refused, as the scenario expects.
        assert set(figures.outcomes) | set(closed.outcomes) <= {"ok", "refused"}, trial
        assert figures.requests > 50
        assert closed.requests_per_s > 0


def test_real_servers_are_named(recorded: tuple[Path, Run, dict[str, Any]]) -> None:
    _, run, _ = recorded
    products = {variant.backend: variant.server.product for variant in run.variants if variant.server}
    assert products == {
        "redis": "Valkey", "mongodb": "MongoDB", "postgres": "PostgreSQL", "http": "session service",
    }  # fmt: skip
    assert all(variant.server.version for variant in run.variants if variant.server)


def test_seeds_lie_in_every_store(recorded: tuple[Path, Run, dict[str, Any]]) -> None:
    _, run, _ = recorded
    seeded = {variant.backend for variant in run.variants if (variant.bytes_per_session or 0) > 1000}
    assert seeded == {"redis", "mongodb", "postgres", "http"}


def test_every_request_is_recorded_whole(recorded: tuple[Path, Run, dict[str, Any]]) -> None:
    folder, run, _ = recorded
    for trial in run.trials:
        requests = tables.read_requests(folder, trial.number)
        assert requests is not None
        assert requests.schema.equals(tables.REQUESTS)
        assert requests["service_us"].null_count == 0
        assert pc.min(requests["scheduled_us"]).as_py() < 0 < pc.max(requests["sent_us"]).as_py()
        assert set(pc.unique(requests["phase"]).to_pylist()) == {"warmup", "solo", "closed"}
        figures = trial.arms[0].figures
        assert figures is not None
        inside = pc.and_(pc.greater_equal(requests["scheduled_us"], 0), pc.less(requests["scheduled_us"], 700_000))
        assert figures.requests == pc.sum(inside).as_py()
        right = figures.outcomes["ok"] + figures.outcomes.get("refused", 0)
        assert figures.requests_per_s == pytest.approx(right / 0.7)
        assert figures.achieved_share == 1
        assert trial.closed_from_s is not None
        assert trial.closed_from_s > 0.7 + 0.4


def test_figures_follow_from_the_tables_alone(recorded: tuple[Path, Run, dict[str, Any]]) -> None:
    folder, run, _ = recorded
    for trial in run.trials:
        requests, resources = (
            tables.read_requests(folder, trial.number),
            tables.read_resources(folder, trial.number),
        )
        assert requests is not None
        assert resources is not None
        assert resources.schema.equals(tables.RESOURCES)
        figures = trial.arms[0].figures
        assert figures is not None
        # All but what the app counted itself.
        counted = {"layers_us", "app_loop_lag_p50_us", "app_loop_lag_p99_us", "store_ops"}
        again = stats.figures(requests, resources, arm=0, window_s=trial.window_s, load=trial.load)
        assert again.model_dump(exclude=counted) == figures.model_dump(exclude=counted)


def test_app_store_and_generator_are_accounted_for(recorded: tuple[Path, Run, dict[str, Any]]) -> None:
    _, run, _ = recorded
    for trial in run.trials:
        (arm,) = trial.arms
        figures = arm.figures
        assert figures is not None
        has_store = run.variant(arm.variant).server is not None
        assert (figures.cpu_us_per_request["store"] is not None) == has_store
        for role in ("app", "generator", *(["store"] if has_store else [])):
            assert figures.cpu_us_per_request[role] > 1  # type: ignore[index,operator]
            assert figures.rss_bytes[role] > 2**20  # type: ignore[index,operator]
        for role in ("app", *(["store"] if has_store else [])):  # read when the generator has ended
            assert figures.pss_bytes[role] > 2**20  # type: ignore[index,operator]


def test_each_trial_is_a_file_of_its_own(recorded: tuple[Path, Run, dict[str, Any]]) -> None:
    folder, run, _ = recorded
    assert read_trials(folder) == run.trials
    assert not list(folder.glob("trials/*/spool"))


def test_no_secret_reaches_a_file(recorded: tuple[Path, Run, dict[str, Any]]) -> None:
    folder, _, _ = recorded
    text = "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.suffix in {".json", ".log"})
    assert "SESSION_APP_KEY" not in text


def test_json_says_what_was_recorded(recorded: tuple[Path, Run, dict[str, Any]]) -> None:
    folder, run, said = recorded
    assert said["summaries"] == [summary.model_dump() for summary in run.summaries]
    decided = decision_json.document(run)
    assert decided is not None
    assert said["decision"] == decided.model_dump(mode="json")
    assert {path.rsplit("/", 1)[1] for path in said["report"]} >= {"index.html", "report.md"}
    assert (folder / "report" / "index.html").is_file()


def test_the_report_is_drawn_again_from_the_data_alone(recorded: tuple[Path, Run, dict[str, Any]]) -> None:
    folder, _, _ = recorded
    first = (folder / "report" / "index.html").read_bytes()
    done = session_bench(folder.parent, "report", str(folder))
    assert done.returncode == 0, done.stderr
    assert "postgres" in done.stdout
    assert (folder / "report" / "index.html").read_bytes() == first


def test_the_same_plan_again(recorded: tuple[Path, Run, dict[str, Any]]) -> None:
    folder, run, _ = recorded
    done = session_bench(folder.parent, "run", "--like", str(folder), "--dry-run", "--json")
    assert json.loads(done.stdout)["plan"] == run.plan.model_dump()


def test_a_dry_run_leaves_nothing(tmp_path: Path) -> None:
    done = session_bench(tmp_path, "run", "redis", "none", "--dry-run")
    assert done.returncode == 0
    assert "6 trials" in done.stdout
    assert "minutes" in done.stdout
    assert list(tmp_path.iterdir()) == []


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
