"""A run with faults made up from a seed: users, a queue for them, and apps that bear an outage well and badly."""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports import stats
from reports.files import write_run, write_trial
from reports.format import Arm, Load, Run, Trial, Verdict
from reports.record import tables
from reports.record.faulted import Fault
from reports.trials import outages
from tests.reports import synthetic_open

if TYPE_CHECKING:
    from pathlib import Path

    from reports.record.faulted import FaultKind

RATE_PER_S = 80.0
USERS = 48
WINDOW_S = 8.0
DEADLINE_US = 1_000_000.0
FAULTS = (
    Fault(kind="freeze", at_s=2, for_s=2),
    Fault(kind="kill", at_s=2, for_s=2),
    Fault(kind="slow", at_s=2, for_s=2, slow_ms=300),
)
_NEVER = math.inf


@dataclass(frozen=True)
class Bearing:
    """How an app bears a store that is away: times are µs, `back_us` counts from the store's answer."""

    back_us: float = 400_000
    """Until then it refuses still."""
    blocks: bool = False
    """Whether requests without a session wait as well."""
    hangs: float = 0.0
    """The share of requests that are never answered while the store is away."""
    loses: bool = False
    """Whether every user's session is gone afterwards."""


BEARINGS: dict[tuple[str, FaultKind], Bearing] = {
    ("redis", "freeze"): Bearing(back_us=0),
    ("postgres", "freeze"): Bearing(back_us=2_600_000),
    ("mongodb", "freeze"): Bearing(blocks=True),
    ("redis", "kill"): Bearing(loses=True),
    ("postgres", "kill"): Bearing(hangs=0.05),
    ("redis", "slow"): Bearing(back_us=0),
}


def record(folder: Path, seed: int = 7) -> Run:
    """Write a run whose three variants with a store were harmed, each in trials of its own."""
    chosen = [each for each in synthetic_open.SUBJECTS if each.variant.name in {"none", "redis", "mongodb", "postgres"}]
    run = synthetic_open.record(
        folder, chosen, blocks=1, rate_per_s=RATE_PER_S, closed_s=0, ladder_per_s=(), capacities=False, seed=seed,
        faults=list(FAULTS), faulted=[each.variant.name for each in chosen[1:]],
    )  # fmt: skip
    dice = random.Random(seed)  # noqa: S311 - a simulation
    for (name, kind), bearing in BEARINGS.items():
        fault = next(fault for fault in FAULTS if fault.kind == kind)
        _trial(folder, run, name, fault, bearing, dice)
    broken = Trial(
        number=len(run.trials) + 1, block=0, purpose="fault", arms=[Arm(variant="mongodb")], fault=FAULTS[1],
        started_at="2026-05-04T10:40:00Z", warmup_s=0.5, window_s=WINDOW_S, error="the server did not come back",
        verdict=Verdict(state="INVALID", reasons=["the server did not come back"]),
    )  # fmt: skip
    write_trial(folder, broken)
    run.trials.append(broken)
    write_run(folder, run)
    return run


def _trial(  # noqa: PLR0917 - told once, above
    folder: Path, run: Run, name: str, fault: Fault, bearing: Bearing, dice: random.Random
) -> None:
    number, load = len(run.trials) + 1, Load(kind="open", users=USERS, rate_per_s=RATE_PER_S)
    began_us, lifted_us = round(fault.at_s * 1e6) + 400, round(fault.until_s * 1e6) + 900
    answered_us = lifted_us + (2_100 if fault.kind in {"freeze", "slow"} else 46_000)
    table = tables.write_requests(folder, number, _rows(fault, bearing, (began_us, answered_us), dice))
    found = outages.outage(
        table, through="relay" if fault.kind == "slow" else "process", began_us=began_us,
        lifted_us=lifted_us, answered_us=answered_us, window_s=WINDOW_S, deadline_ms=DEADLINE_US / 1e3,
        connections_before=10, connections_after=10 + 23 * (bearing.hangs > 0),
    )  # fmt: skip
    variant = run.variant(name)
    verdict = outages.judged(found, fault=fault, deadline_ms=DEADLINE_US / 1e3, durability=variant.durability)
    trial = Trial(
        number=number, block=0, purpose="fault", load=load, fault=fault, outage=found, verdict=verdict,
        arms=[Arm(variant=name, figures=stats.figures(table, None, arm=0, window_s=WINDOW_S, load=load))],
        started_at=f"2026-05-04T10:{number % 60:02d}:00Z", t0_monotonic_ns=number * 10**12, warmup_s=0.5,
        window_s=WINDOW_S,
    )  # fmt: skip
    write_trial(folder, trial)
    run.trials.append(trial)


def _rows(fault: Fault, bearing: Bearing, away: tuple[float, float], dice: random.Random) -> dict[str, list[Any]]:
    """Let arrivals come, take a free user each, and be answered as the app bears it."""
    columns: dict[str, list[Any]] = {name: [] for name in tables.REQUESTS.names}
    users = [(-_NEVER, user) for user in range(USERS)]
    dead, over = set(range(USERS)) if bearing.loses else set(), (WINDOW_S + 1) * 1e6
    at = -500_000.0
    while (at := at + dice.expovariate(RATE_PER_S / 1e6)) < WINDOW_S * 1e6:
        free, user = heapq.heappop(users)
        sent = max(at + dice.expovariate(1 / 70), free + 10)
        if sent >= over:
            heapq.heappush(users, (free, user))
            answer, outcome, status, name = over, "unsent", None, "(unsent)"
        elif dice.random() < 0.1:
            name, outcome, status = "GET /ping", "ok", 200
            answer = sent + 600 * math.exp(dice.gauss(0, 0.2))
            if bearing.blocks and away[0] <= sent < away[1]:
                answer = min(sent + DEADLINE_US * dice.uniform(0.6, 1.0), away[1] + 2_000)
        else:
            name = "GET /profile"
            answer, outcome, status = _answer(sent, fault, bearing, away, dice)
            if status == 200 and user in dead and sent > away[1]:
                dead.discard(user)
                outcome, status = "wrong_answer", 401
        if answer >= over and outcome != "unsent":
            answer, outcome, status = over, "cut", None
        if outcome != "unsent":
            heapq.heappush(users, (answer, user))
        row = {
            "arm": 0, "name": name, "phase": "warmup" if at < 0 else "solo", "user": user, "worker": 0,
            "scheduled_us": round(at), "wake_lag_us": None if free > at or outcome == "unsent" else round(sent - at),
            "sent_us": None if outcome == "unsent" else round(sent), "received_bytes": 180, "status": status,
            "service_us": None if outcome == "unsent" else round(answer) - round(sent),
            "response_us": round(answer) - round(at), "outcome": outcome,
        }  # fmt: skip
        for key, column in columns.items():
            column.append(row.get(key))
    return columns


def _answer(
    sent: float, fault: Fault, bearing: Bearing, away: tuple[float, float], dice: random.Random
) -> tuple[float, str, int | None]:
    """Return when an answer to a request with a session came, and which."""
    usual = 1_600 * math.exp(dice.gauss(0, 0.25))
    began, answered = away
    if fault.kind == "slow":
        later = (fault.slow_ms or 0) * 1e3 if began <= sent < answered else 0.0
        return sent + usual + later, "ok", 200
    if not began <= sent < answered + bearing.back_us:
        return sent + usual, "ok", 200
    if sent < answered and dice.random() < bearing.hangs:
        return _NEVER, "cut", None
    if fault.kind == "freeze" and sent < answered:
        if bearing.back_us == 0 and sent + DEADLINE_US > answered:
            return answered + usual * 2, "ok", 200
        return sent + DEADLINE_US + usual, "http_error", 503
    return sent + usual, "http_error", 503
