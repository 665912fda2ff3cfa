"""Loads the known server with our generator, and finds every recorded request among the server's stamps."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, monotonic_ns
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from harness import machine
from harness.generator import Generator
from harness.plan import Phases
from harness.scenarios import Scenario
from reports.format import Load, Plan
from reports.record import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    import pyarrow as pa

    from harness.generator import Recorded
    from harness.processes import Child, Processes

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Mask = np.ndarray[Any, np.dtype[np.bool_]]

HERE = Path(__file__).parent
ASKING = HERE / "asking.py"
START_S = 60.0
_WATCH_S = 0.1


@dataclass(frozen=True)
class Served:
    """What the server stamped, in ns of CLOCK_MONOTONIC: arrival and departure by key and number."""

    stamps: dict[tuple[str, int], tuple[int, int | None]]
    frozen_ns: tuple[int, int] | None

    @property
    def answered(self) -> int:
        """How many answers left the server."""
        return sum(departure_ns is not None for _, departure_ns in self.stamps.values())


class Server:
    """The known server in a process of its own; `arguments` are its command line's."""

    def __init__(self, processes: Processes, *arguments: object) -> None:
        cpus, _ = machine.cpus_by_role()
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            listener.set_inheritable(True)
            self.address: tuple[str, int] = listener.getsockname()
            port = self.address[1]
            self.url = f"http://127.0.0.1:{port}"
            self._stamps = processes.folder / f"stamps-{port}.json"
            own = [f"--fd={listener.fileno()}", f"--stamps={self._stamps}"]
            self.child: Child = processes.spawn(
                [sys.executable, str(HERE / "server.py"), *own, *map(str, arguments)],
                name="known server",
                log=processes.folder / f"known-{port}.log",
                cpus=cpus.get("app"),
                pass_fds=(listener.fileno(),),
            )

    def stop(self) -> Served:
        """End it and read its stamps."""
        if self.child.stop() or not self._stamps.exists():
            raise RuntimeError(f"the known server failed: {self.child.tail(20)}")
        said = json.loads(self._stamps.read_text())
        stamps = {(key, number): (arrival, departure) for key, number, arrival, departure in said["stamps"]}
        if len(stamps) != len(said["stamps"]):
            raise RuntimeError("the known server saw a request twice")
        return Served(stamps, tuple(said["frozen_ns"]) or None)


@dataclass(frozen=True)
class Disturbance:
    """What kept server and generator from their CPUs, read through a trial; times and sums are seconds."""

    t_s: list[float]
    lost_s: list[float]

    def share(self, from_s: float, to_s: float) -> float:
        """Return how much of a span one of them was ready and waited, or the host gave the CPUs to another guest.

        NaN where the system does not tell.
        """
        if not self.t_s:
            return float("nan")
        before, after = np.interp([from_s, to_s], self.t_s, self.lost_s)
        return float(after - before) / (to_s - from_s)

    def look(self, children: list[Child]) -> None:
        """Add what the kernel knows now (the second field of schedstat, and steal)."""
        with contextlib.suppress(OSError):
            waited_ns = [int(Path(f"/proc/{child.pid}/schedstat").read_text().split()[1]) for child in children]
            self.lost_s.append(sum(waited_ns) / 1e9 + getattr(psutil.cpu_times(), "steal", 0.0))
            self.t_s.append(monotonic_ns() / 1e9)


@dataclass(frozen=True)
class Trial:
    """A load of the known server: what was recorded, a row a request, beside what was served.

    `table` is requests.parquet as it was written, `rows` the same with one column more: `served_us`, from arrival to
    departure by the server's stamps; NaN where it never answered.
    """

    rows: pd.DataFrame
    table: pa.Table
    served: Served
    t0_ns: int
    window_s: float
    disturbed: float
    """Of the window so much was lost to others, as in `Disturbance`."""

    @property
    def start_us(self) -> Floats:
        """When each request was meant to start: scheduled, or else sent."""
        start: Floats = self.rows["scheduled_us"].fillna(self.rows["sent_us"]).to_numpy(float)
        return start

    @property
    def in_window(self) -> pd.DataFrame:
        """The rows of the window, whatever came of them; a closed phase is not part of it."""
        start_us = self.start_us
        inside: Mask = (start_us >= 0) & (start_us < self.window_s * 1e6) & (self.rows["phase"] != "closed").to_numpy()
        return self.rows[inside]

    @property
    def answered(self) -> pd.DataFrame:
        """The rows of the window that were answered rightly."""
        rows = self.in_window
        return rows[rows["outcome"] == "ok"]


def trial(processes: Processes, load: Load, *server: object, **phases: Any) -> Trial:
    """Load a known server with these arguments of its own; `phases` are those of `generate`."""
    known = Server(processes, *server)
    disturbance = Disturbance([], [])
    recorded = record(processes, known.url, load, watch=lambda child: disturbance.look([child, known.child]), **phases)
    served = known.stop()
    table = written(processes, recorded)
    rows: pd.DataFrame = table.to_pandas()
    rows["served_us"] = served_us(rows, served)
    from_s, window_s = recorded.t0_ns / 1e9, phases["window_s"]
    disturbed = disturbance.share(from_s, from_s + window_s)
    return Trial(rows, table, served, recorded.t0_ns, window_s, disturbed)


def generate(
    processes: Processes,
    url: str,
    load: Load,
    *,
    window_s: float,
    warmup_s: float = 1.0,
    drain_s: float = 2.0,
    closed_s: float = 0.0,
    closed_users: int = 0,
    workers: int = 1,
    client: str = "lean",
    seed: int = 1,
    scenario: Path = ASKING,
    folder: Path | None = None,
) -> Generator:
    """Start the generator as a trial does; its spool lies in `folder`, a fresh one unless it is given."""
    cpus, _ = machine.cpus_by_role()
    plan = Plan.model_validate(
        {"load": load, "seed": seed, "client": client, "processes": workers}
        | {"warmup_s": warmup_s, "window_s": window_s, "drain_s": drain_s}
        | dict.fromkeys(("name", "profile", "scenario"), "known")
        | {"blocks": 1, "sessions": 0, "order": [["known"]]}
    )
    return Generator(
        processes,
        plan,
        Scenario("known", scenario, "", {}),
        [url],
        phases=Phases(load, warmup_s, warmup_s, window_s, drain_s, closed_users, closed_s),
        folder=folder or processes.folder / f"load-{len(list(processes.folder.glob('load-*')))}",
        seed=seed,
        cpus=cpus.get("generator") if workers == 1 else None,
    )


def record(
    processes: Processes,
    url: str,
    load: Load,
    *,
    watch: Callable[[Child], None] = lambda _: None,
    **phases: Any,
) -> Recorded:
    """Load a URL and return what was recorded; `watch` is called with the generator, about ten times a second."""
    generator = generate(processes, url, load, **phases)
    deadline = monotonic() + START_S + sum(value for name, value in phases.items() if name.endswith("_s"))
    while (code := generator.child.wait(_WATCH_S)) is None and monotonic() < deadline:
        watch(generator.child)
    if code is None:
        generator.child.stop()
    recorded = generator.recorded()
    if code != 0 or recorded is None:
        raise RuntimeError(f"the generator failed ({code}): {generator.child.tail(20)}")
    return recorded


def written(processes: Processes, recorded: Recorded) -> pa.Table:
    """Write requests.parquet as a trial does, and return what was written."""
    return tables.write_requests(processes.folder / "run", 1, recorded.requests)


def served_us(rows: pd.DataFrame, served: Served) -> Floats:
    """Return arrival to departure for each row: a user's n-th request sent is the server's n-th stamp of that key."""
    found = np.full(len(rows), np.nan)
    sent = rows[rows["sent_us"].notna()].reset_index().sort_values("sent_us", kind="stable")
    for key, mine in sent.groupby("name", observed=True)["index"]:
        for number, row in enumerate(mine):
            arrival_ns, departure_ns = served.stamps.get((str(key), number), (0, None))
            if departure_ns is not None:
                found[row] = (departure_ns - arrival_ns) / 1000
    return found


def quantile(values: Any, share: float) -> float:
    """Return the nearest-rank quantile, as the figures do: always a value that was seen."""
    ordered = np.sort(np.asarray(values, dtype=float))
    return float(ordered[max(0, -int(-len(ordered) * share // 1) - 1)])


def allowed_us(served_us: float) -> float:
    """Return how far a recorded quantile may lie from the one that was served: 1 % or 150 µs, the larger."""
    return max(0.01 * served_us, 150.0)


def closed(users: int) -> Load:
    """Return closed load."""
    return Load(users=users)


def arriving(rate_per_s: float, users: int, arrivals: str = "exponential") -> Load:
    """Return open load."""
    return Load.model_validate({"kind": "open", "users": users, "rate_per_s": rate_per_s, "arrivals": arrivals})
