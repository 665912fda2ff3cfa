"""Carries a plan out, trial by trial, so that what is finished is never lost; takes an interrupted one up again."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Self

from harness import generator, machine, plan, provision, trial
from harness.errors import Exit, UsageError
from harness.processes import Processes
from harness.servers import disk
from reports import stats
from reports.files import read_run, read_trials, write_run
from reports.format import Plan, Run, Trial

if TYPE_CHECKING:
    from pathlib import Path

    from harness.progress import Progress
    from harness.scenarios import Scenario
    from harness.variants import Wanted

_CHECK_TIMEOUT_S = 60


@dataclass
class Job:
    """A plan with what it needs to be carried out; `done` are the trials that an earlier session finished."""

    folder: Path
    plan: Plan
    variants: list[Wanted]
    scenario: Scenario
    allow_tmpfs: bool
    done: list[Trial]
    started_at: str

    @classmethod
    def new(cls, plan: Plan, variants: list[Wanted], scenario: Scenario, *, out: Path, allow_tmpfs: bool) -> Self:
        """Make the run's folder; it is named after the UTC time and the plan, and never one that exists."""
        now = datetime.now(UTC)
        name = f"{now:%Y%m%dT%H%M%SZ}-{re.sub(r'[^A-Za-z0-9._-]+', '-', plan.name)}"
        try:
            out.mkdir(parents=True, exist_ok=True)
            for attempt in range(1, 100):
                folder = out / (name if attempt == 1 else f"{name}-{attempt}")
                if not folder.exists():
                    folder.mkdir()
                    break
            else:
                raise UsageError(f"{out} holds a hundred runs of this second; give another --out.")
        except OSError as error:
            raise UsageError(
                f"The results folder {out} cannot be written: {error.strerror}. Give another with --out DIR."
            ) from None
        return cls(folder, plan, variants, scenario, allow_tmpfs, [], now.isoformat(timespec="seconds"))

    @classmethod
    def resumed(cls, folder: Path, run: Run, variants: list[Wanted], scenario: Scenario, *, allow_tmpfs: bool) -> Self:
        """Take up a run that was interrupted; trials that were written stay as they are."""
        return cls(folder, run.plan, variants, scenario, allow_tmpfs, read_trials(folder), run.started_at)

    def left(self) -> list[tuple[int, int, str]]:
        """List the trials that are still to do, as `plan.trials` does."""
        finished = {trial.number for trial in self.done}
        return [entry for entry in plan.trials(self.plan) if entry[0] not in finished]

    def estimate_s(self) -> float:
        """Estimate the seconds that are left."""
        return plan.estimate_s(self.plan, len(self.left()), provision.stores_of(self.variants))


def check_scenario(scenario: Scenario) -> None:
    """Let Locust import the scenario once and list its users; raises UsageError with what went wrong."""
    with Processes() as processes:
        log = processes.folder / "check.log"
        child = processes.spawn(
            [*generator.command(scenario.path), "--list"],
            name="scenario check",
            log=log,
            env=generator.environ(processes.folder),
            cwd=processes.folder,
        )
        code = child.wait(_CHECK_TIMEOUT_S)
        if code is None:
            raise UsageError(f"The scenario {scenario.path} did not finish importing within {_CHECK_TIMEOUT_S} s.")
        lines = child.tail(50).splitlines()
        if code:
            said = [line for line in lines if line and not line.startswith((" ", "Traceback"))]
            raise UsageError(
                f"The scenario {scenario.path} cannot be loaded: {said[-1] if said else 'it said nothing'}. "
                f"Try it alone: locust -f {scenario.path} --list."
            )
        if not any(line.startswith(" ") for line in lines):  # Locust indents the names of user classes
            raise UsageError(f"The scenario {scenario.path} defines no Locust user class, so there is nobody to send.")


def carry_out(job: Job, progress: Progress) -> tuple[Run, Exit]:
    """Run every trial that is left; returns the run as recorded, and how it went.

    Ctrl-C and SIGTERM end it in order: the run is marked interrupted, every finished trial is kept.
    """
    workers = max(wanted.arm.workers for wanted in job.variants)
    cpus, pinning = machine.cpus_by_role(workers)
    before = machine.pinned()
    with Processes() as processes:
        environment = machine.describe(
            pinning=pinning,
            cpus=cpus,
            filesystem=disk.filesystem_of(processes.folder),
            fsync_p50_us=disk.fsync_p50_us(processes.folder),
        )
        run = Run(
            harness_version=importlib.metadata.version("session-bench"),
            started_at=job.started_at,
            plan=job.plan,
            environment=environment,
            variants=[provision.record(wanted) for wanted in job.variants],
            trials=job.done,
        )
        machine.pin(cpus.get("harness"))
        try:
            _trials(job, run, processes, progress)
            run.status = "finished"
        except KeyboardInterrupt:
            run.status = "interrupted"
        finally:
            machine.pin(before)
            run.finished_at = datetime.now(UTC).isoformat(timespec="seconds")
            run.summaries = stats.summaries(run.trials)
            write_run(job.folder, run)
    return run, exit_code(run)


def _trials(job: Job, run: Run, processes: Processes, progress: Progress) -> None:
    cpus = run.environment.cpus
    with provision.Provisions(
        processes,
        job.plan,
        cpus=cpus.get("store"),
        allow_tmpfs=job.allow_tmpfs,
        run_s=job.estimate_s(),
        complain=progress.say,
    ) as provisions:
        entrants = {}
        for wanted, record in zip(job.variants, run.variants, strict=True):
            progress.preparing(wanted.name)
            entrants[wanted.name] = provisions.entrant(wanted, record)
        write_run(job.folder, run)
        bench = trial.Bench(processes, job.plan, job.scenario, job.folder, cpus, progress.live)
        begun, left = monotonic(), [entry for entry in job.left() if entrants[entry[2]].record.error is None]
        for index, (number, block, name) in enumerate(left):
            spent_s = (monotonic() - begun) / index if index else job.estimate_s() / max(1, len(job.left()))
            progress.trial(number, name, spent_s * (len(left) - index))
            with provisions.only(entrants[name]):
                run.trials.append(trial.run(bench, entrants[name], number, block))
            run.summaries = stats.summaries(run.trials)
            write_run(job.folder, run)


def exit_code(run: Run) -> Exit:
    """Return what a run's outcome is worth to a script; the gravest of what happened."""
    states = {trial.verdict.state for trial in run.trials}
    if run.status == "interrupted":
        return Exit.INTERRUPTED
    if any(variant.error for variant in run.variants):
        return Exit.COMPONENT
    if "INVALID" in states:
        return Exit.INVALID
    return Exit.TESTED_FAILED if "FAILED" in states else Exit.FINE


def read_for_resuming(folder: Path) -> Run:
    """Read a run that is to be taken up; raises UsageError when it is finished."""
    run = read_run(folder)
    if run.status == "finished" and len(run.trials) == len(plan.trials(run.plan)):
        raise UsageError(f"{folder} is finished: all {len(run.trials)} trials are there. Start a new run instead.")
    return run
