"""An HTTP server whose delays are known: it serves those it was told, and stamps what it really served.

`python server.py --fd N --stamps FILE MODE`. A request for `/KEY/NUMBER` is stamped by CLOCK_MONOTONIC when the server
has seen that it is there, and again just before its answer is handed to the kernel, so the time between lies within
what any client can have seen. At SIGTERM the stamps go to FILE as JSON. Standard library only, and one thread.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import heapq
import itertools
import json
import math
import random
import select
import signal
import socket
import sys
import time
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_END = b"\r\n\r\n"
_PR_SET_TIMERSLACK = 29


class Server:
    """Answers each request when its delay is over; `select` wakes to the microsecond, as no event loop does.

    `delay_ns` is called once a request. Before it each request keeps the only thread busy for `busy_ns`, so that the
    server carries no more than one in that time. `freeze_after_s` behind the first request the server does nothing at
    all for `freeze_s`. With `spins` it never sleeps: it takes a CPU, and no request waits until the server is woken.
    """

    def __init__(
        self,
        listener: socket.socket,
        delay_ns: Callable[[], int],
        *,
        status: int = 200,
        busy_ns: int = 0,
        freeze_after_s: float = math.inf,
        freeze_s: float = 0.0,
        spins: bool = False,
    ) -> None:
        self._listener = listener
        self._delay_ns = delay_ns
        self._busy_ns = busy_ns
        self._answer = b"HTTP/1.1 %d Known\r\ncontent-length: 2\r\n\r\nok" % status
        self._connections: dict[int, socket.socket] = {}
        self._received: dict[int, bytes] = {}
        self._due: list[tuple[int, int, socket.socket, list[Any]]] = []
        self._order = itertools.count()
        self._freeze_after_ns = freeze_after_s * 1e9
        self._freeze_at_ns: float = math.inf
        self._freeze_s = freeze_s
        self._longest_wait_s = 0.0 if spins else 3600.0
        self.stamps: list[list[Any]] = []
        """Key, number, arrival in ns, departure in ns; the departure is null when the client had gone."""
        self.frozen_ns: list[int] = []
        """When the freeze began and ended."""

    def run(self, ended: socket.socket) -> None:
        """Serve until `ended` has something to read."""
        listening, ending = self._listener.fileno(), ended.fileno()
        while True:
            next_ns = min(self._due[0][0] if self._due else math.inf, self._freeze_at_ns)
            wait_s = min(max(0.0, (next_ns - monotonic_ns()) / 1e9), self._longest_wait_s)
            ready, _, _ = select.select([listening, ending, *self._connections], [], [], wait_s)
            arrival_ns = monotonic_ns()
            if arrival_ns >= self._freeze_at_ns:
                self._freeze()
                continue
            self._answer_due()
            for fd in ready:
                if fd == ending:
                    return
                if fd == listening:
                    self._accept()
                else:
                    self._read(fd, arrival_ns)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[connection.fileno()] = connection
        self._received[connection.fileno()] = b""

    def _read(self, fd: int, arrival_ns: int) -> None:
        connection = self._connections[fd]
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        if not data:
            del self._connections[fd], self._received[fd]
            connection.close()
            return
        *requests, self._received[fd] = (self._received[fd] + data).split(_END)
        for request in requests:
            self._take(request, connection, arrival_ns)

    def _take(self, request: bytes, connection: socket.socket, arrival_ns: int) -> None:
        _, key, number = request.split(b" ", 2)[1].decode().split("/")
        if self._freeze_at_ns == math.inf and not self.frozen_ns:
            self._freeze_at_ns = arrival_ns + self._freeze_after_ns
        stamp = [key, int(number), arrival_ns, None]
        self.stamps.append(stamp)
        if self._busy_ns:
            enough_ns = monotonic_ns() + self._busy_ns
            while monotonic_ns() < enough_ns:
                pass
        heapq.heappush(self._due, (arrival_ns + self._delay_ns(), next(self._order), connection, stamp))
        self._answer_due()

    def _answer_due(self) -> None:
        while self._due and self._due[0][0] <= monotonic_ns():
            _, _, connection, stamp = heapq.heappop(self._due)
            departure_ns = monotonic_ns()
            try:
                connection.sendall(self._answer)
            except OSError:
                continue
            stamp[3] = departure_ns

    def _freeze(self) -> None:
        self._freeze_at_ns = math.inf
        begun_ns = monotonic_ns()
        time.sleep(self._freeze_s)
        self.frozen_ns = [begun_ns, monotonic_ns()]


def delays(mode: argparse.Namespace) -> Callable[[], int]:
    """Return what draws the delay of a request in ns."""
    rng = random.Random(mode.seed)  # noqa: S311 - a delay is no secret
    delay_ms = mode.delay_ms or (2.0 if mode.mode == "bimodal" else 5.0)
    delay_ns, slow_ns = round(delay_ms * 1e6), round(mode.slow_ms * 1e6)
    if mode.mode == "bimodal":
        return lambda: slow_ns if rng.random() < mode.slow_share else delay_ns
    if mode.mode == "lognormal":
        return lambda: round(delay_ns * math.exp(rng.gauss(0.0, mode.sigma)))
    if mode.mode in {"fixed", "stall"}:
        return lambda: delay_ns
    return lambda: 0


def main() -> None:
    """Serve the socket with this file descriptor."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--stamps", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--delay-ms", type=float, help="the delay, or its median; 5, in bimodal 2")
    parser.add_argument("--slow-ms", type=float, default=50.0, help="bimodal: the other delay")
    parser.add_argument("--slow-share", type=float, default=0.03, help="bimodal: how often")
    parser.add_argument("--sigma", type=float, default=0.5, help="lognormal: of the delay's logarithm")
    parser.add_argument(
        "--busy-ms", type=float, default=5.0, help="busy: how long a request keeps the server from all others"
    )
    parser.add_argument("--freeze-after-s", type=float, default=1.0, help="stall: so long behind the first request")
    parser.add_argument("--freeze-s", type=float, default=1.0, help="stall: for so long")
    parser.add_argument("--spin", action="store_true", help="never sleep: for a machine with a CPU to spare")
    parser.add_argument("mode", choices=["trivial", "fixed", "bimodal", "lognormal", "stall", "busy", "error"])
    mode = parser.parse_args()
    stalls = mode.mode == "stall"
    server = Server(
        socket.socket(fileno=mode.fd),
        delays(mode),
        status=500 if mode.mode == "error" else 200,
        busy_ns=round(mode.busy_ms * 1e6) if mode.mode == "busy" else 0,
        freeze_after_s=mode.freeze_after_s if stalls else math.inf,
        freeze_s=mode.freeze_s if stalls else 0.0,
        spins=mode.spin,
    )
    waiting, waking = socket.socketpair()
    waking.setblocking(False)
    signal.set_wakeup_fd(waking.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)
    if sys.platform == "linux":
        # The kernel may wake a sleeper 50 µs late to save power; not this one.
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    gc.disable()  # nothing here is a cycle, and a collection is a delay that nobody asked for
    server.run(waiting)
    staged = mode.stamps.with_suffix(".part")
    staged.write_text(json.dumps({"stamps": server.stamps, "frozen_ns": server.frozen_ns}))
    staged.replace(mode.stamps)


if __name__ == "__main__":
    main()
