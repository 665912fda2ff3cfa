"""Verdicts on real processes: each trouble is planted, and must be told with its own reason."""

from __future__ import annotations

import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from harness import machine
from reports.files import read_run
from reports.verdict import LIMIT_SHARE
from tests.harness.command import TIMEOUT_S, command, environ
from tests.instrument.app import BUSY_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from harness.processes import Child, Processes
    from reports.format import Run, Trial

ROOT = Path(__file__).parents[2]
QUICK = {"blocks": 1, "warmup_s": 0.3, "window_s": 2.1, "drain_s": 0.5, "closed_s": 0, "sessions": 0}
VARIANT = "[variants.{name}]\nbackend = 'none'\napp = 'tests.instrument.app:{name}'\ncwd = '{cwd}'\n"
PLANTED = ("slow", "failing")
TWO_CPUS = len(machine.cpus_by_role()[0].get("generator", ())) == 1


def start(processes: Processes, folder: Path, rate_per_s: int, *variants: str) -> Child:
    """Start `session-bench run` in a folder of its own."""
    (folder / "session-bench.toml").write_text("".join(VARIANT.format(name=name, cwd=ROOT) for name in PLANTED))
    settings = [f"--set={name}={value}" for name, value in QUICK.items()]
    return processes.spawn(
        command("run", *variants, f"--rate={rate_per_s}", "--users=64", *settings),
        name="session-bench",
        log=folder / "run.log",
        env=environ(),
        cwd=folder,
    )


def recorded(folder: Path) -> Run:
    (run,) = (folder / "results").iterdir()
    return read_run(run)


def of(run: Run, variant: str) -> list[Trial]:
    return [trial for trial in run.trials if trial.arms[0].variant == variant]


@pytest.fixture(scope="module")
def troubled(processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Ask for twice what `slow` can carry; `failing` carries it, and answers with errors."""
    folder = tmp_path_factory.mktemp("troubled")
    start(processes, folder, round(2 * 1000 / BUSY_MS), "slow", "failing").wait(TIMEOUT_S)
    return recorded(folder)


def test_a_rate_that_the_app_cannot_carry_is_overloaded(troubled: Run) -> None:
    *_, trial = of(troubled, "slow")
    (reason,) = [said for said in trial.verdict.reasons if "400 arrivals/s could not be sustained" in said]
    figures = trial.arms[0].figures
    assert figures is not None
    # Where others take the app's CPU, it has not used it up.
    assert ("the app used" in reason) == ((figures.cpu_share["app"] or 0) >= LIMIT_SHARE)
    # A machine that keeps the generator from its CPU as well is to blame before the app; the reason comes first then.
    blamed = trial.verdict.reasons[0] is not reason
    assert trial.verdict.state == ("INVALID" if blamed else "OVERLOADED"), trial.verdict


def test_an_app_that_answers_with_errors_has_failed(troubled: Run) -> None:
    (trial,) = of(troubled, "failing")
    assert trial.verdict.state == "FAILED"
    assert "http_error" in trial.verdict.reasons[0]
    assert any("500" in reason for reason in trial.verdict.reasons)


def pulses(_: Processes, generator: psutil.Process) -> Generator[None, None, None]:
    """Stop a process for most of the time, in pieces of 100 ms."""
    while True:
        generator.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        generator.send_signal(signal.SIGCONT)
        time.sleep(0.03)
        yield


def crowd(processes: Processes, generator: psutil.Process) -> Generator[None, None, None]:
    """Let twelve others want a process's CPU; each leads a session, which the scheduler may count as one."""
    others = [
        processes.spawn(
            [sys.executable, "-c", "while True: pass"],
            name="crowd",
            log=processes.folder / "crowd.log",
            cpus=generator.cpu_affinity(),
        )
        for _ in range(12)
    ]
    try:
        while True:
            time.sleep(0.05)
            yield
    finally:
        for other in others:
            other.stop()


def generator_of(run: Child) -> psutil.Process | None:
    """Return the generator of a run when it has begun to record."""
    for child in psutil.Process(run.pid).children():
        try:
            words = child.cmdline()
        except psutil.Error:  # it has just ended
            continue
        spools = [word.removeprefix("--spool=") for word in words if word.startswith("--spool=")]
        if spools and any(rows.stat().st_size for rows in Path(spools[0]).glob("*.rows")):
            return child
    return None


@pytest.mark.skipif(sys.platform != "linux", reason="CPUs are shared out and processes are stopped as Linux does")
@pytest.mark.skipif(not TWO_CPUS, reason="takes two CPUs: the app must have one of its own")
@pytest.mark.parametrize(
    ("starve", "reason"),
    [(pulses, "the generator's event loop woke .* late"), (crowd, "the generator was starved")],
)
def test_a_generator_that_is_starved_is_invalid_and_repeated(
    processes: Processes,
    tmp_path: Path,
    starve: Callable[[Processes, psutil.Process], Generator[None, None, None]],
    reason: str,
) -> None:
    run = start(processes, tmp_path, 300, "none")
    deadline = time.monotonic() + TIMEOUT_S
    while (generator := generator_of(run)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    starving = starve(processes, generator)
    try:
        while generator.is_running() and time.monotonic() < deadline:
            next(starving)
    except psutil.NoSuchProcess:
        pass
    finally:
        starving.close()
    run.wait(TIMEOUT_S)
    first, *repeated = of(recorded(tmp_path), "none")
    assert first.verdict.state == "INVALID", (first.verdict, first.instrument, first.arms[0].figures)
    assert any(re.search(reason, said) for said in first.verdict.reasons), first.verdict.reasons
    assert 1 <= len(repeated) <= 2
    assert [trial.attempt for trial in repeated] == [2, 3][: len(repeated)]
    assert [trial.block for trial in repeated] == [first.block] * len(repeated)
