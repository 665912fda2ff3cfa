"""Carries a plan out, trial by trial, so that what is finished is never lost; takes an interrupted one up again."""

from __future__ import annotations

import importlib.metadata
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Self

from harness import capacity, exact, generator, link_cost, machine, plan, provision, trial
from harness.audit import series as audits
from harness.errors import Exit, MeasurementError, UsageError
from harness.processes import Processes
from harness.servers import disk
from reports import stats
from reports.files import read_run, read_trials, write_run
from reports.format import Plan, Run, Trial
from reports.judging import told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.plan import Planned
    from harness.progress import Progress
    from harness.provision import Entrant
    from harness.scenarios import Scenario
    from harness.variants import Wanted
    from reports.record.counts import Counts
    from reports.record.relayed import RelayCost

_CHECK_TIMEOUT_S = 60
_PAIRS, _CEILING_S = 300, 0.5
"""Of round trips, and seconds, from which the relay's own cost is read before a run: some two seconds in all."""


@dataclass
class Job:
    """A plan with what it needs to be carried out; `done` and `counted` are what an earlier session finished."""

    folder: Path
    plan: Plan
    variants: list[Wanted]
    scenario: Scenario
    allow_tmpfs: bool
    done: list[Trial]
    started_at: str
    counted: list[Counts] = field(default_factory=list)

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
        return cls(folder, run.plan, variants, scenario, allow_tmpfs, read_trials(folder), run.started_at, run.counts)

    def estimate_s(self) -> float:
        """Estimate the seconds that are left."""
        return plan.estimate_s(self.plan, provision.stores_of(self.variants), done=len(self.done))


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
    with recorded(job) as (run, processes):
        _trials(job, run, processes, progress)
    return run, exit_code(run)


def harness_version() -> str:
    """Return our own version."""
    return importlib.metadata.version("session-bench")


@contextmanager
def recorded(job: Job) -> Iterator[tuple[Run, Processes]]:
    """Give a run to be filled, and what starts its processes; at the end all of them are gone and the run is written.

    An interruption ends the block, and is not passed on: the run's status says it.
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
            harness_version=harness_version(),
            started_at=job.started_at,
            plan=job.plan,
            environment=environment,
            variants=[provision.record(wanted) for wanted in job.variants],
            trials=job.done,
            counts=job.counted,
        )
        machine.pin(cpus.get("harness"))
        try:
            yield run, processes
            run.status = "finished"
        except KeyboardInterrupt:
            run.status = "interrupted"
        finally:
            machine.pin(before)
            run.finished_at = datetime.now(UTC).isoformat(timespec="seconds")
            run.summaries = stats.summaries(run.trials, baseline=run.baseline)
            run.told = told.told(run.trials, [variant.name for variant in run.variants])
            write_run(job.folder, run)


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
        if any(wanted.rtt_ms is not None for wanted in job.variants):
            progress.preparing("the relay: its own cost")
            run.relay_cost = _relay_cost(job, processes, cpus)
        for wanted in job.variants if job.plan.audit else ():
            progress.preparing(f"{wanted.name}: quick audit")
            entrant = entrants[wanted.name]
            with provisions.only(entrant):
                folder, app_cpus = job.folder / "audits" / wanted.slug, cpus.get("app")
                run.audits.append(audits.audit(processes, wanted, entrant, folder=folder, cpus=app_cpus, quick=True))
            write_run(job.folder, run)
        bench = trial.Bench(processes, job.plan, job.scenario, job.folder, cpus, progress.live)
        series = _Series(job, run, bench, entrants, provisions, progress)
        if job.plan.counts:
            series.count()
        _choose_rate(job, run, series)
        for block in plan.blocks(job.plan):
            series.carry_out(block)
        if job.plan.objective is not None:
            capacity.search(job.plan, run, series.one)


def _relay_cost(job: Job, processes: Processes, cpus: dict[str, list[int]]) -> RelayCost:
    """Measure the relay before anything is measured through it, and ask from where the app will ask."""
    machine.pin(cpus.get("app"))
    try:
        return link_cost.own_cost(
            processes,
            cpus=cpus.get("generator"),
            store_cpus=cpus.get("store"),
            log_folder=processes.folder,
            pairs=_PAIRS,
            delays_ms=sorted({wanted.rtt_ms for wanted in job.variants if wanted.rtt_ms}),
            seconds=_CEILING_S,
        )
    finally:
        machine.pin(cpus.get("harness"))


@dataclass
class _Series:
    """Carries trials out one after another, and writes the run after each."""

    job: Job
    run: Run
    bench: trial.Bench
    entrants: dict[str, Entrant]
    provisions: provision.Provisions
    progress: Progress
    begun: float = field(default_factory=monotonic)
    carried_out: int = 0

    def count(self) -> None:
        """Count exactly what each step of every variant takes that no earlier session counted; each is kept at once."""
        known = {each.variant for each in self.run.counts}
        for name, entrant in self.entrants.items():
            if name in known or entrant.record.error is not None:
                continue
            self.progress.preparing(f"{name}: exact counts")
            folder, cpus = self.job.folder / "counts" / entrant.record.slug, self.run.environment.cpus.get("app")
            with self.provisions.only(entrant):
                self.run.counts.append(exact.counted(self.bench.processes, entrant, cpus=cpus, folder=folder))
            write_run(self.job.folder, self.run)

    def carry_out(self, planned: Sequence[Planned]) -> None:
        """Carry out what is left of these trials; what the instrument spoilt comes again behind the others."""
        here = [each for each in planned if self.entrants[each.variant].record.error is None]
        while left := plan.left(here, self.run.trials, self.job.plan):
            for each in left:
                self.one(each)

    def one(self, planned: Planned) -> Trial:
        """Carry out one trial."""
        number = 1 + max((done.number for done in self.run.trials), default=0)
        entrant = self.entrants[planned.variant]
        left = max(1, plan.count(self.job.plan) - len(self.run.trials))
        before_s = self.job.estimate_s() / max(1, left)
        spent_s = (monotonic() - self.begun) / self.carried_out if self.carried_out else before_s
        self.progress.trial(number, planned, spent_s * left)
        with self.provisions.only(entrant):
            done = trial.run(self.bench, entrant, number, planned)
        self.carried_out += 1
        self.run.trials.append(done)
        self.run.summaries = stats.summaries(self.run.trials, baseline=self.run.baseline)
        write_run(self.job.folder, self.run)
        return done


def _choose_rate(job: Job, run: Run, series: _Series) -> None:
    """Let the slowest variant's throughput decide the common rate, where the plan leaves it open."""
    probes = plan.probes(job.plan)
    if not probes:
        return
    series.carry_out(probes)
    rates = [
        arm.figures.requests_per_s
        for done in run.trials
        for arm in done.arms
        if done.purpose == "probe" and done.verdict.state not in {"INVALID", "FAILED"} and arm.figures is not None
    ]
    if not rates:
        raise MeasurementError(
            "The probe for the common rate measured nothing: no variant answered rightly. The trials' reasons are in "
            f"{job.folder}; mend what they name, or give a rate with --rate."
        )
    job.plan.load.rate_per_s = plan.common_rate(min(rates))
    write_run(job.folder, run)


def exit_code(run: Run) -> Exit:
    """Return what a run's outcome is worth to a script; the gravest of what happened."""
    last = {
        (done.purpose, done.block, done.arms[0].variant, done.fault and done.fault.text): done.verdict.state
        for done in run.trials
    }
    states = {state for (purpose, *_), state in last.items() if purpose in {"latency", "fault"}}
    if run.status == "interrupted":
        return Exit.INTERRUPTED
    if any(variant.error for variant in run.variants):
        return Exit.COMPONENT
    if "INVALID" in states:
        return Exit.INVALID
    struck = any(audit.strikes for audit in run.audits)
    return Exit.TESTED_FAILED if "FAILED" in states or struck or _missed(run) else Exit.FINE


def _missed(run: Run) -> bool:
    """Say whether a variant cannot carry the common rate within the objective.

    Where the generator could not carry it, nothing is known of the variant.
    """
    rate = run.plan.load.rate_per_s or 0.0
    known = [each for each in run.capacities if each.lower_per_s is not None or each.limit != "generator"]
    return any((capacity.lower_per_s or 0.0) < rate for capacity in known)


def read_for_resuming(folder: Path) -> Run:
    """Read a run that is to be taken up; raises UsageError when it is finished."""
    run = read_run(folder)
    left = [each for block in plan.blocks(run.plan) for each in plan.left(block, run.trials, run.plan)]
    if run.status == "finished" and not left:
        raise UsageError(f"{folder} is finished: all {len(run.trials)} trials are there. Start a new run instead.")
    return run
