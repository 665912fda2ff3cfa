"""Runs over round-trip time made up so that the crossing is known: figures only, no requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports import stats
from reports.format import Arm, Capacity, Figures, Load, Plan, Run, Trial, Variant, Verdict
from reports.record.relayed import Relayed
from tests.reports import synthetic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RTTS = (0.0, 0.5, 1.0, 4.0, 20.0)
TRIPS = 1.1


def waiting(rtt_ms: float) -> tuple[float, float]:
    """Return what an app does whose loop waits for every answer of the store: dearest where the store is far."""
    own_us = 380 + TRIPS * rtt_ms * 1e3
    return own_us * 1.5, 1e6 / own_us


def free(rtt_ms: float) -> tuple[float, float]:
    """Return what an app does whose loop goes on meanwhile: a dearer driver, and sixteen users at once."""
    return 900 + TRIPS * rtt_ms * 1e3, min(1e6 / 620, 16e6 / (900 + TRIPS * rtt_ms * 1e3))


APPS: dict[str, Callable[[float], tuple[float, float]]] = {"redis": free, "redis:driver=sync": waiting}


def run(
    apps: Mapping[str, Callable[[float], tuple[float, float]]] = APPS,
    rtts: Sequence[float] = RTTS,
    *,
    blocks: int = 3,
    spread: float = 0.04,
    late: float = 1.0,
) -> Run:
    """Return a run of every app at every distance; blocks differ evenly, by `spread` at most to either side."""
    names = [f"{name}{',' if ':' in name else ':'}rtt={rtt:g}" for name in apps for rtt in rtts]
    variants = [
        synthetic.variant(f"{name}{',' if ':' in name else ':'}rtt={rtt:g}", rtt_ms=rtt, server=synthetic.VALKEY)
        for name in apps
        for rtt in rtts
    ]
    made = Run(
        harness_version="0.1.0", started_at="2026-05-04T10:00:00Z", finished_at="2026-05-04T10:09:00Z",
        status="finished", environment=synthetic.ENVIRONMENT, variants=[_baseline(), *variants],
        plan=Plan(
            name="synthetic", profile="quick", scenario="login_profile",
            load=Load(kind="open", users=64, rate_per_s=300), closed_users=16, closed_s=1.0, blocks=blocks,
            warmup_s=0.5, window_s=3.0, drain_s=1.0, sessions=10_000, seed=7, order=[names] * blocks,
        ),
    )  # fmt: skip
    for block in range(blocks):
        share = 1 + spread * (2 * block / max(blocks - 1, 1) - 1)
        for name, app in apps.items():
            for rtt in rtts:
                p50_us, per_s = app(rtt)
                variant = f"{name}{',' if ':' in name else ':'}rtt={rtt:g}"
                made.trials.append(_trial(made, variant, block, p50_us * share, per_s * share, rtt, late))
    made.summaries = stats.summaries(made.trials)
    made.capacities = [
        Capacity(variant=name, lower_per_s=apps[_app(name)](rtt)[1] * 0.8, upper_per_s=apps[_app(name)](rtt)[1] * 0.9,
                 limit="app CPU", why="the app used 99 % of its core")
        for name, rtt in zip(names, [rtt for _ in apps for rtt in rtts], strict=True)
    ]  # fmt: skip
    return made


def _app(name: str) -> str:
    return name.rpartition("rtt=")[0].rstrip(",:")


def _baseline() -> Variant:
    return synthetic.variant("none", traits={"keeps": "nothing"})


def _trial(made: Run, variant: str, block: int, p50_us: float, per_s: float, rtt: float, late: float) -> Trial:  # noqa: PLR0917 - told once, above
    relayed = Relayed(
        rtt_ms=rtt, round_trips=990, round_trips_per_request=TRIPS, to_store_bytes_per_request=152,
        from_store_bytes_per_request=1_240, cpu_share=0.21 * late, connections=16,
        late_p50_us=None if rtt == 0 else 30 * late, late_p99_us=None if rtt == 0 else 90 * late,
    )  # fmt: skip
    return Trial(
        number=len(made.trials) + 1, block=block, started_at="2026-05-04T10:00:00Z", warmup_s=0.5, window_s=3.0,
        verdict=Verdict(state="VALID"), relayed=relayed,
        arms=[Arm(variant=variant, figures=_figures(p50_us, 300), closed=_figures(p50_us, per_s))],
    )  # fmt: skip


def _figures(p50_us: float, per_s: float) -> Figures:
    return Figures(
        requests=900, outcomes={"ok": 900}, window_s=3.0, requests_per_s=per_s, mean_us=p50_us * 1.1, p50_us=p50_us,
        p95_us=p50_us * 2, p99_us=p50_us * 3, max_us=p50_us * 5, error_share=0.0, cpu_us_per_request={}, rss_bytes={},
        pss_bytes={}, cpu_share={}, queue_growth=0.0,
    )  # fmt: skip
