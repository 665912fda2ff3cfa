"""One trial: fresh app processes under load, sampled, judged and written."""

from __future__ import annotations

import itertools
import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

import pandas as pd  # noqa: F401 - pyarrow would load it in the middle of the first trial

from harness import arms, counters, resources
from harness import plan as plans
from harness.errors import BenchError, MeasurementError
from harness.generator import Generator
from harness.ordeal import Ordeal, with_pings
from harness.warmup import Warmup
from harness.way import to_store
from reports import stats
from reports import verdict as verdicts
from reports.files import trial_folder, write_trial
from reports.format import Arm, Trial, Verdict
from reports.record import tables
from reports.record.audited import Checked
from reports.trials import layers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    import pyarrow as pa

    from harness.arms import App, Elsewhere
    from harness.generator import Recorded
    from harness.plan import Phases, Planned
    from harness.processes import Processes
    from harness.provision import Entrant
    from harness.scenarios import Scenario
    from harness.way import Way
    from reports.format import Plan, Role

    Live = Callable[[int, "np.ndarray[tuple[int], np.dtype[np.float64]]"], None]

_ARM = 0
_SAMPLE_S = 0.25
_FAMILY_SWEEPS = 4
"""A server's processes are looked for this often: it takes milliseconds, on the generator's CPU where there are two."""
_START_S = 60
_MOST_MESSAGES = 5


@dataclass(frozen=True)
class Bench:
    """What every trial of a run has in common; `live` is told of the requests that ended, as rows of the spool."""

    processes: Processes
    plan: Plan
    scenario: Scenario
    folder: Path
    cpus: dict[str, list[int]]
    live: Live


def run(bench: Bench, entrant: Entrant, number: int, planned: Planned) -> Trial:
    """Carry out one trial and write it; whatever fails is written as the trial's error.

    Only KeyboardInterrupt and its like pass, and leave an unfinished folder behind.
    """
    phases = plans.phases(bench.plan, planned.purpose, planned.load, planned.fault)
    folder = fresh_folder(bench.folder, number)
    trial = Trial(
        number=number,
        block=planned.block,
        attempt=planned.attempt,
        purpose=planned.purpose,
        load=planned.load,
        arms=[Arm(variant=entrant.record.name)],
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        warmup_s=phases.warmup_s,
        window_s=phases.window_s,
        closed_s=phases.closed_s,
        fault=planned.fault,
        verdict=Verdict(state="INVALID"),
    )
    begun = monotonic()
    try:
        _measure(bench, entrant, trial, phases, folder)
    except BenchError as error:
        trial.error = str(error)
        trial.verdict = verdicts.verdict(None, error=trial.error)
    trial.overhead_s = round(monotonic() - begun - replace(phases, warmup_most_s=trial.warmup_s).seconds, 3)
    write_trial(bench.folder, trial)
    return trial


def _measure(bench: Bench, entrant: Entrant, trial: Trial, phases: Phases, folder: Path) -> None:
    servers = entrant.server.children if entrant.server else []
    store_logs = [(child.log, child.log.stat().st_size) for child in servers]
    sampler = resources.Sampler()
    counted = folder / "counters"
    with ExitStack() as stack:
        way = stack.enter_context(
            to_store(bench.processes, entrant, trial.fault, log=folder / "relay.log", cpus=bench.cpus.get("generator"))
        )
        app = arms.serve(bench.processes, way.arm.counting(counted), log=folder / "app.log", cpus=bench.cpus.get("app"))
        stack.callback(app.stop)
        # Both start at once, each on its own CPU: the scenario's first request waits for the app.
        generator = Generator(
            bench.processes,
            bench.plan if trial.fault is None else with_pings(bench.plan),
            bench.scenario,
            [app.url],
            phases=phases,
            folder=folder,
            seed=bench.plan.seed + trial.number,
            cpus=bench.cpus.get("generator"),
        )
        stack.callback(generator.child.stop)
        app.about()
        ordeal = None if trial.fault is None else stack.enter_context(Ordeal(trial.fault, entrant, way))
        _watch(bench, entrant, app, generator, phases=phases, sampler=sampler, way=way, ordeal=ordeal)
    recorded = generator.recorded()
    shutil.rmtree(folder / "spool")
    keep_server_log(store_logs, folder / "server.log")
    if recorded is None:
        raise MeasurementError(f"The generator recorded no window: {generator.child.tail(1) or 'its log is empty'}")
    requests = _judge(bench, trial, phases, recorded, sampler=sampler, counted=counted)
    trial.relayed = way.relayed(requests, recorded.t0_ns)
    if ordeal is not None:
        ordeal.record(trial, requests, recorded.t0_ns)


def _judge(
    bench: Bench, trial: Trial, phases: Phases, recorded: Recorded, *, sampler: resources.Sampler, counted: Path
) -> pa.Table:
    """Write the trial's tables, take its figures from them, say whether they deserve trust; return the requests."""
    t0_ns, window_s, load = recorded.t0_ns, trial.window_s, phases.load
    trial.t0_monotonic_ns = t0_ns
    trial.warmup_s = round((t0_ns - recorded.begin_ns) / 1e9, 3)
    if phases.warmup_most_s > phases.warmup_s:
        trial.steady = trial.warmup_s < phases.warmup_most_s
    requests = tables.write_requests(bench.folder, trial.number, recorded.requests)
    samples = tables.write_resources(bench.folder, trial.number, resources.from_t0(sampler.rows, t0_ns))
    arm = trial.arms[_ARM]
    arm.figures = stats.figures(requests, samples, arm=_ARM, window_s=window_s, load=load)
    arm.figures = layers.with_counted(arm.figures, counters.read(counted, t0_ns=t0_ns, window_s=window_s))
    shutil.rmtree(counted, ignore_errors=True)
    if recorded.closed_from_ns is not None:
        trial.closed_from_s = (recorded.closed_from_ns - t0_ns) / 1e9
        arm.closed = stats.closed_figures(
            requests, samples, arm=_ARM, from_s=trial.closed_from_s, window_s=trial.closed_s
        )
    trial.instrument = stats.instrument(samples, recorded.lags_ns, window_s=window_s)
    machine = resources.machine_in(sampler.moments, t0_ns, window_s)
    trial.instrument.steal_share, trial.instrument.clock_ppm = machine.steal_share, machine.clock_ppm
    if machine.others_share is not None:
        ours = sum(share or 0 for share in arm.figures.cpu_share.values()) / (os.cpu_count() or 1)
        trial.instrument.foreign_share = max(0.0, machine.others_share - ours)
    trial.verdict = verdicts.verdict(
        arm.figures,
        load=load,
        closed=arm.closed,
        instrument=trial.instrument,
        steady=trial.steady,
        backwards=stats.backwards(requests),
        generator_processes=bench.plan.processes,
        cpus=bench.cpus,
    )
    trial.verdict.reasons += said(recorded.messages)
    trial.checked = {name: Checked(checked=checked, wrong=wrong) for name, (checked, wrong) in recorded.checks.items()}
    return requests


def _watch(
    bench: Bench,
    entrant: Entrant,
    app: App | Elsewhere,
    generator: Generator,
    *,
    phases: Phases,
    sampler: resources.Sampler,
    way: Way,
    ordeal: Ordeal | None,
) -> None:
    """Sample until the generator ends; the app's death or the generator's silence ends the trial."""
    deadline = monotonic() + _START_S + phases.seconds + phases.drain_s
    store = entrant.server
    warmup = Warmup(phases)
    due = monotonic()
    store_pids: list[int] = []
    for sweep in itertools.count():
        ended = generator.child.poll() is not None
        if store and (ended or sweep % _FAMILY_SWEEPS == 0):
            store_pids = store.pids()
        pids: dict[Role, list[int]] = {"app": app.pids(), "store": store_pids, "generator": generator.pids()}
        # Memory shares are read once, when nothing is measured any more.
        sampler.sample(pids, pss=ended)
        rows = generator.recent()
        bench.live(len(rows), rows["service_ns"] / 1000)
        if warmup.steady(rows):
            generator.be_steady()
        way.look(warmup.over_ns, phases.window_s)
        if ended:
            return
        if died := app.died():
            raise MeasurementError(f"In mid-trial {died}")
        if monotonic() > deadline:
            raise MeasurementError(f"The generator did not end in time: {generator.child.tail(1)}")
        due = max(due + _SAMPLE_S, monotonic())
        while (left_s := due - monotonic()) > 0 and generator.child.poll() is None:
            idle_s = ordeal.step(warmup.over_ns, app.pids()) if ordeal else left_s
            generator.child.wait(min(left_s, max(idle_s, 0.001)))


def fresh_folder(run: Path, number: int) -> Path:
    """Make the trial's folder; what an interrupted trial left there is kept beside it."""
    folder = trial_folder(run, number)
    if folder.exists():
        for attempt in range(1, 1000):
            kept = folder.with_name(f"{folder.name}-unfinished-{attempt}")
            if not kept.exists():
                folder.rename(kept)
                break
    folder.mkdir(parents=True)
    return folder


def keep_server_log(logs: list[tuple[Path, int]], path: Path) -> None:
    """Copy what the store's servers logged during the trial."""
    with path.open("wb") as kept:
        for log, offset in logs:
            with log.open("rb") as file:
                file.seek(offset)
                shutil.copyfileobj(file, kept)


def said(messages: dict[str, int]) -> list[str]:
    """Return what most often went wrong, in words."""
    most = sorted(messages.items(), key=lambda item: -item[1])[:_MOST_MESSAGES]
    return [f"{count} times {message}" for message, count in most]
