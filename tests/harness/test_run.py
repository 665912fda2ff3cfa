"""A run end to end, with the project's own command on real servers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pytest

from reports import stats
from reports.exporters import decision_json
from reports.files import read_run, read_trials
from reports.record import tables
from tests.harness.command import MEASURED, OPEN, session_bench

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
    said = " ".join(done.stdout.split())
    results, data = re.findall(r"about (\d+) MiB of (?:results|store data)", said)
    assert int(results) in range(1, 6)
    assert int(data) == 14
    assert list(tmp_path.iterdir()) == []
