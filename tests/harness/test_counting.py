"""Exact counts before a run: taken once, and never what ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import config, exact, plan, scenarios
from harness.arms import Arm
from harness.bench import _like
from harness.provision import Entrant
from harness.run import Job, _Series
from reports.files import read_run, write_run
from tests.reports import synthetic_choice, synthetic_counts

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from harness.processes import Processes


def test_what_an_interrupted_run_counted_is_not_counted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = synthetic_counts.run("memory", "redis", "postgres", troubled=False)
    last = run.counts.pop()
    write_run(tmp_path, run)
    job = Job.resumed(tmp_path, read_run(tmp_path), [], scenarios.find("login_profile"), allow_tmpfs=False)
    assert [each.variant for each in job.counted] == ["memory", "redis"]

    asked = []

    def counted(_processes: object, entrant: Entrant, **_: Any) -> object:
        asked.append(entrant.record.name)
        return last

    monkeypatch.setattr(exact, "counted", counted)
    lost = run.variants[1].model_copy(update={"name": "lost", "error": "it did not start"})
    entrants = {record.name: Entrant(record, Arm(record.name)) for record in [*run.variants, lost]}
    _Series(job, run, _Anything(), entrants, _Anything(), _Anything()).count()  # type: ignore[arg-type]
    assert asked == ["postgres"]
    assert [each.variant for each in read_run(tmp_path).counts] == ["memory", "redis", "postgres"]


class _Anything:
    """Has whatever it is asked for, and does nothing."""

    processes = None

    def preparing(self, what: str) -> None:
        assert what == "postgres: exact counts"

    def only(self, *_: Entrant) -> _Anything:
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def test_an_app_that_cannot_be_counted_leaves_a_note(processes: Processes, tmp_path: Path) -> None:
    arm = Arm("memory", target="nowhere:create_app", environment={"SESSION_APP_KEY": "k" * 64})
    entrant = Entrant(synthetic_choice.variant("memory"), arm)
    found = exact.counted(processes, entrant, cpus=None, folder=tmp_path)
    assert (found.variant, found.steps) == ("memory", {})
    [note] = found.notes
    assert note.startswith("Nothing could be counted: ")
    assert "nowhere" in note


def test_counting_is_asked_for_takes_time_and_is_taken_over_by_the_next_run() -> None:
    assert config.load({}, environ={}).counts is False
    given = config.load({"counts": "true"}, environ={})
    assert given.counts is True
    scenario = scenarios.find("read_heavy")
    made = [plan.make(each, [], scenario, scenario.parameters) for each in (given, config.load({}, environ={}))]
    assert [each.counts for each in made] == [True, False]
    run = synthetic_counts.run("memory", troubled=False)
    assert _like(run)["counts"] is True
    assert plan.estimate_s(run.plan, 0) > plan.estimate_s(run.plan.model_copy(update={"counts": False}), 0)
