"""The way from an app to its store through a relay of its own: a distance, what passed on it, and outages."""

from __future__ import annotations

import json
import os
import select
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from harness.errors import ComponentError
from harness.wire.route import Unroutable, route
from reports.record.relayed import Relayed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.processes import Child, Processes

_RELAYING = Path(__file__).with_name("relaying.py")
_WAIT_S = 60.0
_LEAVE_S = 2.0
_PIECE = 4096


class Unrelayable(ComponentError):  # noqa: N818 - what was found of a URL
    """No relay can stand on this way; `reason` is a clause without secrets. Whoever can do without one may go on."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"No relay can stand between the app and its store: {reason}. A round-trip time cannot be added there, nor "
            "can what passes be counted. Give a URL of one server, without encryption, or leave the delay out."
        )


@dataclass(frozen=True)
class Statistics:
    """What a relay has seen since it began, at `monotonic_ns` of CLOCK_MONOTONIC.

    `connections` are open, `accepted` ever were; `round_trips` are answers of the store that came after the app had
    sent something, connection by connection; `cpu_ns` is the relay's own. How late delayed chunks were passed on is
    told since the last asking, to a µs; None where there were none.
    """

    monotonic_ns: int
    connections: int
    accepted: int
    round_trips: int
    to_store_bytes: int
    from_store_bytes: int
    cpu_ns: int
    late_chunks: int
    late_p50_us: int | None
    late_p99_us: int | None
    late_max_us: int | None


class Link:
    """A relay to a store, in a process that ends with the context and with the harness; see `harness.relaying`.

    `port` is where it listens, `child` the process, both once it is entered. Any thread may command it, one at a time;
    entering is for the main thread. Commands raise ComponentError when the relay is gone. `plain` has it wait as it
    does on systems without epoll.
    """

    port: int
    child: Child

    def __init__(
        self,
        processes: Processes,
        host: str,
        port: int,
        *,
        rtt_ms: float = 0.0,
        log: Path,
        cpus: Sequence[int] | None = None,
        plain: bool = False,
    ) -> None:
        self._processes = processes
        self._command = [sys.executable, "-I", "-S", str(_RELAYING), host, str(port), f"--rtt-ms={rtt_ms}"]
        self._command += ["--plain"] if plain else []
        self._log = log
        self._cpus = cpus
        self._commands = self._answers = -1
        self._rest = b""
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        try:
            self.child = self._processes.spawn(
                [*self._command, f"--answers={answers}"],
                name="relay",
                log=self._log,
                cpus=self._cpus,
                stdin=commands,
                pass_fds=(answers,),
            )
        except BaseException:
            self._hang_up()
            raise
        finally:
            os.close(commands)
            os.close(answers)
        try:
            self.port = int(self._heard("start"))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def statistics(self) -> Statistics:
        """Return what passed so far; how late, since this was last asked."""
        return Statistics(**json.loads(self._ask("statistics")))

    def freeze(self) -> None:
        """Pass nothing on, accept nobody, say nothing, as a suspended server; what is on the way stays there."""
        self._tell("freeze")

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._tell("thaw")

    def cut(self) -> None:
        """Reset every connection, and refuse new ones."""
        self._tell("cut")

    def mend(self) -> None:
        """Listen again after `cut`, on the same port."""
        self._tell("mend")

    def slow(self, ms: float) -> None:
        """Have answers come so much later, on top of the round-trip time; 0 ends it, also for those that wait."""
        self._tell(f"slow {ms}")

    def rtt(self, ms: float) -> None:
        """Set the round-trip time that is added, also for what is on the way."""
        self._tell(f"rtt {ms}")

    def _tell(self, command: str) -> None:
        if (answer := self._ask(command)) != "ok":
            raise ValueError(f"The relay says: {answer}.")

    def _ask(self, command: str) -> str:
        with self._turn:
            try:
                os.write(self._commands, f"{command}\n".encode())
            except OSError:
                raise self._gone(command) from None
            return self._heard(command)

    def _heard(self, command: str) -> str:
        """Return the next line of the relay's."""
        patience = select.poll()
        patience.register(self._answers, select.POLLIN)
        while b"\n" not in self._rest:
            piece = os.read(self._answers, _PIECE) if patience.poll(_WAIT_S * 1000) else b""
            if not piece:
                raise self._gone(command)
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def _gone(self, command: str) -> ComponentError:
        code = self.child.wait(_LEAVE_S)
        what = f"did not answer within {_WAIT_S:.0f} s" if code is None else f"ended with status {code}"
        return ComponentError(
            f"The relay between app and store {what} when it was to {command}: "
            f"{self.child.tail() or 'it said nothing'}. Its log is {self._log}."
        )

    def _end(self) -> None:
        self._hang_up()
        if self.child.wait(_LEAVE_S) is None:
            self.child.stop()

    def _hang_up(self) -> None:
        for pipe in (self._commands, self._answers):
            if pipe >= 0:
                os.close(pipe)
        self._commands = self._answers = -1


@contextmanager
def between(
    processes: Processes, url: str, *, rtt_ms: float, log: Path, cpus: Sequence[int] | None = None
) -> Iterator[tuple[Link, str]]:
    """Give a relay to the store of this URL, and the URL that leads through it, password and all.

    Raises Unrelayable where no relay can stand, ComponentError where it does not start.
    """
    try:
        way = route(url)
    except Unroutable as error:
        raise Unrelayable(str(error)) from None
    with Link(processes, way.host, way.port, rtt_ms=rtt_ms, log=log, cpus=cpus) as link:
        yield link, way.through(link.port)


def relayed(before: Statistics, after: Statistics, *, rtt_ms: float, requests: int) -> Relayed:
    """Return what passed between two askings, with none between them, for so many requests to the app."""

    def per_request(count: int) -> float | None:
        return count / requests if requests else None

    round_trips = after.round_trips - before.round_trips
    return Relayed(
        rtt_ms=rtt_ms,
        round_trips=round_trips,
        round_trips_per_request=per_request(round_trips),
        to_store_bytes_per_request=per_request(after.to_store_bytes - before.to_store_bytes),
        from_store_bytes_per_request=per_request(after.from_store_bytes - before.from_store_bytes),
        cpu_share=(after.cpu_ns - before.cpu_ns) / (after.monotonic_ns - before.monotonic_ns),
        late_p50_us=after.late_p50_us,
        late_p99_us=after.late_p99_us,
        connections=after.connections,
    )
