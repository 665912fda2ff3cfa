"""Loads a server that does nothing for as long as it takes, and watches the generator's memory."""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

import harness.load
from harness import machine
from tests.instrument import known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.processes import Child, Processes

CEILING = Path(harness.load.__file__).with_name("ceiling.py")
_USERS = 16
_LOOK_S = 0.1
_WHOLE_DAY_S = 86_400.0


@dataclass(frozen=True)
class Memory:
    """How many requests had been recorded, and how much memory the generator held: one entry a look."""

    requests: list[int]
    rss_bytes: list[int]

    def at(self, share: float) -> int:
        """Return the memory when this share of all requests had been recorded."""
        return int(np.interp(share * self.requests[-1], self.requests, self.rss_bytes))

    def bytes_per_request(self, after: float) -> float:
        """Return the slope of a straight line through the looks after this share of the requests."""
        requests, rss_bytes = np.array(self.requests, dtype=float), np.array(self.rss_bytes, dtype=float)
        late = requests >= after * requests[-1]
        return float(np.polynomial.Polynomial.fit(requests[late], rss_bytes[late], 1).convert().coef[1])


def soak(processes: Processes, requests: int, scenario: Path = CEILING) -> Iterator[Memory]:
    """Load at full rate until so many requests are recorded; yields what was seen so far, about once a second."""
    reflector, url = reflect(processes)
    generator = known.generate(
        processes, url, known.closed(_USERS), warmup_s=0.0, window_s=_WHOLE_DAY_S, scenario=scenario
    )
    seen = Memory([], [])
    recorded = 0
    patience = time.monotonic() + known.START_S
    while recorded < requests:
        for _ in range(round(1 / _LOOK_S)):
            if generator.child.wait(_LOOK_S) is not None or reflector.poll() is not None:
                raise RuntimeError(f"the load ended before its time: {generator.child.tail()}{reflector.tail()}")
            recorded += len(generator.recent())
            if recorded:
                seen.requests.append(recorded)
                seen.rss_bytes.append(psutil.Process(generator.child.pid).memory_info().rss)
        if not recorded and time.monotonic() > patience:
            raise RuntimeError(f"no request was recorded within {known.START_S:g} s: {generator.child.tail()}")
        if recorded:
            yield seen
    generator.child.stop()
    reflector.stop()


def reflect(processes: Processes) -> tuple[Child, str]:
    """Start a server that does nothing but answer; returns it and its URL."""
    cpus, _ = machine.cpus_by_role()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        listener.set_inheritable(True)
        child = processes.spawn(
            [sys.executable, "-m", "harness.reflector", "--fd", str(listener.fileno())],
            name="reflector",
            log=processes.folder / "reflector.log",
            cpus=cpus.get("app"),
            pass_fds=(listener.fileno(),),
        )
        return child, f"http://127.0.0.1:{listener.getsockname()[1]}"
