"""What a trial with a fault showed: how the app failed, how soon it recovered, and what was lost."""

from __future__ import annotations

from typing import Literal

from reports.record import Data


class Stage(Data):
    """One stretch of an open-load trial: before the fault, while it lasts, or from when the store answers again."""

    name: Literal["before", "during", "after"]
    from_us: int
    to_us: int
    """Times from t0; a request belongs to a stage by its intended start."""
    arrivals: int
    goodput_per_s: float
    """Right answers by seconds of the stage; refusals that were planned count as right."""
    p50_us: float | None
    p99_us: float | None
    """Over all arrivals of the stage, errors included: what a user waited, whatever came."""
    longest_us: float | None
    errors: dict[str, int] = {}
    """By kind: a status such as "503", or "timeout", "transport_error", "cut", "unsent"."""


class Outage(Data):
    """A fault in a trial, as the requests saw it. Times are µs from t0 unless their names say otherwise."""

    through: Literal["process", "relay"]
    began_us: int
    lifted_us: int
    """When the store was let go on, or its new process was started."""
    answered_us: int | None
    """When the store answered the harness again; null: it never did."""
    stages: list[Stage]
    """Of requests with a session."""
    sessionless: list[Stage] = []
    """Of requests that need no session and no store."""
    first_error_us: int | None = None
    """When the first request that the fault spoilt was answered; null: none was."""
    first_error_status: int | None = None
    """Its status; null where it had none."""
    slowest_error_us: float | None = None
    """The longest that a spoilt request took from being sent until it was answered or given up."""
    hung: int = 0
    """Requests that were never answered: timeouts, and what the drain had to cut."""
    recovered_us: int | None = None
    """From here on no request failed for want of a store any more; null: they did to the end."""
    recovery_ms: float | None = None
    """From the store's answer to there: 0 when the app was back first."""
    sessions_lost: int = 0
    """Users who found themselves logged out."""
    updates_lost: int = 0
    """Acknowledged writes that a later answer did not know of."""
    connections_before: int | None = None
    connections_after: int | None = None
    """Open connections of the app, before the fault and at the window's end; null where they could not be counted."""
