"""The generator against a server that does nothing: what it can carry here, and what its own part of a latency is."""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import machine, resources
from harness.errors import MeasurementError
from harness.generator import Generator, environ
from harness.plan import Phases
from harness.scenarios import Scenario
from reports import stats
from reports.format import Load, Plan
from reports.record import tables
from reports.record.columns import ints

if TYPE_CHECKING:
    import pyarrow as pa

    from harness.processes import Child, Processes
    from reports.format import Figures, Instrument

    Floats = np.ndarray[Any, np.dtype[np.float64]]

LIGHT_PER_S = 300.0
BUSY_PER_S = 1000.0
CLOSED_USERS = 16

_WAKES_TIMEOUT_S = 30.0
_CEILING = Path(__file__).parent / "load" / "ceiling.py"
_USERS = 64
_WARMUP_S = 0.5
_WINDOW_S = 2.0
_DRAIN_S = 1.0
_START_S = 30.0
_SAMPLE_S = 0.25
_PIECES = 4


@dataclass(frozen=True)
class Loaded:
    """One load of the server: figures of the open window, of the closed phase behind it, and of the generator.

    `pieces_us` are the window's p50 of service in µs, quarter by quarter: what differs between them, nothing caused.
    """

    figures: Figures
    closed: Figures | None
    instrument: Instrument
    pieces_us: list[float]


def wakes(processes: Processes, rate_per_s: float = BUSY_PER_S) -> dict[str, Floats]:
    """Return how late sleepers wake, in µs, by our `alarm` and by gevent's `sleep`, so many times a second."""
    cpus, _ = machine.cpus_by_role()
    log = processes.folder / "wakes.log"
    child = processes.spawn(
        [sys.executable, "-m", "harness.load.wakes", f"--rate={rate_per_s}"],
        name="timer check",
        log=log,
        env=environ(processes.folder),
        cpus=cpus.get("generator"),
    )
    if child.wait(_WAKES_TIMEOUT_S) != 0:
        raise MeasurementError(f"The timer check failed: {child.tail() or 'it said nothing'}")
    return {name: np.array(lags_ns) / 1e3 for name, lags_ns in json.loads(log.read_text()).items()}


class Yardstick:
    """A server that does nothing, on the app's CPU, to be loaded as an app would be."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._cpus, _ = machine.cpus_by_role()
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            listener.set_inheritable(True)
            self._url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self._server: Child = processes.spawn(
                [sys.executable, "-m", "harness.reflector", "--fd", str(listener.fileno())],
                name="reflector",
                log=processes.folder / "reflector.log",
                cpus=self._cpus.get("app"),
                pass_fds=(listener.fileno(),),
            )

    def load(self, rate_per_s: float, *, closed_s: float = 0.0) -> Loaded:
        """Load it openly, and then by closed loops; raises MeasurementError when the generator does not work."""
        load = Load(kind="open", users=_USERS, rate_per_s=rate_per_s)
        phases = Phases(load, _WARMUP_S, _WARMUP_S, _WINDOW_S, _DRAIN_S, CLOSED_USERS, closed_s)
        folder = self._processes.folder / f"load-{rate_per_s:g}"
        generator = self._generator(phases, folder)
        sampler = resources.Sampler()
        for _ in range(round((_START_S + phases.seconds + phases.drain_s) / _SAMPLE_S)):
            sampler.sample({"app": [self._server.pid], "generator": generator.pids()})
            if generator.child.wait(_SAMPLE_S) is not None or self._server.poll() is not None:
                break
        generator.child.stop()
        recorded = generator.recorded()
        if recorded is None:
            raise MeasurementError(f"The generator recorded nothing: {generator.child.tail() or 'its log is empty'}")
        requests = tables.write_requests(folder, 1, recorded.requests)
        samples = tables.write_resources(folder, 1, resources.from_t0(sampler.rows, recorded.t0_ns))
        closed = None
        if recorded.closed_from_ns is not None:
            from_s = (recorded.closed_from_ns - recorded.t0_ns) / 1e9
            closed = stats.closed_figures(requests, samples, arm=0, from_s=from_s, window_s=closed_s)
        return Loaded(
            figures=stats.figures(requests, samples, arm=0, window_s=_WINDOW_S, load=load),
            closed=closed,
            instrument=stats.instrument(samples, recorded.lags_ns, window_s=_WINDOW_S),
            pieces_us=_pieces(requests),
        )

    def _generator(self, phases: Phases, folder: Path) -> Generator:
        plan = Plan(
            name="doctor", profile="doctor", scenario="ceiling", load=phases.load, blocks=1, warmup_s=phases.warmup_s,
            window_s=phases.window_s, drain_s=phases.drain_s, sessions=0, seed=1, order=[["ceiling"]],
        )  # fmt: skip
        return Generator(
            self._processes,
            plan,
            Scenario("ceiling", _CEILING, "", {}),
            [self._url],
            phases=phases,
            folder=folder,
            seed=plan.seed,
            cpus=self._cpus.get("generator"),
        )


def _pieces(requests: pa.Table) -> list[float]:
    """Return the median service time of each quarter of the window; what was not answered is left out."""
    scheduled_us, service_us = ints(requests, "scheduled_us"), ints(requests, "service_us")
    edges = np.linspace(0, _WINDOW_S * 1e6, _PIECES + 1)
    inside = [(scheduled_us >= low) & (scheduled_us < high) & (service_us >= 0) for low, high in pairwise(edges)]
    return [float(np.median(service_us[piece])) for piece in inside if piece.any()]
