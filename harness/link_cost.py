"""What a relay costs on this machine, measured against the same exchange without it."""

from __future__ import annotations

import socket
import statistics
import sys
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING

from harness.answerer import ANSWER, REQUEST_BYTES
from harness.errors import MeasurementError
from harness.link import Link
from harness.wakeups import IN, waiter
from reports.record.relayed import Addition, RelayCost

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.processes import Processes

DELAYS_MS = (0.5, 1.0, 4.0, 20.0)

_ANSWERER = Path(__file__).with_name("answerer.py")
_REQUEST = bytes(REQUEST_BYTES)
_PIECE = 64 * 1024
_WAIT_S = 60.0
_WARM = 20
_CONNECTIONS = 16
_TURNS = 4
_MOST_S = 2.0
"""So long, but for answers without it, is asked at each delay."""
_FEWEST = 20


def own_cost(
    processes: Processes,
    *,
    cpus: Sequence[int] | None = None,
    store_cpus: Sequence[int] | None = None,
    log_folder: Path,
    pairs: int = 1000,
    delays_ms: Sequence[float] = DELAYS_MS,
    seconds: float = 1.0,
) -> RelayCost:
    """Ask a server that only answers, directly and through a relay on these `cpus`, and compare; from the main thread.

    `pairs` of round trips without delay, at most as many at each delay; `seconds` for the most that either way
    carries. With the defaults it takes eight seconds. Raises ComponentError, MeasurementError for a lost connection.
    """
    with ExitStack() as stack:
        port = stack.enter_context(_answering(processes, store_cpus, log_folder))
        link = stack.enter_context(Link(processes, "127.0.0.1", port, log=log_folder / "relay.log", cpus=cpus))
        try:
            direct, relayed = (stack.enter_context(_connected(each)) for each in (port, link.port))
            found = _pairs(direct, relayed, pairs)
            most = _most(port, link, seconds)
            additions = []
            for rtt_ms in delays_ms:
                link.rtt(rtt_ms)
                delayed = _pairs(direct, relayed, max(_FEWEST, min(pairs, round(_MOST_S * 1000 / max(rtt_ms, 0.001)))))
                over_us = sorted(far - near - rtt_ms * 1000 for near, far in delayed)
                additions.append(
                    Addition(
                        rtt_ms=rtt_ms,
                        p50_us=_ranked(over_us, 0.5),
                        p99_us=_ranked(over_us, 0.99),
                        pairs=len(over_us),
                    )
                )
        except OSError as error:
            raise MeasurementError(
                f"The relay's own cost was not measured, for a connection was lost: {error}."
            ) from None
    return RelayCost(
        direct_us=statistics.median(near for near, _ in found),
        relayed_us=statistics.median(far for _, far in found),
        added_us=statistics.median(far - near for near, far in found),
        most_per_s=most.per_s,
        direct_most_per_s=most.direct_per_s,
        busy_share=most.busy_share,
        cpu_us=most.cpu_us,
        additions=additions,
    )


@contextmanager
def _answering(processes: Processes, cpus: Sequence[int] | None, log_folder: Path) -> Iterator[int]:
    """Start the server, and give its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        child = processes.spawn(
            [sys.executable, "-I", "-S", str(_ANSWERER), str(listener.fileno())],
            name="answerer",
            log=log_folder / "answerer.log",
            cpus=cpus,
            pass_fds=(listener.fileno(),),
        )
        port = int(listener.getsockname()[1])
    try:
        yield port
    finally:
        child.stop()


def _connected(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), _WAIT_S)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def _pairs(direct: socket.socket, relayed: socket.socket, pairs: int) -> list[tuple[float, float]]:
    """Return the µs of round trips, directly and through the relay, in turns: what is loud is loud for both."""
    for _ in range(_WARM):
        _asked_us(direct), _asked_us(relayed)
    return [(_asked_us(direct), _asked_us(relayed)) for _ in range(pairs)]


def _asked_us(client: socket.socket) -> float:
    begun_ns = monotonic_ns()
    client.sendall(_REQUEST)
    left = len(ANSWER)
    while left:
        left -= _received(client, left)
    return (monotonic_ns() - begun_ns) / 1000


def _received(client: socket.socket, most: int) -> int:
    size = len(client.recv(most))
    if not size:
        raise ConnectionError("it was closed")
    return size


@dataclass(frozen=True)
class _Most:
    per_s: float
    direct_per_s: float
    busy_share: float
    cpu_us: float


def _most(port: int, link: Link, seconds: float) -> _Most:
    """Return the most of what some turns through the relay came to, and of those without it."""
    direct, relayed = [], []
    for _ in range(_TURNS):
        direct.append(_carried_per_s(port, seconds / _TURNS))
        before = link.statistics()
        per_s = _carried_per_s(link.port, seconds / _TURNS)
        after = link.statistics()
        cpu_ns = after.cpu_ns - before.cpu_ns
        busy_share = cpu_ns / (after.monotonic_ns - before.monotonic_ns)
        relayed.append((per_s, busy_share, cpu_ns / 1000 / max(1, after.round_trips - before.round_trips)))
    per_s, busy_share, cpu_us = max(relayed)
    return _Most(per_s, max(direct), busy_share, cpu_us)


def _carried_per_s(port: int, seconds: float) -> float:
    """Return the round trips a second of many connections at once, each of which asks when it is answered."""
    with ExitStack() as stack:
        poller = stack.enter_context(closing(waiter()))
        clients = [stack.enter_context(_connected(port)) for _ in range(_CONNECTIONS)]
        left = {client.fileno(): len(ANSWER) for client in clients}
        by_fd = {client.fileno(): client for client in clients}
        for fd, client in by_fd.items():
            poller.watch(fd, 0, IN)
            client.sendall(_REQUEST)
        begun_ns = now_ns = monotonic_ns()
        end_ns = begun_ns + round(seconds * 1e9)
        answered = 0
        while now_ns < end_ns:
            for fd, _ in poller.wait(end_ns):
                if fd not in left:
                    continue
                left[fd] -= _received(by_fd[fd], _PIECE)
                if not left[fd]:
                    answered += 1
                    left[fd] = len(ANSWER)
                    by_fd[fd].send(_REQUEST)
            now_ns = monotonic_ns()
    return answered / (now_ns - begun_ns) * 1e9


def _ranked(ordered: Sequence[float], rank: float) -> float:
    return ordered[ceil(rank * len(ordered)) - 1]
