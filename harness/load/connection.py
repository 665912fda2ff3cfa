"""One kept connection to the app: it sends a request, waits on gevent's hub, and returns the answer.

Where gevent's own socket asks the kernel four times a request and sets two timers, this asks it twice and sets none:
it sends at once, reads once the hub says that there is something, and leaves one timer running that is set again only
when it comes due. The hub watches the connection all its life, so that an app that closes an idle one is noticed then,
and not by the next request.
"""

from __future__ import annotations

import _socket
import weakref
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from gevent import get_hub, getcurrent, socket

from harness.load.answer import Answer, Head, known

if TYPE_CHECKING:
    from collections.abc import Callable

_RECEIVE_BYTES: Final = 1 << 16
_READ: Final = 1
_WRITE: Final = 2
_WRITABLE: Final = "writable"


class Connection:
    """Carries one request at a time.

    Whatever goes wrong in the middle of one, the death of its greenlet included, closes it; `is_open` is false then.
    """

    __slots__ = (
        "__weakref__", "_answer", "_loop", "_receive", "_send", "_since", "_socket", "_timeout_s", "_timer", "_to_hub",
        "_watcher", "is_open", "waiting",
    )  # fmt: skip

    def __init__(self, address: tuple[str, int], timeout_s: float) -> None:
        self.is_open = False
        with socket.create_connection(address, timeout_s) as connected:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = _socket.socket(fileno=connected.detach())
        self._socket.setblocking(False)
        self._send = self._socket.send
        self._receive = self._socket.recv
        hub: Any = get_hub()
        self._loop = hub.loop
        self._to_hub: Callable[[], Any] = hub.switch
        self._timeout_s = timeout_s
        self._since = 0.0
        self.waiting: Any = None
        """The greenlet in whose place the hub runs."""
        self._answer: Answer | None = None
        self._timer: Any = None
        self._watcher = self._loop.io(self._socket.fileno(), _READ)
        self._watcher.start(_on_readable, weakref.ref(self))
        self.is_open = True

    def exchange(self, request: bytes, since: float, *, bodiless: bool = False) -> tuple[Head, bytes]:
        """Send a request, begun at `since` by perf_counter, and return its answer.

        `bodiless` says that the request is a HEAD. Raises TimeoutError, other OSErrors and HttpParserError.
        """
        try:
            self._since = since
            if self._timer is None:
                self._set_timer(self._timeout_s)
            try:
                sent = self._send(request)
            except BlockingIOError:
                sent = 0
            if sent != len(request):
                return self._slowly(request, sent, bodiless=bodiless)
            self.waiting = getcurrent()
            try:
                received = self._receive(_RECEIVE_BYTES) if self._to_hub() is self else self._late()
            except BlockingIOError:
                received = self._received()
            end = received.find(b"\r\n\r\n") + 4
            head = known.get(received[:end])
            if head is not None and len(received) - end == head.body_bytes and not bodiless:
                return head, received[end:]
            return self._parsed(received, bodiless=bodiless)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        if self.is_open:
            self.is_open = False
            self.waiting = None
            self._watcher.stop()
            self._watcher.close()
            if self._timer is not None:
                self._timer.stop()
                self._timer.close()
            self._socket.close()

    __del__ = close

    def _parsed(self, received: bytes, *, bodiless: bool) -> tuple[Head, bytes]:
        """Parse an answer whose head is new, or that comes in pieces."""
        answer = self._answer
        if answer is None:
            answer = self._answer = Answer()
        answer.begin(bodiless=bodiless)
        while received:
            answer.feed(received)
            if answer.complete:
                break
            received = self._received()
        else:
            answer.ended()
        if not answer.keeps_alive:
            self.close()
        return answer.taken()

    def _received(self) -> bytes:
        """Wait for more, to the end of the request's time."""
        while True:
            self._wait()
            try:
                return self._receive(_RECEIVE_BYTES)
            except BlockingIOError:
                continue

    def _wait(self) -> Any:
        """Let the hub run until there is something to read (returns self) or another watcher switches here."""
        self.waiting = getcurrent()
        woken_by = self._to_hub()
        self.waiting = None
        self._mind_the_time()
        return woken_by

    def _late(self) -> bytes:
        """Give up, or go on when it was not the timer that switched here."""
        self._mind_the_time()
        return self._received()

    def _mind_the_time(self) -> None:
        if perf_counter() - self._since >= self._timeout_s:
            raise TimeoutError

    def _slowly(self, request: bytes, sent: int, *, bodiless: bool) -> tuple[Head, bytes]:
        """Send a request that the kernel does not take at once; what is answered before its end is not sent whole."""
        rest = memoryview(request)[sent:]
        watcher = self._loop.io(self._socket.fileno(), _WRITE)
        try:
            watcher.start(getcurrent().switch, _WRITABLE)
            while rest and self._wait() is not self:
                try:
                    rest = rest[self._send(rest) :]
                except BlockingIOError:
                    continue
        finally:
            watcher.stop()
            watcher.close()
        parsed = self._parsed(self._received(), bodiless=bodiless)
        if rest:
            self.close()
        return parsed

    def _set_timer(self, seconds: float) -> None:
        self._timer = self._loop.timer(seconds)
        self._timer.start(_on_due, weakref.ref(self), update=True)

    def on_due(self) -> None:
        """Wake who has waited for too long; set the timer again for a request that began later."""
        self._timer = None
        greenlet = self.waiting
        if greenlet is None:
            return
        left_s = self._since + self._timeout_s - perf_counter()
        if left_s > 0:
            self._set_timer(left_s)
        else:
            self.waiting = None
            greenlet.switch(None)


def _on_readable(weakly: weakref.ref[Connection]) -> None:
    """Wake who waits; without a request, an end or more of an answer means that the connection is of no use.

    The hub calls this for every answer. It must not keep the connections of users who have gone, hence the weak
    reference.
    """
    connection = weakly()
    if connection is not None:
        greenlet = connection.waiting
        if greenlet is not None:
            connection.waiting = None
            greenlet.switch(connection)
        else:
            connection.close()


def _on_due(weakly: weakref.ref[Connection]) -> None:
    connection = weakly()
    if connection is not None:
        connection.on_due()
