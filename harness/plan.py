"""A plan: every decision before the first trial, and what it will take."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness import faults, objective
from harness.errors import UsageError
from reports.format import Load, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.config import Settings
    from harness.scenarios import Parameters, Scenario
    from harness.variants import Wanted
    from reports.format import Purpose, Trial
    from reports.record.faulted import Fault

RANKING_BLOCKS = 12
"""Blocks from which a ranking means something (STATS: the pair of launches is the sample)."""

_TRIAL_OVERHEAD_S = 2.5
_SERVER_START_S = 2.0
_SEEDS_PER_S = 10_000
_CLOSED_RATE = 4000
_PROBED_RATE = 500
_SEARCHED_RATE = 2000
"""Requests a second where the plan names none: recorded runs had about so many."""
_ROW_BYTES = 13
"""Of a request that is kept. As those below from recorded runs, which took from half of the sum to twice it."""
_SECOND_BYTES = 500
_TRIAL_BYTES = 65_000
"""trial.json, all of it in run.json again, logs, the tables' own descriptions, and what a report draws of a trial."""
_VARIANT_BYTES = 200_000
_COMPARED_BYTES = 250_000
"""What a report has of each variant, and what more where there are blocks to compare."""
_CHARTS_BYTES = 1_000_000
"""Of whatever has charts of its own."""
_SESSION_BYTES = 1500
_AUDIT_S = 2.5
_COUNTS_S = 1.5


_PROBE_S = 1.0
_RECOVERY_S = 8.0
"""Load goes on for so long after a fault is over: a server that starts anew takes some seconds of it."""
_CAPACITY_WINDOW_S = 2.0
_CAPACITY_TRIALS = 16
"""So many trials a search for a capacity takes, as a rule."""


@dataclass(frozen=True)
class Phases:
    """One trial's load and how long each phase of it lasts; as in `Plan`, `closed_s` 0 is no closed phase."""

    load: Load
    warmup_s: float
    warmup_most_s: float
    window_s: float
    drain_s: float
    closed_users: int = 0
    closed_s: float = 0.0

    @property
    def seconds(self) -> float:
        """What they last together, at most."""
        settle_s = 0.7 if self.closed_s else 0.0
        return max(self.warmup_s, self.warmup_most_s) + self.window_s + self.closed_s + settle_s


@dataclass(frozen=True)
class Planned:
    """A trial that is to be: its place in the run, and its load."""

    block: int
    variant: str
    purpose: Purpose
    load: Load
    attempt: int = 1
    fault: Fault | None = None


def make(settings: Settings, variants: Sequence[Wanted], scenario: Scenario, parameters: Parameters) -> Plan:
    """Draw the order of trials: every variant once a block, each block in a fresh seeded random order."""
    rng = random.Random(settings.seed)  # noqa: S311 - an order of trials is no secret
    names = [variant.name for variant in variants]
    opened = settings.rate != 0
    load = Load(
        kind="open" if opened else "closed",
        users=settings.users,
        rate_per_s=None if settings.rate in {0, "probe"} else float(settings.rate),
        arrivals=settings.arrivals,
    )
    return Plan(
        name=settings.profile,
        profile=settings.profile,
        scenario=scenario.name,
        parameters=parameters,
        load=load,
        rate_source="probe" if settings.rate == "probe" else "plan",
        closed_users=settings.closed_users if opened else 0,
        closed_s=settings.closed_s if opened else 0.0,
        ladder_per_s=sorted(set(settings.ladder)),
        ladder_blocks=settings.ladder_blocks if settings.ladder else 0,
        objective=objective.parse(settings.slo) if settings.slo else None,
        blocks=settings.blocks,
        warmup_s=settings.warmup_s,
        warmup_most_s=max(settings.warmup_s, settings.warmup_most_s),
        window_s=settings.window_s,
        drain_s=settings.drain_s,
        repeats=settings.repeats,
        sessions=settings.sessions,
        seed=settings.seed,
        servers=settings.servers,
        client=settings.client,
        processes=settings.processes,
        faults=_faults(settings, variants, opened=opened),
        faulted=[variant.name for variant in variants if variant.server] if settings.faults else [],
        audit=settings.audit,
        counts=settings.counts,
        order=[rng.sample(names, len(names)) for _ in range(settings.blocks)],
        ranking=settings.blocks >= RANKING_BLOCKS,
    )


def _faults(settings: Settings, variants: Sequence[Wanted], *, opened: bool) -> list[Fault]:
    """Read the faults; raises UsageError where nothing could be seen of them."""
    wanted = [faults.parse(text) for text in settings.faults]
    if wanted and not opened:
        raise UsageError(
            "A fault needs open load: closed loops wait with the store, and nobody arrives meanwhile. Give --rate."
        )
    if wanted and not any(variant.server for variant in variants):
        raise UsageError(
            "None of these variants has a store that a fault could be done to. Name one that has, as redis."
        )
    return wanted


def phases(plan: Plan, purpose: Purpose, load: Load, fault: Fault | None = None) -> Phases:
    """Return a trial's phases. Only latency trials have a closed phase; probes and searches are short.

    A trial with a fault has a window that reaches beyond it, and a warm-up that does not depend on the load.
    """
    if fault is not None:
        return Phases(load, plan.warmup_s, plan.warmup_s, fault.until_s + _RECOVERY_S, plan.drain_s)
    if purpose == "probe":
        return Phases(load, _PROBE_S, _PROBE_S, _PROBE_S, plan.drain_s)
    if purpose == "capacity":
        return Phases(load, plan.warmup_s, plan.warmup_s, min(plan.window_s, _CAPACITY_WINDOW_S), plan.drain_s)
    measured = Phases(load, plan.warmup_s, plan.warmup_most_s, plan.window_s, plan.drain_s)
    if purpose == "ladder" or load.kind == "closed":
        return measured
    return replace(measured, closed_users=plan.closed_users, closed_s=plan.closed_s)


def probes(plan: Plan) -> list[Planned]:
    """List the trials that choose the common rate, where the plan leaves that to a probe."""
    if plan.load.kind == "closed" or plan.load.rate_per_s is not None:
        return []
    load = Load(users=plan.closed_users or plan.load.users)
    return [Planned(1, name, "probe", load) for name in plan.order[0]]


def blocks(plan: Plan) -> Iterator[list[Planned]]:
    """Yield the latency trials of every block, then those of the ladder, each block's in the order they run in.

    Last come those with a fault, once for each variant: whatever a fault leaves behind, it leaves to no measurement.
    """
    for block, order in enumerate(plan.order, 1):
        yield [Planned(block, name, "latency", plan.load) for name in order]
    rng = random.Random(f"{plan.seed} ladder")  # noqa: S311 - an order of trials is no secret
    rungs = [
        (name, plan.load.model_copy(update={"kind": "open", "rate_per_s": rate}))
        for name in plan.order[0]
        for rate in plan.ladder_per_s
    ]
    for block in range(1, plan.ladder_blocks + 1):
        yield [Planned(block, name, "ladder", load) for name, load in rng.sample(rungs, len(rungs))]
    for fault in plan.faults:
        yield [Planned(1, name, "fault", plan.load, fault=fault) for name in plan.faulted]


def left(wanted: Sequence[Planned], done: Sequence[Trial], plan: Plan) -> list[Planned]:
    """Return what is still to do of some planned trials, which attempt each is.

    What the instrument spoilt is repeated, at most `plan.repeats` times. What the subject did is never repeated, nor
    what could not be measured at all.
    """
    found = []
    for planned in wanted:
        before = [trial for trial in done if _same(planned, trial, plan)]
        spoilt = [trial for trial in before if trial.verdict.state == "INVALID" and trial.error is None]
        if len(spoilt) == len(before) <= plan.repeats:
            found.append(replace(planned, attempt=len(before) + 1))
    return found


def count(plan: Plan) -> int:
    """Return how many trials a run has when nothing is repeated; searches for capacities as they go as a rule."""
    planned = sum(map(len, blocks(plan))) + len(probes(plan))
    return planned + (_CAPACITY_TRIALS * len(plan.order[0]) if plan.objective else 0)


def estimate_s(plan: Plan, stores: int, done: int = 0) -> float:
    """Estimate a run's seconds, installation apart; `done` trials are behind it."""
    each = [
        phases(plan, planned.purpose, planned.load, planned.fault)
        for block in [probes(plan), *blocks(plan)]
        for planned in block
    ]
    total_s = sum(one.seconds + _TRIAL_OVERHEAD_S for one in each)
    if plan.objective:
        search = phases(plan, "capacity", plan.load)
        total_s += _CAPACITY_TRIALS * len(plan.order[0]) * (search.seconds + _TRIAL_OVERHEAD_S)
    if plan.audit and not done:
        total_s += _AUDIT_S * len(plan.order[0])
    if plan.counts and not done:
        total_s += _COUNTS_S * len(plan.order[0])
    share = 1 - done / max(1, count(plan))
    return total_s * max(0.0, share) + stores * (_SERVER_START_S + plan.sessions / _SEEDS_PER_S)


def estimate_disk_bytes(plan: Plan, stores: int) -> tuple[int, int]:
    """Estimate what a run leaves under results/, and what its stores need meanwhile, in bytes."""
    each = [
        phases(plan, planned.purpose, planned.load, planned.fault)
        for block in [probes(plan), *blocks(plan)]
        for planned in block
    ]
    if plan.objective:
        searched = plan.load.model_copy(update={"kind": "open", "rate_per_s": _SEARCHED_RATE})
        each += [phases(plan, "capacity", searched)] * _CAPACITY_TRIALS * len(plan.order[0])
    requests = seconds = 0.0
    for one in each:
        rate = one.load.rate_per_s or (_CLOSED_RATE if one.load.kind == "closed" else _PROBED_RATE)
        requests += (one.warmup_most_s + one.window_s) * rate + one.closed_s * _CLOSED_RATE
        seconds += one.seconds
    trials = requests * _ROW_BYTES + seconds * _SECOND_BYTES + len(each) * _TRIAL_BYTES
    drawn = len(plan.order[0]) * (_VARIANT_BYTES + (_COMPARED_BYTES if plan.blocks > 1 else 0))
    own = len(plan.faults) + bool(plan.ladder_per_s) + bool(plan.objective) + plan.ranking
    return round(trials + drawn + own * _CHARTS_BYTES), stores * plan.sessions * _SESSION_BYTES


def common_rate(slowest_per_s: float) -> float:
    """Return the common rate for a probe's slowest variant: at most half of what it answered, rounded down 1-2-5."""
    half = max(slowest_per_s / 2, 1.0)
    decade = 10.0 ** math.floor(math.log10(half))
    return max(step * decade for step in (1, 2, 5) if step * decade <= half)


def _same(planned: Planned, trial: Trial, plan: Plan) -> bool:
    load = trial.load or plan.load
    place = planned.block, planned.variant, planned.purpose, planned.load.rate_per_s, planned.fault
    return place == (trial.block, trial.arms[0].variant, trial.purpose, load.rate_per_s, trial.fault)
