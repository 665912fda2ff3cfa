"""Harm to a store in the middle of a trial: frozen, killed, started again empty, or answering late; and its end."""

from __future__ import annotations

import difflib
import math
import re
import threading
import time
from typing import TYPE_CHECKING, Literal, Protocol, Self, get_args

from harness.errors import ComponentError, UsageError
from harness.servers.coming import READY_S
from harness.servers.kind import Rejected, Unanswered
from harness.servers.wheel import Embedded
from reports.record.faulted import SLOW_MS, Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.servers.coming import ComingBack
    from harness.servers.kind import Running

_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
_SPELLING = re.compile(r"(?P<kind>[^@:]*)(:(?P<slow>[^@]*))?@(?P<at>[^+]*)\+(?P<last>.*)")
_SOON_S = 0.01
_ASK_S = 2.0


class Link(Protocol):
    """The relay between an app and its store, as far as harm goes through it."""

    def freeze(self) -> None:
        """Pass nothing on, and close nothing."""

    def thaw(self) -> None:
        """Pass on what was held back, and all that follows."""

    def cut(self) -> None:
        """Close every connection, and refuse new ones."""

    def mend(self) -> None:
        """Let connections be made again."""

    def slow(self, ms: float) -> None:
        """Let answers come so much later; 0 ends it."""


def parse(text: str) -> Fault:
    """Read `freeze@3+2`: 3 s after the measured window began, for 2 s; UsageError for what cannot be read so."""
    kind = re.split("[:@]", text, maxsplit=1)[0]
    known = next((each for each in _KINDS if each == kind), None)
    if known is None:
        near = difflib.get_close_matches(kind, _KINDS, n=1, cutoff=0.4)
        raise UsageError(
            f"There is no fault {kind!r}, as in {text!r}; there are {', '.join(_KINDS)}."
            + (f" Did you mean {near[0]}?" if near else "")
        )
    spelt = _SPELLING.fullmatch(text)
    if spelt is None:
        raise UsageError(
            f"The fault {text!r} does not say when it begins and for how long it lasts, in seconds after the measured "
            f"window began: write {kind}@3+2."
        )
    if spelt["slow"] is not None and known != "slow":
        raise UsageError(
            f"The fault {text!r} gives {kind} milliseconds, which only slow takes: by so much answers come later. "
            f"Write {kind}@{spelt['at']}+{spelt['last']}."
        )
    at_s, for_s = _seconds(spelt["at"], text, least=0.0), _seconds(spelt["last"], text, least=None)
    if known != "slow":
        return Fault(kind=known, at_s=at_s, for_s=for_s)
    slow_ms = SLOW_MS if spelt["slow"] is None else _seconds(spelt["slow"], text, least=None)
    return Fault(kind=known, at_s=at_s, for_s=for_s, slow_ms=slow_ms)


def refuse(fault: Fault, server: Running, link: Link | None) -> None:
    """Raise UsageError for what cannot, or may not, be done to this server."""
    if by_process(fault, server):
        return
    where = f"the {server.kind} server at {server.record.address}"
    if fault.kind == "restart-empty":
        whose = "runs in a container, whose port would change" if server.ours else "was not started by this run"
        raise UsageError(
            f"The fault {fault.text} is refused: {where} {whose}, and we delete nothing there but our own namespace. "
            "Use --servers wheel for one that may lose everything, or choose another fault."
        )
    if link is None:
        raise UsageError(
            f"The fault {fault.text} needs a relay between the app and {where}, and there is none. Where the way there "
            "is encrypted no relay can stand on it: give a URL without TLS, or use --servers wheel and another fault."
        )


def by_process(fault: Fault, server: Running) -> bool:
    """Tell whether the harm is done to the server's own processes; else it goes through the relay."""
    return fault.kind != "slow" and (isinstance(server, Embedded) or (server.ours and fault.kind == "freeze"))


class Harm:
    """Does a fault to a server at its time, and ends it, whatever becomes of the trial.

    `step` is called again and again from the main thread, and does what is due; none of its calls waits for the server.
    Killing takes some milliseconds, starting a process about ten. Where Postgres is to be empty its initdb runs
    beside the load while it is down, on the server's CPUs; one that takes longer than the fault prolongs it.
    Leaving the context ends the harm and waits until the server answers; after Ctrl-C it only thaws what is frozen.

    Times are ns of CLOCK_MONOTONIC. Raises UsageError where `refuse` does.
    """

    def __init__(self, fault: Fault, server: Running, link: Link | None = None) -> None:
        refuse(fault, server, link)
        self.fault = fault
        self.began_ns: int | None = None
        """Just before the first signal was sent."""
        self.lifted_ns: int | None = None
        """When the last process was let go on, or the new server's process was started."""
        self.answered_ns: int | None = None
        """When the server had first answered the harness after that, which asks it without the relay."""
        self._server = server
        self._own = server if isinstance(server, Embedded) else None
        self._link = link
        self._lifting = False
        self._coming: ComingBack | None = None
        self._asking: _Asking | None = None

    @property
    def through(self) -> Literal["process", "relay"]:
        """Where the harm is done."""
        return "process" if by_process(self.fault, self._server) else "relay"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is not None and not issubclass(kind, Exception):
                self._thaw()
            elif self.began_ns is not None:
                self._end()
        finally:
            if self._asking is not None:
                self._asking.stop()

    def step(self, t0_ns: int | None) -> None:
        """Do what is due; `t0_ns` is when the measured window began, None while that is not known.

        ComponentError when the server does not come back.
        """
        if t0_ns is None:
            return
        past_s = (time.monotonic_ns() - t0_ns) / 1e9
        if self.began_ns is None and past_s >= self.fault.at_s:
            self.inflict()
        if self.began_ns is not None and past_s >= self.fault.until_s:
            self.lift()

    def wait_s(self, t0_ns: int | None) -> float:
        """Return how long `step` will have nothing to do; infinite when it never will."""
        if t0_ns is None:
            return math.inf
        past_s = (time.monotonic_ns() - t0_ns) / 1e9
        if self.began_ns is None:
            return max(0.0, self.fault.at_s - past_s)
        if not self._lifting:
            return max(0.0, self.fault.until_s - past_s)
        return _SOON_S if self.lifted_ns is None else math.inf

    def inflict(self) -> None:
        """Begin."""
        self.began_ns = time.monotonic_ns()
        if self.through == "relay":
            self._through_link()
        elif self.fault.kind == "freeze":
            self._server.suspend()
        elif self._own is not None:
            # The new data folder is made meanwhile.
            self._coming = self._own.coming_back(empty=self.fault.kind == "restart-empty")

    def lift(self) -> None:
        """End it, or do the next step of ending it; a time too many is fine."""
        self._lifting = True
        if self.lifted_ns is None:
            if self._coming is None:
                self._thaw()
                self._ask(self._answers)
            elif self._coming.launched():
                coming = self._coming
                self._ask(lambda: coming.answer() is not None)
        elif self._asking is not None:
            self.answered_ns = self._asking.answer_ns()
            if self.answered_ns is None and self._coming is not None:
                self._coming.launched()  # which tells when it has died

    def _ask(self, answers: Callable[[], bool]) -> None:
        self.lifted_ns = time.monotonic_ns()
        self._asking = _Asking(answers)
        self._asking.start()

    def _answers(self) -> bool:
        try:
            self._server.ask(_ASK_S)
        except (Unanswered, Rejected):
            return False
        return True

    def _through_link(self) -> None:
        assert self._link is not None  # noqa: S101 - else it was refused
        if self.fault.kind == "slow":
            self._link.slow(self.fault.slow_ms or SLOW_MS)
        elif self.fault.kind == "freeze":
            self._link.freeze()
        else:
            self._link.cut()

    def _thaw(self) -> None:
        """End whatever ends at once."""
        if self.through == "process":
            self._server.resume()
        elif self._link is None or self.began_ns is None:
            return
        elif self.fault.kind == "slow":
            self._link.slow(0)
        elif self.fault.kind == "freeze":
            self._link.thaw()
        else:
            self._link.mend()

    def _end(self) -> None:
        """See to it that the server answers before anything else is done with it."""
        try:
            self._wait()
        except ComponentError:
            if self._own is None or self._coming is None:
                raise
            if self._asking is not None:
                self._asking.stop()
            self._own.restart(empty=self.fault.kind == "restart-empty")
        if self._own is not None:
            self._own.clear()

    def _wait(self) -> None:
        patience = time.monotonic() + READY_S
        while self.answered_ns is None:
            self.lift()
            if self._coming is None and time.monotonic() > patience:  # what comes back has a patience of its own
                raise ComponentError(
                    f"The {self._server.kind} server at {self._server.record.address} did not answer within "
                    f"{READY_S:.0f} s after the fault {self.fault.text}. See whether it still runs."
                )
            time.sleep(_SOON_S)


class _Asking(threading.Thread):
    """Asks until it is answered, and keeps the time; the harness's sweeps are too far apart for that."""

    def __init__(self, answers: Callable[[], bool]) -> None:
        super().__init__(name="asking", daemon=True)
        self._answers = answers
        self._stopped = threading.Event()
        self._answered_ns: int | None = None
        self._error: ComponentError | None = None

    def run(self) -> None:
        """Ask."""
        try:
            while not self._stopped.is_set():
                if self._answers():
                    self._answered_ns = time.monotonic_ns()
                    return
                self._stopped.wait(_SOON_S)
        except ComponentError as error:
            self._error = error

    def answer_ns(self) -> int | None:
        """Return when the answer came, None before; ComponentError when something else answers there."""
        if self._error is not None:
            raise self._error
        return self._answered_ns

    def stop(self) -> None:
        """Ask no more; returns when the last question is done with."""
        self._stopped.set()
        self.join()


def _seconds(number: str, text: str, *, least: float | None) -> float:
    """Read a number that is at least so much, or more than nothing."""
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (value < least if least is not None else value <= 0):
        wanted = "0 or more" if least is not None else "more than 0"
        raise UsageError(
            f"The fault {text!r} has {number!r} where a number of {wanted} belongs: write freeze@3+2 for a freeze that "
            "begins 3 s after the measured window and lasts 2 s, slow:300@3+2 for answers that come 300 ms later."
        )
    return value
