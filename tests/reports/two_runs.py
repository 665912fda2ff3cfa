"""Runs in memory, made from figures block by block, and every fact in which one run may differ from another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports.format import Arm, Figures, Load, Plan, Run, Trial, Verdict
from tests.reports import synthetic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.format import Variant

NONE = synthetic.variant("none", traits={"keeps": "nothing"})
REDIS = synthetic.variant("redis", driver="redis 8.1.0", server=synthetic.VALKEY)
POSTGRES = synthetic.variant("postgres", driver="asyncpg 0.32.0", server=synthetic.POSTGRES)

FORBIDS: dict[str, tuple[str, Any]] = {
    "environment.cpu": ("CPU", "Intel Xeon"),
    "environment.cores": ("number of CPUs", 4),
    "environment.kernel": ("kernel", "Linux 6.18.45"),
    "environment.system": ("operating system", "Ubuntu 26.04 LTS"),
    "environment.virtualization": ("virtualization", ""),
    "environment.clock": ("clock", "CLOCK_BOOTTIME"),
    "environment.data_folder_filesystem": ("file system of the stores", "tmpfs"),
    "environment.cpus": ("CPU pinning", {"app": [1], "generator": [0], "store": [0], "harness": [0]}),
    "environment.python": ("Python", "3.13.1"),
    "environment.packages.locust": ("locust", "2.48.0"),
    "environment.packages.gevent": ("gevent", "26.10.0"),
    "environment.packages.geventhttpclient": ("geventhttpclient", "2.7.0"),
    "environment.packages.httptools": ("httptools", "0.10.0"),
    "harness_version": ("session-bench", "0.2.0"),
    "plan.scenario": ("scenario", "write_heavy"),
    "plan.parameters.reads": ("parameter reads", 8),
    "plan.parameters.payload_bytes": ("parameter payload_bytes", 4_000),
    "plan.load.kind": ("load", "closed"),
    "plan.load.rate_per_s": ("rate", 300.0),
    "plan.load.arrivals": ("spacing of arrivals", "constant"),
    "plan.load.users": ("users", 128),
    "plan.closed_users": ("closed phase", 32),
    "plan.closed_s": ("closed phase", 2.0),
    "plan.warmup_s": ("warm-up", 2.0),
    "plan.warmup_most_s": ("warm-up", 8.0),
    "plan.window_s": ("window", 10.0),
    "plan.sessions": ("sessions in the store", 1_000_000),
    "plan.client": ("client", "stock"),
    "plan.processes": ("processes of the generator", 2),
    "variants.redis.backend": ("backend of redis", "redis_twin"),
    "variants.redis.options.pool": ("option pool of redis", 64),
    "variants.redis.workers": ("workers of redis", 2),
    "variants.redis.rtt_ms": ("round-trip time of redis", 4.0),
    "variants.redis.driver": ("driver of redis", "redis 7.1.0"),
    "variants.redis.durability": ("durability of redis", "process restart"),
    "variants.redis.python": ("Python of redis", "3.13.1"),
    "variants.redis.server": ("store of redis", None),
    "variants.redis.server.product": ("store of redis", "Redis"),
    "variants.redis.server.version": ("store of redis", "9.1.3"),
    "variants.redis.server.build": ("build of redis's store", "another"),
    "variants.redis.server.source": ("origin of redis's store", "docker"),
    "variants.redis.server.durability": ("durability of redis's store", "process restart"),
    "variants.redis.server.settings.io-threads": ("setting io-threads of redis's store", "4"),
}
"""By their path in run.json: what a fact is called, and another value than any run here has."""
BESIDE: dict[str, tuple[str, Any]] = {
    "environment.memory_bytes": ("memory", 64 * 2**30),
    "environment.fsync_p50_us": ("fsync, p50", 12_345.0),
    "environment.packages.fastapi": ("fastapi", "0.166.0"),
    "plan.blocks": ("blocks", 24),
    "variants.redis.source.digest": ("code of redis", "0123456789abcdef"),
}
"""The same of facts that are said, and do not forbid to compare."""


def changed(run: Run, path: str, value: Any) -> Run:
    """Return a copy of a run in which one fact is another."""
    return Run.model_validate(alter(run.model_dump(), path, value))


def alter(raw: Any, path: str, value: Any) -> Any:
    """Change one fact of a run.json in place, and return it."""
    *way, last = path.split(".")
    place = raw
    for step in way:
        place = next(each for each in place if each["name"] == step) if isinstance(place, list) else place[step]
    place[last] = value
    return raw


def figures(p50_us: float | None, app_us: float, **facts: Any) -> Figures:
    """Return figures of 600 requests whose tails are as long as usual."""
    given: dict[str, Any] = {
        "requests": 600, "outcomes": {"ok": 600}, "window_s": 3.0, "requests_per_s": 200.0, "mean_us": p50_us,
        "p50_us": p50_us, "p95_us": p50_us and p50_us * 2, "p99_us": p50_us and p50_us * 3, "max_us": p50_us,
        "error_share": 0.0, "cpu_us_per_request": {"app": app_us}, "rss_bytes": {}, "pss_bytes": {}, "cpu_share": {},
        "dispatch_lag_p50_us": 60.0,
    }  # fmt: skip
    return Figures(**{**given, **facts})


def trial(block: int, *arms: Arm, state: Any = "VALID", **facts: Any) -> Trial:
    """Return a trial, of a pair where it has two arms."""
    given: dict[str, Any] = {
        "number": block, "block": block, "arms": [*arms], "started_at": f"2026-05-04T10:{block:02d}:00Z",
        "t0_monotonic_ns": block * 10**9, "purpose": "pair" if len(arms) == 2 else "latency", "warmup_s": 1.0,
        "window_s": 3.0, "verdict": Verdict(state=state, reasons=[] if state == "VALID" else [f"made {state}"]),
    }  # fmt: skip
    return Trial(**{**given, **facts})


def run(trials: Sequence[Trial], variants: Sequence[Variant] = (NONE, REDIS, POSTGRES), **facts: Any) -> Run:
    """Return a finished run of open load."""
    given: dict[str, Any] = {
        "harness_version": "0.1.0", "started_at": "2026-05-04T10:00:00Z", "status": "finished",
        "environment": synthetic.ENVIRONMENT, "variants": [*variants], "trials": [*trials],
        "plan": Plan(
            name="made", profile="standard", scenario="login_profile", blocks=12, warmup_s=1.0, window_s=3.0,
            load=Load(kind="open", users=64, rate_per_s=200.0), drain_s=1.0, sessions=10_000, seed=7, order=[],
        ),
    }  # fmt: skip
    return Run(**{**given, **facts})


def interleaved(values: Mapping[str, Sequence[tuple[float, float]]]) -> list[Trial]:
    """Return the trials of variants that were each served alone, from (p50_us, app CPU in µs) by block, from 1."""
    return [
        trial(block, Arm(variant=name, figures=figures(*blocks[block - 1])))
        for block in range(1, max(map(len, values.values())) + 1)
        for name, blocks in values.items()
    ]


def steady(p50_us: float, app_us: float, blocks: int = 12) -> list[tuple[float, float]]:
    """Return blocks that the machine moves up and down by 20 %, and all variants alike, but for a half per cent."""
    found = []
    for block in range(blocks):
        machine = 1 + 0.2 * (block % 3 - 1)
        own = 1 + 0.005 * ((block * 7 + round(p50_us)) % 5 - 2) / 2
        found.append((p50_us * machine * own, app_us * machine * own))
    return found
