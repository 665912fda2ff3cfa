"""Nothing outlives the harness, and nothing that was finished is lost, however it ends."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from reports.files import read_run, read_trials
from tests.harness.command import MEASURED, TIMEOUT_S, command, environ, session_bench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PLAN = (
    "--set",
    "blocks=1",
    "--set",
    "warmup_s=0.3",
    "--set",
    # Long enough to be interrupted in the midst of it, however late whoever watches it wakes.
    "window_s=2.5",
    "--set",
    "sessions=50",
    "--set",
    "repeats=0",
    "--users",
    "4",
)
PATIENCE_S = 60.0
"""Seconds, on a quiet machine; what would stay, stays for ever."""


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


RUN = ("run", "redis", "postgres", "mongodb", "http", *PLAN)
CHECK = ("regress", "redis", "--against", "memory", *PLAN[:-2])


class Interrupted:
    """What is in the middle of its second trial: by default a run of four."""

    def __init__(self, folder: Path, arguments: Sequence[str] = RUN, **more: str) -> None:
        # Not below pytest's own folder, which only its owner can enter: Postgres runs as somebody else under root.
        self.temporary = Path(tempfile.mkdtemp())
        self.temporary.chmod(0o755)
        self.process = subprocess.Popen(
            command(*arguments),
            cwd=folder,
            env=environ(TMPDIR=str(self.temporary), **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.parent = folder
        assert wait_until(self._in_second_trial, TIMEOUT_S), self.process.communicate()
        (self.folder,) = (folder / "results").iterdir()
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    def _in_second_trial(self) -> bool:
        return any(path.stat().st_size for path in self.parent.glob("results/*/trials/0002/spool/*.rows"))

    def survivors(self) -> list[psutil.Process]:
        alive = []
        for process in self.family:
            with suppress(psutil.NoSuchProcess):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    alive.append(process)
        return alive

    def work_folders(self) -> list[Path]:
        return list(self.temporary.glob("session-bench-*"))


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator[Interrupted]:
    run = Interrupted(tmp_path)
    yield run
    run.process.kill()
    run.process.communicate()
    shutil.rmtree(run.temporary)


def test_kill_9_leaves_nobody_and_the_run_can_be_finished(interrupted: Interrupted) -> None:
    assert {"app", "generator", "server"} <= kinds(interrupted.family)
    interrupted.process.kill()
    interrupted.process.wait()
    assert wait_until(lambda: not interrupted.survivors(), PATIENCE_S), interrupted.survivors()
    assert wait_until(lambda: not interrupted.work_folders(), PATIENCE_S)

    finished = read_trials(interrupted.folder)
    assert [trial.number for trial in finished] == [1]
    done = session_bench(interrupted.parent, "run", "--resume", str(interrupted.folder), "--json")
    assert done.returncode in MEASURED, done.stderr
    run = read_run(interrupted.folder)
    assert run.status == "finished"
    assert run.trials[:1] == finished
    assert [trial.number for trial in run.trials] == list(range(1, len(run.trials) + 1))
    assert [arm.variant for trial in run.trials for arm in trial.arms if trial.attempt == 1] == [
        name for block in run.plan.order for name in block
    ]
    kept = list(interrupted.folder.glob("trials/0002-unfinished-1/spool/*.rows"))
    assert [path.stat().st_size > 0 for path in kept] == [True]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_reported(interrupted: Interrupted, number: signal.Signals) -> None:
    interrupted.process.send_signal(number)
    stdout, stderr = interrupted.process.communicate(timeout=TIMEOUT_S)
    assert interrupted.process.returncode == 130, stderr
    assert "Traceback" not in stdout + stderr
    assert "Interrupted after 1 of 4 trials" in stdout
    assert f"--resume {interrupted.folder.relative_to(interrupted.parent)}" in stdout
    assert not interrupted.survivors()
    assert not interrupted.work_folders()
    run = json.loads((interrupted.folder / "run.json").read_text())
    assert run["status"] == "interrupted"
    assert len(run["trials"]) == 1
    assert (interrupted.folder / "report" / "index.html").is_file()


def test_an_interrupted_check_fails_closed(tmp_path: Path) -> None:
    check = Interrupted(tmp_path, CHECK, SESSION_BENCH_REGRESS='{"looks":[6],"rate":50,"slices":0,"sentinel":false}')
    assert len([process for process in check.family if "app" in kinds([process])]) == 2
    check.process.send_signal(signal.SIGINT)
    stdout, stderr = check.process.communicate(timeout=TIMEOUT_S)
    assert check.process.returncode == 130, stderr
    assert "Traceback" not in stdout + stderr
    assert not check.survivors()
    assert not check.work_folders()
    judgement = json.loads((check.folder / "report" / "judgement.json").read_text())
    assert (judgement["verdict"], judgement["exit_code"]) == ("INVALID", 130)
    assert len(read_trials(check.folder)) == 1
    shutil.rmtree(check.temporary)


def kinds(family: list[psutil.Process]) -> set[str]:
    """Tell apps, generators and servers apart by their command lines."""
    found = set()
    for process in family:
        with suppress(psutil.Error):
            words = " ".join(process.cmdline())
            for kind, mark in {
                "app": "launch.py",
                "generator": "harness.load",
                "server": "valkey-server",
            }.items():
                if mark in words and "guard.py" not in words:
                    found.add(kind)
    return found


def test_a_finished_run_is_not_resumed(tmp_path: Path) -> None:
    done = session_bench(tmp_path, "run", "none", *PLAN, "--json")
    again = session_bench(tmp_path, "run", "--resume", json.loads(done.stdout)["run"])
    assert again.returncode == 2
    assert "is finished" in again.stderr
