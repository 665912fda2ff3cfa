"""One trial of a pair: base and head freshly launched, loaded at once, then in turn; sampled, judged and written."""

from __future__ import annotations

import itertools
import random
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from harness import resources, trial
from harness.arms import App
from harness.errors import BenchError, MeasurementError
from harness.generator import Duet, Generator
from reports import stats
from reports import verdict as verdicts
from reports.files import write_trial
from reports.format import Arm, Figures, Load, Trial, Verdict
from reports.record import tables
from reports.trials import duet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from harness.generator import Part, Recorded
    from harness.plan import Phases
    from harness.provision import Entrant
    from harness.servers.server import Running
    from reports.format import Purpose, Role

_SAMPLE_S = 0.1
"""CPU counts from sweep to sweep, so what lies before the first and behind the last of a duet is lost to it."""
_FAMILY_SWEEPS = 10
_START_S = 60
BASE, HEAD = 0, 1


@dataclass(frozen=True)
class Pair:
    """Two entrants that differ in what is asked about; `own` are the folders that their apps must come from."""

    name: str
    base: Entrant
    head: Entrant
    own: tuple[Path | None, Path | None] = (None, None)

    @property
    def entrants(self) -> tuple[Entrant, Entrant]:
        """Base and head."""
        return self.base, self.head


@dataclass(frozen=True)
class Measured:
    """What a trial left: its tables, when its duets and slices were, and t0 in ns of CLOCK_MONOTONIC."""

    requests: pa.Table
    samples: pa.Table
    parts: list[Part]
    t0_ns: int

    def figures(self, arm: int, part: int, load: Load) -> Figures:
        """Return one arm's figures in one of the duets."""
        found = next(each for each in self.parts if each.phase == "duet" and each.number == part)
        from_s, window_s = (found.from_ns - self.t0_ns) / 1e9, (found.to_ns - found.from_ns) / 1e9
        return duet.figures(self.requests, self.samples, arm=arm, from_s=from_s, window_s=window_s, load=load)

    def slices(self, arm: int) -> Figures | None:
        """Return the figures of all slices of one arm."""
        mine = [each for each in self.parts if each.phase == "slice" and each.arm == arm]
        return duet.slices(self.requests, arm=arm, seconds=sum(each.to_ns - each.from_ns for each in mine) / 1e9)


def interleaved(times: int, rng: random.Random) -> str:
    """Return the order of slices: so many times ABBA or BAAB, each as a coin falls."""
    return "".join(rng.choice(("0110", "1001")) for _ in range(times))


def measured(
    bench: trial.Bench,
    pair: Pair,
    phases: Phases,
    program: Duet,
    *,
    number: int,
    block: int,
    attempt: int = 1,
    purpose: Purpose = "pair",
) -> tuple[Trial, Measured | None]:
    """Carry out one trial and write it; return it with its tables, or None when there are none.

    Whatever fails is written as the trial's error.
    """
    folder = trial.fresh_folder(bench.folder, number)
    done = Trial(
        number=number,
        block=block,
        attempt=attempt,
        purpose=purpose,
        load=phases.load,
        arms=[Arm(variant=entrant.record.name) for entrant in pair.entrants],
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        warmup_s=phases.warmup_s,
        window_s=phases.window_s,
        verdict=Verdict(state="INVALID"),
    )
    begun = monotonic()
    tables_of = None
    try:
        tables_of = _measure(bench, pair, done, phases, program, folder=folder)
    except BenchError as error:
        done.error = str(error)
        done.verdict = verdicts.verdict(None, error=done.error)
    done.overhead_s = round(monotonic() - begun - phases.seconds - program.seconds(phases.window_s), 3)
    write_trial(bench.folder, done)
    return done, tables_of


def _measure(bench: trial.Bench, pair: Pair, done: Trial, phases: Phases, program: Duet, *, folder: Path) -> Measured:
    rng = random.Random(f"{bench.plan.seed} pair {done.number}")  # noqa: S311 - an order of launches is no secret
    # Which of them is launched first, and which has the first place in the generator, is drawn anew for each block.
    places = rng.sample((BASE, HEAD), 2)
    # A seed that both share: what the order of a hash table is worth differs between blocks and not within one.
    hashes = {"PYTHONHASHSEED": str(rng.randrange(2**32))}
    servers = _servers(pair)
    logs = [(child.log, child.log.stat().st_size) for server in servers for child in server.children]
    sampler = resources.Sampler()
    with ExitStack() as stack:
        apps: dict[int, App] = {}
        for arm in places:
            given = pair.entrants[arm].arm
            told = replace(given, environment={**given.environment, **hashes, **_part_file(given.environment, folder)})
            log = folder / f"app-{('base', 'head')[arm]}.log"
            apps[arm] = App(bench.processes, told, log=log, cpus=bench.cpus.get("app"))
            stack.callback(apps[arm].stop)
        generator = Generator(
            bench.processes,
            bench.plan,
            bench.scenario,
            [apps[arm].url for arm in places],
            phases=phases,
            folder=folder,
            seed=bench.plan.seed + done.number,
            cpus=bench.cpus.get("generator"),
            duet=program,
        )
        stack.callback(generator.child.stop)
        for arm in (BASE, HEAD):
            _check_source(pair, arm, apps[arm].about())
        load_s = phases.seconds + program.seconds(phases.window_s)
        _watch(bench, pair, [apps[BASE], apps[HEAD]], generator, sampler=sampler, load_s=load_s)
    recorded = generator.recorded(places)
    shutil.rmtree(folder / "spool")
    trial.keep_server_log(logs, folder / "server.log")
    if recorded is None:
        raise MeasurementError(f"The generator recorded no window: {generator.child.tail(1) or 'its log is empty'}")
    return _judge(bench, done, phases, recorded, sampler)


def _judge(bench: trial.Bench, done: Trial, phases: Phases, recorded: Recorded, sampler: resources.Sampler) -> Measured:
    """Write the trial's tables, take both arms' figures from them, and say whether they count."""
    done.t0_monotonic_ns = recorded.t0_ns
    requests = tables.write_requests(bench.folder, done.number, recorded.requests)
    samples = tables.write_resources(bench.folder, done.number, resources.from_t0(sampler.rows, recorded.t0_ns))
    found = Measured(requests, samples, recorded.parts, recorded.t0_ns)
    judged = []
    for number, arm in enumerate(done.arms):
        arm.figures = found.figures(number, 0, phases.load)
        arm.slices = found.slices(number)
        # What a gust of the machine does to both arms is no reason to leave a block out; the judge sees its noise.
        judged.append(verdicts.verdict(arm.figures, load=phases.load))
    done.instrument = stats.instrument(samples, recorded.lags_ns, window_s=phases.window_s)
    machine = resources.machine_in(sampler.moments, recorded.t0_ns, phases.window_s)
    done.instrument.steal_share, done.instrument.clock_ppm = machine.steal_share, machine.clock_ppm
    done.verdict = verdicts.worst(judged)
    done.verdict.reasons += trial.said(recorded.messages)
    return found


def _watch(
    bench: trial.Bench,
    pair: Pair,
    apps: Sequence[App],
    generator: Generator,
    *,
    sampler: resources.Sampler,
    load_s: float,
) -> None:
    """Sample until the generator ends; an app's death or the generator's silence ends the trial."""
    deadline = monotonic() + _START_S + load_s
    apart = pair.base.server is not pair.head.server
    due = monotonic()
    stores: list[list[int]] = []
    for sweep in itertools.count():
        ended = generator.child.poll() is not None
        if sweep % _FAMILY_SWEEPS == 0:
            stores = [entrant.server.pids() if entrant.server else [] for entrant in pair.entrants]
        arms: list[dict[Role, list[int]]] = [
            {"app": app.pids(), **({"store": store} if apart else {})} for app, store in zip(apps, stores, strict=True)
        ]
        shared: dict[Role, list[int]] = {"generator": generator.pids(), **({} if apart else {"store": stores[BASE]})}
        sampler.sample(*arms, shared=shared)
        rows = generator.recent()
        bench.live(len(rows), rows["service_ns"] / 1000)
        if ended:
            return
        for app in apps:
            if died := app.died():
                raise MeasurementError(f"In mid-trial {died}")
        if monotonic() > deadline:
            raise MeasurementError(f"The generator did not end in time: {generator.child.tail(1)}")
        due = max(due + _SAMPLE_S, monotonic())
        generator.child.wait(max(0.0, due - monotonic()))


def _servers(pair: Pair) -> list[Running]:
    found = [entrant.server for entrant in pair.entrants if entrant.server is not None]
    return list(dict.fromkeys(found))


def _check_source(pair: Pair, arm: int, about: dict[str, object]) -> None:
    """Refuse an app that does not come from where it was built: a tree compared with itself is always the same."""
    own, source = pair.own[arm], about.get("source")
    path = source.get("path") if isinstance(source, dict) else None
    if own is not None and not (isinstance(path, str) and Path(path).resolve().is_relative_to(own.resolve())):
        raise MeasurementError(
            f"The {('base', 'head')[arm]} of {pair.name} says that it was imported from {path}, which is not under "
            f"{own}, where it was built: another `backends` is found before it. Look for a .pth file or PYTHONPATH."
        )


def _part_file(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Tell a planted app where it finds which part of the duet it is."""
    return {"SESSION_PLANT_PART": str((folder / "spool" / "part").resolve())} if "SESSION_PLANT" in environment else {}
