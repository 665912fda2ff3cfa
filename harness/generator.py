"""The load generator: Locust headless in a process of its own, and what it recorded."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.load import spool
from reports.tables import REQUESTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.processes import Processes
    from harness.scenarios import Scenario
    from reports.format import Plan

_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "PYTHONPATH")


def command(scenario: Path) -> list[str]:
    """Return the command that runs a scenario under our recorder."""
    return [sys.executable, "-m", "harness.load", "-f", str(scenario)]


def environ(home: Path) -> dict[str, str]:
    """Return an environment in which no LOCUST_* name and no ~/.locust.conf of the user's changes the load."""
    passed_on = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return {**passed_on, "HOME": str(home), "PYTHONHASHSEED": "0"}


@dataclass(frozen=True)
class Recorded:
    """What a generator left: `requests` are the columns of requests.parquet, `messages` counts what went wrong."""

    requests: dict[str, np.ndarray[Any, Any]]
    t0_ns: int
    messages: dict[str, int]


class Generator:
    """One Locust process that loads one app, reached at `url`."""

    def __init__(
        self,
        processes: Processes,
        plan: Plan,
        scenario: Scenario,
        url: str,
        *,
        folder: Path,
        seed: int,
        cpus: Sequence[int] | None,
    ) -> None:
        self._spool = (folder / "spool").resolve()  # Locust runs in a folder of its own
        self._spool.mkdir(parents=True)
        self._offset = 0
        options: dict[str, Any] = {
            "host": url,
            "users": plan.load.users,
            "spawn-rate": plan.load.users,
            "stop-timeout": math.ceil(plan.drain_s),  # Locust takes whole seconds
            "client": plan.client,
            "warmup-s": plan.warmup_s,
            "window-s": plan.window_s,
            "seed": seed,
            "spool": self._spool,
            **{name.replace("_", "-"): value for name, value in plan.parameters.items()},
        }
        flags = [f"--{name}={value}" for name, value in options.items()]
        self.child = processes.spawn(
            [*command(scenario.path), "--headless", "--only-summary", *flags],
            name="generator",
            log=folder / "locust.log",
            env=environ(folder),
            cwd=folder,
            cpus=cpus,
        )

    def recent(self) -> tuple[int, np.ndarray[Any, Any]]:
        """Return how many requests ended since the last call, and their service times in µs."""
        rows, self._offset = spool.tail(self._spool / "worker-0.rows", self._offset)
        return len(rows), rows["service_ns"] / 1000

    def recorded(self, arm: int) -> Recorded | None:
        """Read what was recorded, or None when the generator was cut short before its window began."""
        spools = spool.read(self._spool)
        starts = [part.facts["t0_ns"] for part in spools if part.facts["t0_ns"] is not None]
        if not starts:
            return None
        t0_ns = min(starts)
        messages: dict[str, int] = {}
        for part in spools:
            for message, count in part.facts["messages"].items():
                messages[message] = messages.get(message, 0) + count
        parts = [_columns(part, arm, t0_ns) for part in spools]
        requests = {name: np.concatenate([part[name] for part in parts]) for name in REQUESTS.names}
        return Recorded(requests, t0_ns, messages)


def _columns(part: spool.Spool, arm: int, t0_ns: int) -> dict[str, np.ndarray[Any, Any]]:
    """Turn one worker's rows into the columns of requests.parquet; times become whole µs from t0."""
    rows = part.rows
    sent_us = (rows["sent_ns"] - t0_ns) // 1000
    service_us = (rows["service_ns"] + 500) // 1000
    nothing = np.full(len(rows), None)
    return {
        "arm": np.full(len(rows), arm),
        "name": np.array(part.names, dtype=object)[rows["name"]],
        "phase": np.where(sent_us < 0, "warmup", "solo").astype(object),
        "slice": nothing,
        "user": rows["user"],
        "worker": np.full(len(rows), part.worker),
        "scheduled_us": nothing,
        "wake_lag_us": nothing,
        "sent_us": sent_us,
        "service_us": service_us,
        "response_us": service_us,
        "received_bytes": rows["received_bytes"],
        "status": np.where(rows["status"] > 0, rows["status"].astype(object), nothing),
        "outcome": np.array(spool.OUTCOMES, dtype=object)[rows["outcome"]],
    }
