"""Tables of a trial from a few rows, each told only by what matters to a test."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from reports.record import tables

SECOND = 1_000_000


def request(**facts: Any) -> dict[str, Any]:
    """Return a request that was answered 100 µs after it was sent."""
    row = {"arm": 0, "name": "GET /profile", "phase": "solo", "worker": 0, "sent_us": 10, "outcome": "ok"}
    row |= {"service_us": 100, "response_us": facts.get("service_us", 100)}
    return dict.fromkeys(tables.REQUESTS.names) | row | facts


def arrival(at_us: int, answer_us: int = 100, *, lag_us: int = 0, **facts: Any) -> dict[str, Any]:
    """Return an arrival of open load that a free user took `lag_us` late, and that was served in `answer_us`."""
    row = {
        "scheduled_us": at_us, "wake_lag_us": lag_us, "sent_us": at_us + lag_us, "service_us": answer_us,
        "response_us": answer_us + lag_us, "user": 0,
    }  # fmt: skip
    return request(**row | facts)


def unsent(at_us: int, wait_us: int) -> dict[str, Any]:
    """Return an arrival that never got a user."""
    lacking: dict[str, Any] = dict.fromkeys(("wake_lag_us", "sent_us", "service_us", "user"))
    return arrival(at_us, **lacking, response_us=wait_us, outcome="unsent")


def requests(*rows: dict[str, Any]) -> pa.Table:
    """Return a table of requests."""
    return pa.Table.from_pylist(list(rows), schema=tables.REQUESTS)


def sample(t_us: int, role: str, pid: int, cpu_ms: float, **facts: Any) -> dict[str, Any]:
    """Return a sample of a process."""
    row = {"t_us": t_us, "role": role, "arm": 0, "pid": pid, "cpu_ns": round(cpu_ms * 1e6)}
    return dict.fromkeys(tables.RESOURCES.names) | row | facts


def resources(*rows: dict[str, Any]) -> pa.Table:
    """Return a table of samples."""
    return pa.Table.from_pylist(list(rows), schema=tables.RESOURCES)
