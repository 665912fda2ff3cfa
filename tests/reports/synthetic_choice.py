"""Runs whose answer is known, since every figure of them is given: figures only, no requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports import stats
from reports.format import Arm, Figures, Load, Plan, Run, Trial, Variant, Verdict
from reports.judging import told
from tests.reports import synthetic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.format import Server

KEPT = {"none": "nothing", "memory": "process", "cookie": "client"}
SERVERS: dict[str, Server] = {
    "redis": synthetic.VALKEY, "postgres": synthetic.POSTGRES, "mongodb": synthetic.MONGOD, "http": synthetic.SERVICE,
}  # fmt: skip
DURABLE = {"postgres": "every acknowledged write", "cookie": "every acknowledged write"}
APART = {"redis": (2.0, 2.1, 2.2), "postgres": (4.0, 4.1, 4.2), "mongodb": (6.0, 6.3, 6.6)}
"""p99 in ms by block: redis is the fastest in every one, by far."""


def variant(name: str, **facts: Any) -> Variant:
    """Return a variant as the backend of its name would describe itself."""
    backend = name.partition(":")[0]
    server = SERVERS.get(backend)
    keeps = KEPT.get(backend, "server")
    traits = {
        "keeps": keeps, "revocable": keeps not in {"client", "nothing"}, "shared_between_workers": keeps != "process",
    }  # fmt: skip
    durability = server.durability if server else DURABLE.get(backend, "none")
    return synthetic.variant(name, **{"traits": traits, "server": server, "durability": durability} | facts)


def figures(p99_ms: float, *, app_us: float = 400.0, store: bool = True, per_s: float = 200.0) -> Figures:
    """Return figures of open load with this p99; the median is a third of it."""
    parts: dict[Any, Any] = {"app": app_us, "store": 50.0 if store else None}
    held: dict[Any, Any] = {"app": 50 * 2**20, "store": 20 * 2**20 if store else None}
    times = {"mean_us": p99_ms * 400, "p50_us": p99_ms * 1e3 / 3, "p95_us": p99_ms * 700, "p99_us": p99_ms * 1e3}
    return Figures(
        requests=2_000, outcomes={"ok": 2_000}, window_s=10.0, requests_per_s=per_s, max_us=p99_ms * 3e3, error_share=0,
        cpu_us_per_request=parts, rss_bytes=held, pss_bytes=held, cpu_share={"generator": 0.3}, queue_growth=0.0,
        **times,
    )  # fmt: skip


def run(
    p99_ms: Mapping[str, Sequence[float]],
    *,
    drawn_per_s: Mapping[str, Sequence[float]] | None = None,
    states: Mapping[str, Any] | None = None,
    extra: Sequence[Variant] = (),
    **planned: Any,
) -> Run:
    """Return a run of these variants; `states` are verdicts by variant, `drawn_per_s` what closed loops drew."""
    variants = [*map(variant, p99_ms), *extra]
    blocks = max(map(len, p99_ms.values()), default=0)
    made = Run(
        harness_version="0.1.0", started_at="2026-05-04T10:00:00Z", finished_at="2026-05-04T10:09:00Z",
        status="finished", environment=synthetic.ENVIRONMENT, variants=variants,
        plan=Plan(
            **{
                "name": "choice", "profile": "quick", "scenario": "login_profile",
                "load": Load(kind="open", users=64, rate_per_s=200), "closed_users": 16 if drawn_per_s else 0,
                "closed_s": 1.0 if drawn_per_s else 0.0, "blocks": blocks, "warmup_s": 1.0, "window_s": 10.0,
                "drain_s": 1.0, "sessions": 10_000, "seed": 7, "order": [list(p99_ms)] * blocks, **planned,
            }
        ),
    )  # fmt: skip
    for name, times in p99_ms.items():
        for block, time in enumerate(times):
            store = made.variant(name).server is not None
            drawn = (drawn_per_s or {}).get(name)
            arm = Arm(
                variant=name,
                figures=figures(time, app_us=100 * time, store=store),
                closed=figures(time, store=store, per_s=drawn[block]) if drawn else None,
            )
            state = (states or {}).get(name, "VALID")
            verdict = Verdict(state=state, reasons=[] if state == "VALID" else ["the generator was late"])
            made.trials.append(
                Trial(
                    number=len(made.trials) + 1, block=block, arms=[arm], started_at="2026-05-04T10:00:00Z",
                    warmup_s=1.0, window_s=10.0, verdict=verdict,
                )
            )  # fmt: skip
    made.summaries = stats.summaries(made.trials, made.baseline)
    made.told = told.told(made.trials, list(p99_ms)) if made.plan.ranking else []
    return made
