"""Stand between an app and its store as a distance would: run by path, a process of its own, standard library only.

    python -I -S relaying.py HOST PORT [--rtt-ms MS] [--answers FD] [--plain]

It listens on a port of 127.0.0.1, says the port on a line, and connects to the store once for every connection of the
app's. Every chunk that comes from the store is passed on `rtt_ms` after it came, in order; what the app sends goes on
at once. That gives the app the round-trip time of a real distance: whoever waits for an answer sees the sum of both
ways, and cannot tell how it was shared out. Only the store would know better: it is asked half a round trip sooner
than it would be. A connection is made to the store one round trip after the app's was accepted, which is what TCP's
handshake costs over a distance; the first bytes wait for it.

Times are those of a timerfd, which wakes epoll by the kernel's own clock; timeouts, asyncio's among them, are rounded
up to milliseconds there. How late chunks are passed on all the same is counted, and told. Elsewhere, or with
`--plain`, select's timeouts do it.

A slow reader slows the writer down: about a mebibyte waits here for each direction of a connection, then no more is
read. Half-closed connections stay half-closed, and one that is reset is reset on the other side, behind what came
before.

Commands come on standard input, a line each, and each is answered by a line: `statistics` by JSON, the rest by `ok` or
by what is wrong. `rtt MS`; `slow MS` (answers come so much later still); `freeze` (nothing is passed on, accepted or
said, as by a server that is suspended) and `thaw`; `cut` (every connection is reset, new ones are refused) and `mend`.
A new delay also holds for what waits already. When standard input ends, it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import resource
import socket
import sys
import time
from collections import Counter
from time import monotonic_ns
from typing import Any, Final

if __name__ == "__main__":  # isolated: not even our own package is found by itself
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))  # noqa: PTH118, PTH120 - pathlib is one more import

from harness.passage import Passage
from harness.wakeups import IN, waiter

_HOST: Final = "127.0.0.1"
_LOWEST_PORT: Final = 10_000
"""A port of five digits: HTTP clients send it, and bytes are counted."""
_ATTEMPTS: Final = 100
_BACKLOG: Final = 1024
_LINES: Final = 4096
_COMMANDS: Final = 0
_MS_NS: Final = 1_000_000
_LONGEST_MS: Final = 3_600_000
_RANKS: Final = {"p50": 0.50, "p99": 0.99, "max": 1.0}


def _bound(port: int) -> socket.socket:
    """Bind a port beside others that are bound to it, as long as none of them listens."""
    fresh = socket.socket()
    fresh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR if sys.platform == "linux" else socket.SO_REUSEPORT, 1)
    fresh.bind((_HOST, port))
    return fresh


def _port() -> socket.socket:
    """Hold a port that nobody else gets while no socket listens on it."""
    for _ in range(_ATTEMPTS):
        held = _bound(0)
        if held.getsockname()[1] >= _LOWEST_PORT:
            return held
        held.close()
    sys.exit(f"No port of {_HOST} from {_LOWEST_PORT} on is free.")


class Relay:
    """Accepts, and does what it is told; what passes is the passage's."""

    def __init__(self, addresses: list[tuple[int, Any]], rtt_ns: int, answers: int, *, plain: bool) -> None:
        self._poller, self._deaf = waiter(plain=plain), waiter(plain=plain)
        for each in self._poller, self._deaf:
            each.watch(_COMMANDS, 0, IN)
        self._passage = Passage(addresses, self._poller)
        self._passage.rtt_ns = rtt_ns
        self._frozen = False
        self._answers = answers
        self._rest = b""
        self._held = _port()
        self._port = int(self._held.getsockname()[1])
        self._listener: socket.socket | None = None
        self._listening = -1

    def run(self) -> None:
        """Say the port, then work until standard input ends."""
        self._mend()
        self._say(str(self._port))
        passage, ends, happened = self._passage, self._passage.ends, self._passage.happened
        while True:
            if self._frozen:
                events = self._deaf.wait(0)
            else:
                passage.pass_on_due()
                events = self._poller.wait(passage.due_ns())
            now_ns = monotonic_ns()
            knocks = commands = False
            for fd, which in events:
                if (end := ends.get(fd)) is not None:
                    happened(end, which, now_ns)
                else:
                    knocks |= fd == self._listening
                    commands |= fd == _COMMANDS
            # Last, for a new socket may get the number of one that was closed above.
            if knocks:
                self._accept(now_ns)
            if commands and not self._obey():
                return

    def _accept(self, now_ns: int) -> None:
        while self._listener is not None:
            try:
                taken, _ = self._listener.accept()
            except OSError:  # that was the last, or one that has left; or no descriptor is left
                return
            self._passage.begin(taken, now_ns)

    def _obey(self) -> bool:
        """Answer the commands that came; False when there will be none."""
        came = os.read(_COMMANDS, _LINES)
        *lines, self._rest = (self._rest + came).split(b"\n")
        for line in lines:
            try:
                self._say(self._done(line.decode().split()))
            except ValueError:
                self._say(f"{line.decode(errors='replace')!r} is no command here")
        return bool(came)

    def _done(self, words: list[str]) -> str:
        """Do it, and return the answer."""
        match words:
            case ["statistics"]:
                return json.dumps(self._statistics())
            case ["freeze"]:
                self._frozen = True
            case ["thaw"]:
                self._frozen = False
            case ["cut"]:
                self._cut()
            case ["mend"]:
                self._mend()
            case ["rtt", ms]:
                self._passage.rtt_ns = _delay_ns(ms)
            case ["slow", ms]:
                self._passage.slow_ns = _delay_ns(ms)
            case _:
                raise ValueError(words)
        self._passage.since_ns = monotonic_ns()
        return "ok"

    def _say(self, line: str) -> None:
        os.write(self._answers, f"{line}\n".encode())

    def _cut(self) -> None:
        if self._listener is not None:
            self._poller.watch(self._listening, IN, 0)
            self._listener.close()
            self._listener, self._listening = None, -1
        self._passage.reset()

    def _mend(self) -> None:
        if self._listener is None:
            self._listener = _bound(self._port)
            self._listener.setblocking(False)
            self._listener.listen(_BACKLOG)
            self._listening = self._listener.fileno()
            self._poller.watch(self._listening, 0, IN)

    def _statistics(self) -> dict[str, int | None]:
        """Return what passed so far, and how late since this was last asked."""
        passage = self._passage
        late, passage.lateness_us = passage.lateness_us, Counter()
        return {
            "monotonic_ns": monotonic_ns(),
            "connections": len(passage.connections),
            "accepted": passage.accepted,
            "round_trips": passage.round_trips,
            "to_store_bytes": passage.to_store_bytes,
            "from_store_bytes": passage.from_store_bytes,
            "cpu_ns": time.process_time_ns(),
            "late_chunks": late.total(),
            **{f"late_{name}_us": _ranked(late, rank) for name, rank in _RANKS.items()},
        }


def _ranked(late_us: Counter[int], rank: float) -> int | None:
    """Return the least that this share of them did not exceed; None when there are none."""
    left = math.ceil(rank * late_us.total())
    for us, count in sorted(late_us.items()):
        left -= count
        if left <= 0:
            return us
    return None


def _delay_ns(ms: str) -> int:
    if not 0 <= float(ms) <= _LONGEST_MS:  # which NaN is not
        raise ValueError(ms)
    return round(float(ms) * _MS_NS)


def main() -> None:
    """Relay to the store at HOST and PORT."""
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--rtt-ms", type=_delay_ns, default=0)
    parser.add_argument("--answers", type=int, default=1)
    parser.add_argument("--plain", action="store_true")
    given = parser.parse_args()
    try:
        found = socket.getaddrinfo(given.host, given.port, type=socket.SOCK_STREAM)
    except OSError as error:
        sys.exit(f"{given.host} is not known: {error.strerror}")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems call unlimited what they do not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    addresses = [(int(family), address) for family, _, _, _, address in found]
    Relay(addresses, given.rtt_ms, given.answers, plain=given.plain).run()


if __name__ == "__main__":
    main()
