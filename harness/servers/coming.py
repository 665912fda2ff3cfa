"""A server from a wheel on its way up, in steps of which none waits unless it is told to."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from typing import TYPE_CHECKING

from harness.errors import ComponentError
from harness.servers.kind import Rejected, Unanswered

if TYPE_CHECKING:
    from harness.processes import Child
    from harness.servers.kind import Definition, Facts, Site

READY_S = 20.0
RECOVERED_S = 120.0
"""So long may a server take that has to replay what a crash left in its log."""
MAKE_S = 60.0
"""So long may a data folder take to be made."""

_CONNECT_S = 1.0
_FIRST_ASK_S, _LAST_ASK_S = 0.1, 2.0
_TAKEN = "ddress already in use"
_LAST_LINES = 5


class PortTaken(Exception):  # noqa: N818 - the reason for another attempt
    """Somebody else listens on the port that was free a moment ago."""


class Coming:
    """Makes the data folder, starts the server, asks until it answers.

    `launched` is for the main thread alone, as everything that starts a process; `answer` may be called from another.
    """

    def __init__(self, definition: Definition, site: Site, port: int, settings: dict[str, str]) -> None:
        self.child: Child | None = None
        self._definition = definition
        self._site = site
        self._port = port
        self._settings = settings
        self._log_from = 0
        self._ready_s = READY_S
        self._ask_s = _FIRST_ASK_S  # short, for whoever took the port may be silent, and our child is dead by then
        self._reason = "nothing listens on its port"
        self._making = definition.prepare(site)
        self._until = time.monotonic() + MAKE_S

    def launched(self, wait_s: float = 0.0) -> bool:
        """Tell whether the server's process was started, starting it as soon as its data folder is made.

        Waits at most `wait_s` for the next thing to happen. Raises ComponentError for a data folder that cannot be
        made, a process that ended or has not answered for too long, and PortTaken.
        """
        if self.child is None:
            return self._made(wait_s) and self._launch()
        if self.child.wait(wait_s) is not None:
            words = self._words()
            if _TAKEN in words:
                raise PortTaken("its address is in use")
            raise ComponentError(
                f"The {self._definition.name} server ended with status {self.child.poll()} instead of starting. "
                f"Its last words: {quote(_tail(words))}"
            )
        if time.monotonic() > self._until:
            raise ComponentError(
                f"The {self._definition.name} server did not answer within {self._ready_s:.0f} s: {self._reason}. "
                f"Its last words: {quote(_tail(self._words()))}"
            )
        return True

    def answer(self) -> Facts | None:
        """Ask once, and return what the server says of itself, or None when it does not answer yet.

        Raises PortTaken when another server answers.
        """
        child = self.child
        if child is None:
            return None
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=_CONNECT_S).close()
            facts = self._definition.ask(self._definition.url(self._port), self._ask_s)
        except OSError:
            return None
        except Unanswered as error:
            self._reason = str(error)
            self._ask_s = min(2 * self._ask_s, _LAST_ASK_S)
            return None
        except Rejected as error:
            raise PortTaken(f"what answers there says: {error}") from None  # ours has no reason to
        if facts.identity not in {str(child.pid), str(self._site.data)}:
            raise PortTaken("another server of this kind answers there")
        return facts

    def stop(self) -> None:
        """End whatever was started."""
        for child in self._making, self.child:
            if child is not None:
                child.stop()

    def _made(self, wait_s: float) -> bool:
        """Tell whether there is a data folder."""
        making = self._making
        if making is None:
            return True
        code = making.wait(wait_s)
        if code == 0:
            self._making = None
            return True
        if code is None and time.monotonic() < self._until:
            return False
        making.stop()
        raise ComponentError(
            f"{making.name} failed in {self._site.data}, or was not done within {MAKE_S:.0f} s: {quote(making.tail())}"
        )

    def _launch(self) -> bool:
        with contextlib.suppress(OSError):
            self._log_from = self._site.log.stat().st_size
        self.child = self._definition.launch(self._site, self._port, self._settings)
        self._until = time.monotonic() + self._ready_s
        return True

    def _words(self) -> str:
        """Return what this start has logged."""
        try:
            with self._site.log.open(errors="replace") as log:
                log.seek(self._log_from)
                return log.read()
        except OSError:
            return ""


class ComingBack(Coming):
    """The same for a server that was killed, at the port that is held for it; `children` are to be its processes."""

    def __init__(
        self,
        definition: Definition,
        site: Site,
        port: int,
        settings: dict[str, str],
        *,
        children: list[Child],
        held: Held,
    ) -> None:
        super().__init__(definition, site, port, settings)
        self._ready_s = RECOVERED_S
        self._children = children
        self._held = held

    def launched(self, wait_s: float = 0.0) -> bool:
        """See `Coming`; there is no other port to try, so that a port taken is a ComponentError."""
        try:
            up = super().launched(wait_s)
        except PortTaken as taken:
            raise self._lost(taken) from None
        if self.child is not None and not self._children:
            self._children.append(self.child)
        return up

    def answer(self) -> Facts | None:
        """See `Coming`; ComponentError when another server answers."""
        try:
            facts = super().answer()
        except PortTaken as taken:
            raise self._lost(taken) from None
        if facts is not None:
            self._held.release()
        return facts

    def _lost(self, taken: PortTaken) -> ComponentError:
        return ComponentError(
            f"The {self._definition.name} server was killed and could not come back at port {self._port} of "
            f"127.0.0.1: {taken}. Try again when less is going on."
        )


class Held:
    """Keeps a port for a server that is down, while whoever connects to it is refused.

    Else the kernel may give it to any connection that needs a port of its own, for it was taken from among those.
    Elsewhere than on Linux two sockets cannot share a port, and nothing is held.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def take(self, port: int) -> None:
        """Hold the port of a server that has ended, unless somebody else was faster."""
        if self._socket is None and sys.platform == "linux":
            self._socket = socket.socket()
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                self._socket.bind(("127.0.0.1", port))

    def release(self) -> None:
        """Let it go; a second time is fine."""
        held, self._socket = self._socket, None
        if held is not None:
            held.close()


def _tail(text: str) -> str:
    return "\n".join(text.rstrip().splitlines()[-_LAST_LINES:])


def quote(text: str) -> str:
    """Put lines of a log into a paragraph."""
    return " | ".join(line.strip() for line in text.splitlines() if line.strip()) or "none"
