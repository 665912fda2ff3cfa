"""The load generator: Locust headless in a process of its own, and what it recorded."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import psutil
import pyarrow as pa

from harness.errors import MeasurementError
from harness.load import spool
from reports.record.tables import REQUESTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.plan import Phases
    from harness.processes import Processes
    from harness.scenarios import Scenario
    from reports.format import Plan

_PHASES = ("warmup", "solo", "closed", "duet", "slice")
_WARMUP, _SOLO, _CLOSED, _DUET, _SLICE = range(5)
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "PYTHONPATH")


def command(scenario: Path) -> list[str]:
    """Return the command that runs a scenario under our recorder."""
    return [sys.executable, "-m", "harness.load", "-f", str(scenario)]


def environ(home: Path) -> dict[str, str]:
    """Return an environment in which no LOCUST_* name and no ~/.locust.conf of the user's changes the load."""
    passed_on = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return {**passed_on, "HOME": str(home), "PYTHONHASHSEED": "0"}


class Part(NamedTuple):
    """A duet or a slice as it was: its number in its phase, whose it was (None: both arms'), and when, in ns."""

    phase: str
    number: int
    arm: int | None
    from_ns: int
    to_ns: int


@dataclass(frozen=True)
class Recorded:
    """What a generator left.

    `requests` are the columns of requests.parquet; `begin_ns`, `t0_ns` and `closed_from_ns` are when load, window and
    closed phase began (the last is None where there was none); `lags_ns` how late the generator's loop was, 50 times a
    second of the window; `messages` counts what went wrong; `parts` are the duets and slices of two arms. `checks`
    says for each property how many answers of the whole trial, warm-up included, were held against it, and how many
    broke it (empty where the scenario counts nothing).
    """

    requests: dict[str, Any]
    begin_ns: int
    t0_ns: int
    closed_from_ns: int | None
    lags_ns: np.ndarray[Any, np.dtype[np.int64]]
    messages: dict[str, int]
    parts: list[Part]
    checks: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Duet:
    """What a generator does with two arms: so many duets of a window each, then a slice for each arm in `slices`."""

    parts: int = 1
    slices: str = ""
    slice_s: float = 0.25
    gap_s: float = 0.02

    def seconds(self, window_s: float) -> float:
        """Return what it adds to the first window, with the pauses between its parts."""
        return (window_s + 0.1) * (self.parts - 1) + len(self.slices) * (self.slice_s + self.gap_s + 0.03)


class Generator:
    """Locust that loads one app, or two arms of a pair: one process, or one for each of the plan's and a master.

    `urls` are where the apps are reached.
    """

    def __init__(
        self,
        processes: Processes,
        plan: Plan,
        scenario: Scenario,
        urls: Sequence[str],
        *,
        phases: Phases,
        folder: Path,
        seed: int,
        cpus: Sequence[int] | None,
        duet: Duet | None = None,
    ) -> None:
        self._spool = (folder / "spool").resolve()  # Locust runs in a folder of its own
        self._spool.mkdir(parents=True)
        self._offsets = dict.fromkeys(range(plan.processes), 0)
        users = max(phases.load.users, plan.processes)
        options: dict[str, Any] = {
            "host": urls[0],
            "users": users,
            "spawn-rate": users,
            "stop-timeout": math.ceil(phases.drain_s),  # Locust takes whole seconds
            "client": plan.client,
            "rate": phases.load.rate_per_s or 0,
            "arrivals": phases.load.arrivals,
            "warmup-s": phases.warmup_s,
            "warmup-most-s": phases.warmup_most_s,
            "window-s": phases.window_s,
            "drain-s": phases.drain_s,
            "closed-s": phases.closed_s,
            "closed-users": phases.closed_users,
            "seed": seed,
            "spool": self._spool,
            **({} if plan.processes == 1 else _several(plan.processes)),
            **({} if duet is None else _two_arms(urls, duet)),
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

    def pids(self) -> list[int]:
        """Return the process ids of Locust and its workers."""
        if len(self._offsets) > 1:  # looking for children takes milliseconds
            with contextlib.suppress(psutil.Error):
                return [self.child.pid, *(worker.pid for worker in psutil.Process(self.child.pid).children())]
        return [self.child.pid]

    def recent(self) -> np.ndarray[Any, Any]:
        """Return the rows of the requests that ended since the last call, as `spool.tail` does."""
        parts = []
        for worker, offset in self._offsets.items():
            rows, self._offsets[worker] = spool.tail(self._spool / f"worker-{worker}.rows", offset)
            parts.append(rows)
        return np.concatenate(parts)

    def be_steady(self) -> None:
        """End the warm-up, where it has not ended."""
        (self._spool / spool.STEADY).touch()

    def recorded(self, places: Sequence[int] = (0, 1)) -> Recorded | None:
        """Read what was recorded, or None when the generator was cut short before its window began.

        `places` are the arms in the order of the URLs.

        Raises MeasurementError when some of its processes left nothing: what the others did is not the plan's load.
        """
        spools = [part for part in spool.read(self._spool) if part.facts["t0_ns"] is not None]
        if not spools:
            return None
        if lost := len(self._offsets) - len(spools):
            raise MeasurementError(
                f"{lost} of the generator's {len(self._offsets)} processes ended without their record: "
                f"{self.child.tail(1) or 'their log is empty'}"
            )
        messages: dict[str, int] = {}
        for part in spools:
            for message, count in part.facts["messages"].items():
                messages[message] = messages.get(message, 0) + count
        parts = [_columns(part, places) for part in spools]
        requests = {name: _joined([part[name] for part in parts]) for name in REQUESTS.names}
        facts = spools[0].facts
        lags_ns = np.concatenate([np.array(part.facts["lags_ns"], dtype=np.int64) for part in spools])
        return Recorded(
            requests,
            facts["begin_ns"],
            facts["t0_ns"],
            facts["closed_from_ns"],
            lags_ns,
            messages,
            _parts(facts, places),
            _checks(spools),
        )


def _several(processes: int) -> dict[str, Any]:
    """Return the options of several processes, whose master listens on a free port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return {"processes": processes, "master-bind-host": "127.0.0.1", "master-bind-port": port, "master-port": port}


def _two_arms(urls: Sequence[str], duet: Duet) -> dict[str, Any]:
    """Return the options of a trial of a pair."""
    return {
        "arms": ",".join(urls),
        "duets": duet.parts,
        "slices": duet.slices,
        "slice-s": duet.slice_s,
        "gap-s": duet.gap_s,
    }


def _parts(facts: dict[str, Any], places: Sequence[int]) -> list[Part]:
    return [
        Part(phase, number, None if arm is None else places[arm], from_ns, to_ns)
        for phase, number, arm, from_ns, to_ns in facts.get("parts", [])
    ]


def _checks(spools: Sequence[spool.Spool]) -> dict[str, tuple[int, int]]:
    checks: dict[str, tuple[int, int]] = {}
    for part in spools:
        for name, (checked, wrong) in part.facts.get("checks", {}).items():
            before = checks.get(name, (0, 0))
            checks[name] = before[0] + checked, before[1] + wrong
    return checks


def _columns(part: spool.Spool, places: Sequence[int]) -> dict[str, Any]:
    """Turn one worker's rows into the columns of requests.parquet; times become whole µs from its own t0.

    Every worker counts from the window's begin by its own clock, which is another clock on another machine.
    """
    rows, t0_ns, closed_ns = part.rows, part.facts["t0_ns"], part.facts["closed_ns"]
    scheduled, sent = rows["scheduled_ns"] != spool.NONE, rows["sent_ns"] != spool.NONE
    start_ns = np.where(scheduled, rows["scheduled_ns"], rows["sent_ns"])
    # What was never sent has its wait where others have their service time.
    ended_ns = np.where(sent, rows["sent_ns"], rows["scheduled_ns"]) + rows["service_ns"]
    phase = np.where(start_ns < t0_ns, _WARMUP, _SOLO)
    if closed_ns is not None:
        phase[sent & ~scheduled & (rows["sent_ns"] >= closed_ns)] = _CLOSED
    phase, place = _placed(start_ns, phase, _parts(part.facts, places))
    return {
        "arm": np.array(places, dtype=np.int8)[rows["arm"]],
        "name": _words(rows["name"], part.names),
        "phase": _words(phase, _PHASES),
        "slice": _nullable(place, place >= 0),
        "user": _nullable(rows["user"], rows["user"] >= 0),
        "worker": np.full(len(rows), part.worker, dtype=np.int16),
        "scheduled_us": _nullable((rows["scheduled_ns"] - t0_ns) // 1000, scheduled),
        "wake_lag_us": _nullable(_us(rows["wake_lag_ns"]), rows["wake_lag_ns"] != spool.NONE),
        "sent_us": _nullable((rows["sent_ns"] - t0_ns) // 1000, sent),
        "service_us": _nullable(_us(rows["service_ns"]), sent),
        "response_us": _us(ended_ns - start_ns),
        "received_bytes": rows["received_bytes"],
        "status": _nullable(rows["status"], rows["status"] > 0),
        "outcome": _words(rows["outcome"], spool.OUTCOMES),
    }


def _placed(
    start_ns: np.ndarray[Any, Any], phase: np.ndarray[Any, Any], parts: Sequence[Part]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return each row's phase, and the number of its duet or slice (else -1), by its intended start.

    What two arms were sent between parts counts in none of them, as in a warm-up.
    """
    place = np.full(len(start_ns), -1, dtype=np.int32)
    if parts:
        phase = np.full(len(start_ns), _WARMUP)
    for part in parts:
        inside = (start_ns >= part.from_ns) & (start_ns < part.to_ns)
        phase[inside] = _DUET if part.phase == "duet" else _SLICE
        place[inside] = part.number
    return phase, place


def _us(ns: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (ns + 500) // 1000


def _nullable(values: np.ndarray[Any, Any], there: np.ndarray[Any, Any]) -> pa.Array:
    return pa.array(values, mask=~there)


def _words(places: np.ndarray[Any, Any], words: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), pa.array(words, pa.string()))


def _joined(parts: list[Any]) -> Any:
    """Join the workers' parts of one column."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return pa.chunked_array(parts).unify_dictionaries().combine_chunks()
