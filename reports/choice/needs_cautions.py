"""What must not be concluded from a run, each in a sentence: what it rests on, and what it does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.choice.needs import listed
from reports.listings import crossover, matrix, sizes, struck, view
from reports.words import units
from reports.words.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.choice.needs import Candidates
    from reports.format import Run

_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1", ""})
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_FEWEST_BEYOND: Final = 10
"""A percentile that fewer requests lie beyond is chance."""


@dataclass(frozen=True, slots=True)
class Caution:
    """What must not be concluded; the key is for links and tests."""

    key: str
    text: str


def cautions(run: Run, who: Candidates) -> list[Caution]:
    """Return what must not be concluded, what weighs most first."""
    return [*_trials(run), _world(run), *_audits(run), *_load(run), *_stores(run, who), *_host(run)]


def _trials(run: Run) -> Iterator[Caution]:
    if run.status != "finished":
        was = "is not finished" if run.status == "running" else "was interrupted"
        yield Caution("unfinished", f"The run {was}: what is missing may turn any answer.")
    trials = view.latency_trials(run)
    counted = [trial for trial in trials if trial.verdict.state != "INVALID"]
    if invalid := len(trials) - len(counted):
        of = plural(len(trials), "trial")
        text = f"INVALID and left out: {invalid} of {of}, by the fault of the machine or of the generator."
        yield Caution("invalid", text)
    if suspect := [trial for trial in counted if trial.verdict.state == "SUSPECT"]:
        seen = {arm.variant for trial in suspect for arm in trial.arms}
        names = [variant.name for variant in run.variants if variant.name in seen]
        whose = "every variant" if len(names) == len(run.variants) > 1 else listed(names)
        of = f"{'the other ' if invalid else ''}{plural(len(counted), 'trial')}"
        text = f"SUSPECT but counted: {len(suspect)} of {of}, of {whose}; the footnotes say why."
        yield Caution("suspect", text)
    blocks = len({trial.block for trial in counted})
    if blocks == 1:
        yield Caution("blocks", "1 block: no spread is known, so that no two variants can be told apart.")
    elif 1 < blocks < crossover.FEWEST_TRIALS:
        text = f"{blocks} blocks bear no ranking: even equals may come out apart in so few; 12 tell."
        yield Caution("blocks", text)


def _world(run: Run) -> Caution:
    """Say what holds of every run: it is of one place."""
    machine = f"{run.environment.cpu}, {run.environment.cores} cores"
    strangers = [each.name for each in run.variants if each.backend == "target"]
    but = f" (but for {listed(strangers)}, which ran already)" if strangers else ""
    text = (
        f"One machine ({machine}), one scenario, over loopback{but}: elsewhere, and over a network, the figures are "
        "others, and the order may be."
    )
    return Caution("machine", text)


def _audits(run: Run) -> Iterator[Caution]:
    names = [variant.name for variant in run.variants if variant.name != run.baseline and variant.error is None]
    audited = {audit.variant for audit in run.audits if audit.error is None}
    if not run.audits:
        yield Caution("audit", "No audit was made: nobody tried whether the fast ones are right.")
    elif lacking := [name for name in names if name not in audited]:
        yield Caution("audit", f"Not audited: {listed(lacking)}. Nobody tried whether their sessions are right.")
    elif any(audit.quick for audit in run.audits):
        made = max(len(audit.checks) for audit in run.audits)
        text = f"The audit was the quick set: {made} of {len(matrix.ALL)} checks. The others were not tried."
        yield Caution("audit", text)


def _load(run: Run) -> Iterator[Caution]:
    plan = run.plan
    if cliffs := sizes.cliffs(run):
        text = f"{listed(list(cliffs))} refused larger sessions: their figures are of smaller ones, and of refusals."
        yield Caution("sizes", text)
    if not view.is_open(run):
        users = plural(plan.load.users, "user")
        text = f"Closed load: {users} wait for their answers, so that latency is a full app's, and none of a rate."
        yield Caution("closed", text)
        return
    requests = [figures.requests for variant in run.variants for _, figures in view.measured(run, variant.name)]
    beyond = min(requests, default=0) / 100
    if 0 < beyond < _FEWEST_BEYOND:
        few = max(round(beyond), 1)
        slowest = "request" if few == 1 else f"{few} requests"
        text = f"p99 of a block rests on its slowest {slowest} of {min(requests):,}: much of it is chance."
        yield Caution("p99", text)
    if not plan.ladder_per_s:
        rate = units.per_second(plan.load.rate_per_s or 0)
        yield Caution("rate", f"Latency was measured at {rate}/s alone: at another rate the order may be another.")
    if plan.closed_s and not run.capacities:
        users = plural(plan.closed_users, "user")
        text = f"What {users} drew in closed loops is no capacity: it was had without regard to latency."
        yield Caution("throughput", text)


def _stores(run: Run, who: Candidates) -> Iterator[Caution]:
    servers = [(variant.name, variant.server) for variant in run.variants if variant.server is not None]
    filesystem = run.environment.data_folder_filesystem
    if filesystem in _IN_MEMORY and servers:
        text = (
            f"The stores' files lay in memory ({filesystem}): nothing there survives a power loss, and what waits for "
            "a disk looks faster than it is."
        )
        yield Caution("tmpfs", text)
    for label in dict.fromkeys(server.label for _, server in servers if server.note):
        names = [struck.called(run, name) for name, server in servers if server.label == label]
        yield Caution("version", f"{listed(names)} ran on {label}: what was measured holds for no other version.")
    if who.distances > 1:
        at = "without any added distance" if who.rtt_ms is None else f"at {who.rtt_ms:g} ms"
        yield Caution("distance", f"The answers are for stores {at}: at other distances they may be others.")
    elif who.rtt_ms:
        text = f"A relay added {who.rtt_ms:g} ms to round trips: a real network loses and jitters besides."
        yield Caution("distance", text)


def _host(run: Run) -> Iterator[Caution]:
    hosts = [each.server.address.rpartition(":")[0].strip("[]") for each in run.variants if each.server is not None]
    if near := [host for host in hosts if host in _HERE]:
        cpus = run.environment.cpus
        own = set(cpus.get("store", ()))
        beside = [role for role in ("app", "generator") if own & set(cpus.get(role, ()))]
        shared = f", on the CPU of the {' and the '.join(beside)}" if beside else ""
        which = "The stores" if len(near) == len(hosts) else "Some stores"
        yield Caution("host", f"{which} ran on the app's own host{shared}: they took from each other.")
