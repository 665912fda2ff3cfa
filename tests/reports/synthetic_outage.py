"""Trials with a fault, made up: a store that is away from 3 s to 5 s, and apps that bear it well and badly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.record.faulted import Fault
from reports.trials import outages
from tests.reports import tabled

if TYPE_CHECKING:
    from reports.format import Verdict
    from reports.record.faulted import FaultKind
    from reports.record.outage import Outage

BEGAN_US = 3_000_000
LIFTED_US = 4_990_000
ANSWERED_US = 5_000_000
RECOVERED_US = 5_400_000
WINDOW_S = 10.0
DEADLINE_MS = 1_000.0
EVERY_US = 10_000
"""A hundred arrivals a second, every tenth of them a ping."""


@dataclass(frozen=True)
class App:
    """How long an app takes for what, in µs, and until when it refuses."""

    usual_us: int = 1_500
    refusal_us: int = 4_000
    ping_us: int = 800
    ping_away_us: int = 900
    back_us: int = RECOVERED_US
    status: int = 503


def fault(kind: FaultKind = "kill", **facts: Any) -> Fault:
    """Return the fault that keeps the store away."""
    return Fault(kind=kind, at_s=3.0, for_s=2.0, **facts)


def rows(app: App = App(), window_s: float = WINDOW_S) -> list[dict[str, Any]]:
    """Return the requests of a trial, its warm-up of half a second included."""
    made = []
    for place, at_us in enumerate(range(-500_000, round(window_s * 1e6), EVERY_US)):
        if place % 10 == 5:
            away = BEGAN_US <= at_us < ANSWERED_US
            made.append(tabled.arrival(at_us, app.ping_away_us if away else app.ping_us, name="GET /ping", status=200))
        elif BEGAN_US <= at_us < app.back_us:
            made.append(tabled.arrival(at_us, app.refusal_us, status=app.status, outcome="http_error"))
        else:
            made.append(tabled.arrival(at_us, app.usual_us, status=200))
        made[-1]["phase"] = "warmup" if at_us < 0 else "solo"
    return made


def seen(made: list[dict[str, Any]], **facts: Any) -> Outage:
    """Return what requests saw of the store's absence; `facts` are in place of what was so here."""
    known: dict[str, Any] = {
        "through": "process", "began_us": BEGAN_US, "lifted_us": LIFTED_US,
        "answered_us": ANSWERED_US, "window_s": WINDOW_S, "deadline_ms": DEADLINE_MS, "connections_before": 8,
        "connections_after": 9,
    }  # fmt: skip
    return outages.outage(tabled.requests(*made), **known | facts)


def judged(found: Outage, kind: FaultKind = "kill", durability: str = "process restart", **facts: Any) -> Verdict:
    """Return the verdict on it."""
    slow = {"slow_ms": facts.pop("slow_ms")} if "slow_ms" in facts else {}
    known: dict[str, Any] = {"fault": fault(kind, **slow), "deadline_ms": DEADLINE_MS, "durability": durability}
    return outages.judged(found, **known | facts)
