"""Recorded runs with open load made up from a seed: arrivals, users, an app that serves one at a time, a closed phase.

Waiting is not painted on: it follows from the arrivals, the number of users and what a request costs the app.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reports import stats
from reports.files import write_run, write_trial
from reports.format import (
    Arm,
    Capacity,
    Figures,
    Instrument,
    Load,
    Objective,
    Plan,
    Purpose,
    Run,
    StoreOps,
    Trial,
    Verdict,
)
from reports.record import tables
from tests.reports import synthetic
from tests.reports.synthetic import MONGOD, POSTGRES, SERVICE, UNAVAILABLE, VALKEY, Subject, variant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_STEPS = (("POST /login", 0.08), ("GET /profile", 0.75), ("POST /profile", 0.12), ("POST /logout", 0.05))
_REST_US = 40
_STOLEN = "the hypervisor stole 31 % of CPU time (limit 5 %)"

SUBJECTS = (
    Subject(variant("none", traits={"keeps": "nothing"}), 700, 180, generator_us=90),
    Subject(variant("memory", traits={"keeps": "process"}), 760, 205, generator_us=90),
    Subject(
        variant("redis", driver="redis 8.1.0", server=VALKEY), 1_450, 420, 31, generator_us=90, invalid_block=1
    ),
    Subject(
        variant("mongodb", driver="motor 3.7.1", server=MONGOD, durability="power loss within 100 ms"),
        2_600, 650, 118, generator_us=90, wrong_share=0.01,
    ),
    Subject(
        variant(
            "mongodb:driver=pymongo", options={"driver": "pymongo"}, driver="pymongo 4.15.1", server=MONGOD,
            durability="power loss within 100 ms",
        ),
        2_300, 560, 112, generator_us=90,
    ),
    Subject(
        variant("postgres", driver="asyncpg 0.32.0", server=POSTGRES, durability="every acknowledged write"),
        1_900, 430, 140, generator_us=90, sigma=0.35,
    ),
    Subject(variant("http", driver="httpx 0.28.1", server=SERVICE), 5_200, 4_200, 205, generator_us=90),
)  # fmt: skip
CAPACITIES = (
    ("none", 4_000.0, None, "unknown", "no trial failed up to the highest rate that was tried"),
    ("redis", 2_000.0, 2_500.0, "app CPU", "at 2,500/s the app used 99 % of its core, the store 8 %"),
    ("postgres", 1_600.0, 2_500.0, "app CPU", "at 2,500/s the app used 99 % of its core, the store 33 %"),
    ("http", None, 200.0, "app CPU", "at 200/s the app used 84 % of its core, the store 4 %"),
)


@dataclass
class Recorder:
    """A run while it is made up."""

    folder: Path
    run: Run
    dice: random.Random

    def trial(
        self,
        subject: Subject,
        *,
        block: int = 0,
        attempt: int = 1,
        purpose: Purpose = "latency",
        load: Load | None = None,
        verdict: Verdict | None = None,
    ) -> None:
        """Carry out one trial; `verdict` is what became of it for reasons that its requests do not show."""
        plan, number = self.run.plan, len(self.run.trials) + 1
        closed_s = plan.closed_s if purpose == "latency" else 0.0
        carried = _Served(self.dice, replace(subject, app_us=subject.app_us * math.exp(self.dice.uniform(-0.03, 0.03))))
        drained_us = carried.open(load or plan.load, plan)
        closed_from_s = carried.closed(plan.closed_users, drained_us, closed_s) if closed_s else None
        requests = tables.write_requests(self.folder, number, carried.rows)
        sent_us = sorted(each for each in carried.rows["sent_us"] if each is not None)
        end_us = max(drained_us, ((closed_from_s or 0) + closed_s) * 1e6)
        stolen = verdict is not None and verdict.state == "INVALID"
        resources = synthetic.sample(
            self.folder, number, subject, sent_us, (-plan.warmup_s * 1e6, end_us), stolen=stolen
        )
        found = stats.figures(requests, resources, arm=0, window_s=plan.window_s, load=load or plan.load)
        figures = _known(found, subject)
        closed = None
        if closed_from_s is not None:
            closed = stats.closed_figures(requests, resources, arm=0, from_s=closed_from_s, window_s=closed_s)
        trial = Trial(
            number=number, block=block, attempt=attempt, purpose=purpose, load=load,
            arms=[Arm(variant=subject.variant.name, figures=figures, closed=closed)],
            started_at=f"2026-05-04T10:{number // 60:02d}:{number % 60:02d}Z", t0_monotonic_ns=number * 10**12,
            warmup_s=plan.warmup_s, steady=True if plan.warmup_most_s > plan.warmup_s else None,
            window_s=plan.window_s, closed_from_s=closed_from_s, closed_s=closed_s,
            instrument=Instrument(loop_lag_p50_us=61, loop_lag_p99_us=410, steal_share=0.31 if stolen else 0.004),
            overhead_s=1.4, verdict=verdict or _judged(figures),
        )  # fmt: skip
        write_trial(self.folder, trial)
        self.run.trials.append(trial)


class _Served:
    """Requests of a trial as they come out of arrivals, users and an app that serves one after the other."""

    def __init__(self, dice: random.Random, subject: Subject) -> None:
        self.rows: dict[str, list[Any]] = {name: [] for name in tables.REQUESTS.names}
        self._dice = dice
        self._subject = subject
        self._free_us = -math.inf

    def open(self, load: Load, plan: Plan) -> float:
        """Let arrivals in until the window ends; return when the drain was over, in µs."""
        assert load.rate_per_s is not None
        over_us = (plan.window_s + plan.drain_s) * 1e6
        users = [-math.inf] * load.users
        last = plan.window_s * 1e6
        at = -plan.warmup_s * 1e6
        while (at := at + self._dice.expovariate(load.rate_per_s / 1e6)) < plan.window_s * 1e6:
            free_us = heapq.heappop(users)
            lag = self._dice.expovariate(1 / 70)
            sent = max(at + lag, free_us + 10)
            answered = self._answered(sent) if sent < over_us else math.inf
            heapq.heappush(users, answered if sent < over_us else free_us)
            outcome = "unsent" if sent >= over_us else "cut" if answered >= over_us else self._outcome()
            end = min(answered, over_us)
            last = max(last, end)
            self._row(
                "warmup" if at < 0 else "solo", round(sent) if outcome != "unsent" else None, round(end), outcome,
                scheduled_us=round(at), wake_lag_us=round(lag) if free_us <= at else None,
            )  # fmt: skip
        return last

    def closed(self, count: int, from_us: float, closed_s: float) -> float:
        """Let so many users send as soon as they are answered; return when it began to count, in s."""
        count_from_s = round(from_us / 1e6 + 0.15, 3)
        users = [from_us + 50_000] * count
        while (sent := heapq.heappop(users)) < (count_from_s + closed_s) * 1e6:
            answered = self._answered(sent)
            self._row("closed", round(sent), round(answered), "ok")
            heapq.heappush(users, answered + 60)
        return count_from_s

    def _answered(self, sent: float) -> float:
        cost = self._subject.app_us * math.exp(self._dice.gauss(0, 0.1))
        self._free_us = max(self._free_us, sent + _REST_US) + cost
        away = (self._subject.p50_us - self._subject.app_us) * math.exp(self._dice.gauss(0, self._subject.sigma))
        return self._free_us + away

    def _outcome(self) -> str:
        return "wrong_answer" if self._dice.random() < self._subject.wrong_share else "ok"

    def _row(self, phase: str, sent_us: int | None, end_us: int, outcome: str, **facts: Any) -> None:
        step = self._dice.choices([name for name, _ in _STEPS], [weight for _, weight in _STEPS])[0]
        service_us = end_us - sent_us if sent_us is not None else None
        begin_us = facts.get("scheduled_us", sent_us or 0)
        answered = outcome not in {"cut", "unsent"}
        row = {
            "arm": 0, "name": step, "phase": phase, "user": 0, "worker": 0, "sent_us": sent_us,
            "service_us": service_us, "response_us": end_us - begin_us, "received_bytes": 180 if answered else None,
            "status": 200 if answered else None, "outcome": outcome, **facts,
        }  # fmt: skip
        for name, column in self.rows.items():
            column.append(row.get(name))


def _known(figures: Figures, subject: Subject) -> Figures:
    """Add what a harness knows from the app's own counters, in the proportions of the subject."""
    mean_us = figures.mean_us or 0.0
    parts = {
        "framework": 90 + subject.app_us * 0.3,
        "session": subject.app_us * 0.2,
        "store": max(subject.p50_us - subject.app_us - 555.0, 0.0),
        "unattributed": subject.app_us * 0.1,
    }
    ops = {"get": 0.87, "update": 0.12, "create": 0.08, "delete": 0.05}
    return figures.model_copy(
        update={
            "layers_us": {"client": mean_us - sum(parts.values()), **parts},
            "app_loop_lag_p50_us": 90.0,
            "app_loop_lag_p99_us": 1_400.0,
            "store_ops": {
                name: StoreOps(
                    count=round(figures.requests * share), failed=0, mean_us=parts["store"] * (1 + 0.1 * place),
                    p50_us=parts["store"] * 0.9, p99_us=parts["store"] * 3,
                )
                for place, (name, share) in enumerate(ops.items())
            }
            if subject.store_us
            else {},
        }
    )  # fmt: skip


def _judged(figures: Figures) -> Verdict:
    wrong = figures.outcomes.get("wrong_answer", 0)
    if wrong:
        return Verdict(state="FAILED", reasons=[f"{wrong} of {figures.requests:,} answers were wrong"])
    achieved = figures.achieved_share or 0
    if achieved < 0.99:
        reason = f"the rate was not sustained: {100 * achieved:.1f} % of the arrivals were answered (limit 99 %)"
        return Verdict(state="OVERLOADED", reasons=[reason])
    return Verdict(state="VALID")


def record(
    folder: Path,
    subjects: Sequence[Subject] = SUBJECTS,
    *,
    blocks: int = 3,
    rate_per_s: float = 300.0,
    closed_s: float = 0.4,
    ladder_per_s: Sequence[float] = (150.0, 600.0, 1_200.0),
    capacities: bool = True,
    seed: int = 7,
    **planned: Any,
) -> Run:
    """Write a whole run folder and return the run; `planned` are other fields of the plan."""
    dice = random.Random(seed)  # noqa: S311 - a simulation
    names = [subject.variant.name for subject in subjects]
    run = Run(
        harness_version="0.1.0", started_at="2026-05-04T10:00:00Z", finished_at="2026-05-04T10:09:00Z",
        status="finished",
        plan=Plan(
            **{
                "name": "synthetic", "profile": "quick", "scenario": "login_profile",
                "load": Load(kind="open", users=64, rate_per_s=rate_per_s),
                "closed_users": 16 if closed_s else 0, "closed_s": closed_s, "ladder_per_s": list(ladder_per_s),
                "ladder_blocks": 1 if ladder_per_s else 0, "blocks": blocks, "warmup_s": 0.5, "window_s": 1.0,
                "objective": _OBJECTIVE if capacities else None, "drain_s": 0.2, "sessions": 10_000, "seed": seed,
                "order": [dice.sample(names, len(names)) for _ in range(blocks)], **planned,
            }
        ),
        environment=synthetic.ENVIRONMENT,
        variants=[*(subject.variant for subject in subjects), UNAVAILABLE.model_copy(update=_SYNC)],
    )  # fmt: skip
    recorder = Recorder(folder, run, dice)
    by_name = {subject.variant.name: subject for subject in subjects}
    for block, order in enumerate(run.plan.order):
        for name in order:
            subject = by_name[name]
            repeated = block == subject.invalid_block
            if repeated:
                recorder.trial(subject, block=block, verdict=Verdict(state="INVALID", reasons=[_STOLEN]))
            late = Verdict(
                state="SUSPECT", reasons=["dispatch lag p99 1.31 ms (limit 1 ms) is 38 % of the response time's p99"]
            )
            recorder.trial(
                subject, block=block, attempt=1 + repeated, verdict=late if (name, block) == ("postgres", 2) else None
            )
    for rate in ladder_per_s:
        for subject in subjects:
            recorder.trial(subject, purpose="ladder", load=Load(kind="open", users=64, rate_per_s=rate))
    if capacities:
        _search(recorder, by_name)
    run.summaries = stats.summaries(run.trials, run.baseline)
    write_run(folder, run)
    return run


_OBJECTIVE = Objective(text="p99<20ms,errors<0.1%", limits={"p99_us": 20_000, "error_share": 0.001})
_SYNC = {"name": "postgres:driver=psycopg", "slug": "postgres-driver-psycopg"}


def _search(recorder: Recorder, subjects: dict[str, Subject]) -> None:
    for name, lower, upper, limit, why in CAPACITIES:
        if name not in subjects:
            continue
        numbers = []
        for rate in filter(None, (lower, upper)):
            recorder.trial(subjects[name], purpose="capacity", load=Load(kind="open", users=64, rate_per_s=rate))
            numbers.append(len(recorder.run.trials))
        recorder.run.capacities.append(
            Capacity(variant=name, lower_per_s=lower, upper_per_s=upper, limit=limit, why=why, trials=numbers)
        )
