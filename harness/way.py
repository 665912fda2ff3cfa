"""The way from an app to its store in a trial: straight, or through a relay that lengthens it and looks on."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import TYPE_CHECKING

import numpy as np
import psutil

from harness import faults, link
from reports.record.columns import NULL, ints

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from harness.arms import Arm
    from harness.link import Link, Statistics
    from harness.processes import Processes
    from harness.provision import Entrant
    from reports.record.faulted import Fault
    from reports.record.relayed import Relayed


@dataclass
class Way:
    """An arm whose app goes this way, and the relay on it, if there is one."""

    arm: Arm
    rtt_ms: float | None = None
    link: Link | None = None
    store_port: int | None = None
    """The port that the app connects to."""
    _seen: list[Statistics] = field(default_factory=list)

    def look(self, t0_ns: int | None, window_s: float) -> None:
        """Ask the relay at the window's begin and at its end, as soon as each has come; `t0_ns` is None before."""
        if self.link is None or t0_ns is None or len(self._seen) > 1:
            return
        if monotonic_ns() >= t0_ns + len(self._seen) * round(window_s * 1e9):
            self._seen.append(self.link.statistics())

    def relayed(self, requests: pa.Table, t0_ns: int) -> Relayed | None:
        """Return what passed between the two askings, for the requests that were answered between them."""
        if len(self._seen) < 2 or self.rtt_ms is None:  # noqa: PLR2004 - begin and end
            return None
        before, after = self._seen
        sent, service = ints(requests, "sent_us"), ints(requests, "service_us")
        ended_ns = (sent + service) * 1000 + t0_ns
        inside = (sent != NULL) & (ended_ns >= before.monotonic_ns) & (ended_ns < after.monotonic_ns)
        return link.relayed(before, after, rtt_ms=self.rtt_ms, requests=int(np.count_nonzero(inside)))

    def connections(self, pids: Sequence[int]) -> int | None:
        """Count the connections that the app has open to its store; None where that cannot be seen."""
        if self.store_port is None or not pids:
            return None
        try:
            return sum(
                each.raddr.port == self.store_port and each.status == psutil.CONN_ESTABLISHED
                for pid in pids
                for each in psutil.Process(pid).net_connections("tcp")
                if each.raddr
            )
        except psutil.Error:
            return None


@contextmanager
def to_store(
    processes: Processes, entrant: Entrant, fault: Fault | None, *, log: Path, cpus: Sequence[int] | None
) -> Iterator[Way]:
    """Give the way of a trial: with a relay where the variant has a round-trip time, or the fault needs one.

    Raises Unrelayable where none can stand there, UsageError for a fault that may not be done to this server.
    """
    arm, rtt_ms, server = entrant.arm, entrant.record.rtt_ms, entrant.server
    needed = rtt_ms is not None or (fault is not None and server is not None and not faults.by_process(fault, server))
    if server is None or not needed:
        yield Way(arm, store_port=_port(server.record.address) if server else None)
        return
    url = arm.environment["SESSION_APP_STORE_URL"]
    with link.between(processes, url, rtt_ms=rtt_ms or 0.0, log=log, cpus=cpus) as (relay, through):
        yield Way(arm.told(SESSION_APP_STORE_URL=through), rtt_ms, relay, relay.port)


def _port(address: str) -> int | None:
    port = address.rpartition(":")[2]
    return int(port) if port.isdecimal() else None
