"""Recorded runs made up from a seed, written with the writers of the format itself: same seed, same bytes."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from reports import stats, verdict
from reports.files import write_run, write_trial
from reports.format import Arm, Load, Plan, Run, Server, Trial, Variant, Verdict
from reports.record import tables
from reports.record.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

_INVERSE = NormalDist().inv_cdf
_STEPS = (("POST /login", 0.08), ("GET /profile", 0.75), ("POST /profile", 0.12), ("POST /logout", 0.05))

VALKEY = Server(
    kind="redis", product="Valkey", version="9.1.2", build="redis_version 7.2.4", source="wheel",
    address="127.0.0.1:40001", durability="none", settings={"appendonly": "no", "save": ""},
)  # fmt: skip
MONGOD = Server(
    kind="mongodb", product="MongoDB", version="6.0.5", source="wheel", address="127.0.0.1:40002",
    durability="power loss within 100 ms", settings={"wiredTigerCacheSizeGB": "0.25"},
    note="out of support",
)  # fmt: skip
POSTGRES = Server(
    kind="postgres", product="PostgreSQL", version="18.6", source="wheel", address="127.0.0.1:40003",
    durability="every acknowledged write", settings={"synchronous_commit": "on"},
)  # fmt: skip
SERVICE = Server(
    kind="http", product="session service", version="0.1.0", source="wheel", address="127.0.0.1:40004",
    durability="none",
)  # fmt: skip

ENVIRONMENT = Environment(
    cpu="AMD EPYC 7B13", cores=2, memory_bytes=8 * 2**30, kernel="6.1.0-25-amd64",
    system="Debian GNU/Linux 12", virtualization="kvm", python="3.11.9",
    packages={"fastapi": "0.120.0", "uvicorn": "0.38.0"},
    pinning="app on CPU 0; generator and store on CPU 1", cpus={"app": [0], "generator": [1], "store": [1]},
    data_folder_filesystem="ext4", fsync_p50_us=812.0,
)  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """What a variant is made to look like; times are µs, CPU is per request."""

    variant: Variant
    p50_us: float
    app_us: float
    store_us: float = 0.0
    generator_us: float = 160.0
    sigma: float = 0.28
    wrong_share: float = 0.0
    invalid_block: int | None = None


def variant(name: str, **facts: Any) -> Variant:
    """Return a variant whose backend is the part of the name before its options."""
    slug = name.replace(":", "-").replace("=", "-")
    return Variant(name=name, slug=slug, backend=name.partition(":")[0], python="3.11.9", **facts)


EIGHT = (
    Subject(variant("none", traits={"keeps": "nothing"}), 3_900, 238),
    Subject(variant("memory", traits={"keeps": "process"}), 4_150, 256),
    Subject(variant("cookie", traits={"keeps": "client"}, durability="every acknowledged write"), 4_600, 287),
    Subject(variant("redis", driver="redis 8.1.0", server=VALKEY), 6_700, 410, 31),
    Subject(
        variant("mongodb", driver="motor 3.7.1", server=MONGOD, durability="power loss within 100 ms"),
        11_800, 720, 118,
    ),
    Subject(
        variant(
            "mongodb:driver=pymongo", options={"driver": "pymongo"}, driver="pymongo 4.15.1", server=MONGOD,
            durability="power loss within 100 ms",
        ),
        9_700, 590, 112,
    ),
    Subject(
        variant("postgres", driver="asyncpg 0.32.0", server=POSTGRES, durability="every acknowledged write"),
        7_600, 430, 140, sigma=0.42,
    ),
    Subject(variant("http", driver="httpx 0.28.1", server=SERVICE), 12_400, 760, 205),
)  # fmt: skip
UNAVAILABLE = variant(
    "postgres",
    error="no PostgreSQL could be had: there is no server binary. "
    "Bring one with pip install 'session-bench[postgres-server]'",
)
SMALL = (
    *EIGHT[:2],
    Subject(EIGHT[3].variant, 6_700, 410, 31, invalid_block=1),
    Subject(EIGHT[4].variant, 11_800, 720, 118, wrong_share=0.01),
    EIGHT[5],
)


def record(
    folder: Path,
    subjects: Sequence[Subject] = SMALL,
    *,
    unavailable: Sequence[Variant] = (UNAVAILABLE,),
    blocks: int = 3,
    users: int = 16,
    warmup_s: float = 0.5,
    window_s: float = 1.0,
    seed: int = 7,
) -> Run:
    """Write a whole run folder and return the run."""
    dice = random.Random(seed)  # noqa: S311 - a simulation
    names = [subject.variant.name for subject in subjects]
    run = Run(
        harness_version="0.1.0",
        started_at="2026-05-04T10:00:00Z",
        finished_at="2026-05-04T10:03:00Z",
        status="finished",
        plan=Plan(
            name="synthetic", profile="quick", scenario="login_profile", load=Load(users=users),
            blocks=blocks,
            warmup_s=warmup_s, window_s=window_s, drain_s=1.0, sessions=10_000, seed=seed,
            order=[dice.sample(names, len(names)) for _ in range(blocks)],
        ),
        environment=ENVIRONMENT,
        variants=[*(subject.variant for subject in subjects), *unavailable],
    )  # fmt: skip
    by_name = {subject.variant.name: subject for subject in subjects}
    for block, order in enumerate(run.plan.order):
        for name in order:
            subject = by_name[name]
            if block == subject.invalid_block:
                _trial(folder, run, subject, block, dice, stolen=True)
            _trial(folder, run, subject, block, dice, attempt=1 + (block == subject.invalid_block))
    run.summaries = stats.summaries(run.trials, run.baseline)
    write_run(folder, run)
    return run


def _trial(
    folder: Path,
    run: Run,
    subject: Subject,
    block: int,
    dice: random.Random,
    *,
    attempt: int = 1,
    stolen: bool = False,
) -> None:
    plan = run.plan
    number = len(run.trials) + 1
    pace = math.exp(dice.uniform(-0.03, 0.03)) * (2.5 if stolen else 1.0)
    requests = _requests(folder, number, subject, plan, pace=pace, dice=dice)
    sent_us = sorted(requests.column("sent_us").to_pylist())
    span_us = (-plan.warmup_s * 1e6, plan.window_s * 1e6)
    resources = sample(folder, number, subject, sent_us, span_us, stolen=stolen)
    figures = stats.figures(requests, resources, arm=0, window_s=plan.window_s)
    judged = verdict.verdict(figures)
    if stolen:
        judged = Verdict(state="INVALID", reasons=["the hypervisor stole 31 % of CPU 0 (limit 5 %)"])
    trial = Trial(
        number=number, block=block, attempt=attempt,
        arms=[Arm(variant=subject.variant.name, figures=figures)],
        started_at=f"2026-05-04T10:{number:02d}:00Z", t0_monotonic_ns=number * 10**12, warmup_s=plan.warmup_s,
        window_s=plan.window_s, overhead_s=1.4, verdict=judged,
    )  # fmt: skip
    write_trial(folder, trial)
    run.trials.append(trial)


def _requests(folder: Path, number: int, subject: Subject, plan: Plan, *, pace: float, dice: random.Random) -> pa.Table:
    """Let every user send as soon as it is answered; once a trial, all are held up for 40 ms."""
    stall_us = dice.uniform(0.2, 0.8) * plan.window_s * 1e6
    rows: dict[str, list[Any]] = {name: [] for name in tables.REQUESTS.names}
    for user in range(plan.load.users):
        at = -plan.warmup_s * 1e6 + dice.uniform(0, 5_000)
        while at < plan.window_s * 1e6:
            cold = 1 + 1.5 * math.exp(-(at + plan.warmup_s * 1e6) / 1.5e5)
            service = subject.p50_us * pace * cold * math.exp(subject.sigma * _INVERSE(max(dice.random(), 1e-9)))
            if at <= stall_us < at + service:
                service += 40_000
            outcome = "wrong_answer" if dice.random() < subject.wrong_share else "ok"
            step = dice.choices([name for name, _ in _STEPS], [weight for _, weight in _STEPS])[0]
            row = {
                "arm": 0, "name": step, "phase": "warmup" if at < 0 else "solo", "user": user, "worker": 0,
                "sent_us": round(at), "service_us": round(service), "response_us": round(service),
                "received_bytes": 180, "status": 200, "outcome": outcome,
            }  # fmt: skip
            for name, column in rows.items():
                column.append(row.get(name))
            at += service + 60
    return tables.write_requests(folder, number, rows)


def sample(
    folder: Path,
    number: int,
    subject: Subject,
    sent_us: Sequence[int],
    span_us: tuple[float, float],
    *,
    stolen: bool = False,
) -> pa.Table:
    """Sample three processes at both ends and each 250 ms between, at the CPU that the subject costs."""
    start, end = span_us
    costs = {"app": subject.app_us, "store": subject.store_us, "generator": subject.generator_us}
    rows = []
    sweeps = math.ceil((end - start) / 250_000)
    for sweep in range(sweeps + 1):
        t_us = min(start + sweep * 250_000, end)
        done = bisect_left(sent_us, t_us)
        for pid, (role, cost_us) in enumerate(costs.items(), 100):
            if role == "store" and not subject.store_us:
                continue
            rows.append(
                {
                    "t_us": round(t_us), "role": role, "arm": None if role == "generator" else 0, "pid": pid,
                    "cpu_ns": round(5e8 + done * cost_us * 1e3 * (1.4 if stolen else 1.0)),
                    "pss_bytes": (61 + pid % 3 + sweep) * 2**20, "rss_bytes": (70 + pid % 3 + sweep) * 2**20,
                    "threads": 3, "fds": 40, "ctx_switches": done,
                }
            )  # fmt: skip
    return tables.write_resources(folder, number, rows)


EVIL = '"><script>alert(1)</script>|[red]x[/red]$\\alpha$\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe\x1b[31m`*_'
_EVIL_SERVER = VALKEY.model_copy(
    update={
        "product": "<img src=x onerror=alert(2)>",
        "version": EVIL,
        "note": "\N{PILE OF POO}",
        "settings": {"</td>": "|\n|"},
    }
)
HOSTILE = (
    EIGHT[0],
    Subject(
        EIGHT[3].variant.model_copy(
            update={"name": f"redis:{EVIL}", "slug": "../../escaped", "server": _EVIL_SERVER, "driver": EVIL}
        ),
        6_700,
        410,
        31,
        wrong_share=0.02,
    ),
    Subject(
        EIGHT[3].variant.model_copy(update={"name": "redis:" + "W" * 200, "slug": "../../escaped"}),
        5_000,
        300,
    ),
)
HOSTILE_UNAVAILABLE = variant("postgres", error=f"could not start: {EVIL}\n</table><h1>no</h1>")
