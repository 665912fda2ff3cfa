"""A relay between an app and its store, on a thread of its own: passes every byte on at once, and shows it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Protocol, Self, cast

from harness.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Callable

_HOST = "127.0.0.1"
_WAIT_S = 10.0
_LOWEST_PORT = 10_000
_ATTEMPTS = 100
_ROUNDS = 8
"""Reading what lies in the sockets takes two rounds of the event loop, accepting a connection twice as many."""


class Listener(Protocol):
    """Is shown what passes on one connection, on the relay's thread, before it is passed on."""

    def to_store(self, data: bytes) -> None:
        """See what the app sent."""

    def from_store(self, data: bytes) -> None:
        """See what the store sent."""

    def closed(self) -> None:
        """See the end of both directions."""


class Relay:
    """Listens on a port of 127.0.0.1 and connects to the store once for every connection of the app's.

    Half-closed connections stay half-closed, and a slow reader slows the writer down. Where the store cannot be reached
    the app's connection is closed.
    """

    def __init__(self, host: str, port: int, listen: Callable[[], Listener]) -> None:
        self.port = 0
        """Where it listens, once it is entered; always five digits, for HTTP clients send them."""
        self._target = host, port
        self._listen = listen
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._server: asyncio.Server | None = None
        self._sides: set[_Side] = set()
        self._reaching: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(_WAIT_S)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(_WAIT_S)
        self._end()

    def catch_up(self) -> None:
        """Return when everything that was sent to it before has been shown and passed on."""
        asyncio.run_coroutine_threadsafe(self._catch_up(), self._loop).result(_WAIT_S)

    async def _catch_up(self) -> None:
        await _rounds()
        while self._reaching:
            await asyncio.wait(self._reaching)
            await _rounds()

    async def _open(self) -> None:
        for _ in range(_ATTEMPTS):
            self._server = await self._loop.create_server(self._accepted, _HOST, 0)
            self.port = int(self._server.sockets[0].getsockname()[1])
            if self.port >= _LOWEST_PORT:
                return
            self._server.close()
        raise ComponentError(f"No port of {_HOST} from {_LOWEST_PORT} on is free for the relay.")

    def _accepted(self) -> _Side:
        listener = self._listen()
        app, store = _Side(listener.to_store, self._sides), _Side(listener.from_store, self._sides)
        app.peer, store.peer = store, app
        app.on_open = lambda: self._begin(app, store)
        app.on_end = listener.closed
        return app

    def _begin(self, app: _Side, store: _Side) -> None:
        task = self._loop.create_task(self._reach(app, store))
        self._reaching.add(task)
        task.add_done_callback(self._reaching.discard)

    async def _reach(self, app: _Side, store: _Side) -> None:
        """Connect to the store; until then the app's bytes wait in its socket."""
        app.transport.pause_reading()
        try:
            await self._loop.create_connection(lambda: store, *self._target)
        except OSError:
            app.transport.abort()
            return
        if app.transport.is_closing():  # it left meanwhile
            store.transport.abort()
        else:
            app.transport.resume_reading()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._reaching:
            task.cancel()
        for side in list(self._sides):
            side.transport.abort()
        await asyncio.gather(*self._reaching, return_exceptions=True)
        await _rounds()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Side(asyncio.Protocol):
    """One end of a connection: shows what comes and hands it to its peer. asyncio sets TCP_NODELAY."""

    peer: _Side
    transport: asyncio.Transport

    def __init__(self, show: Callable[[bytes], None], sides: set[_Side]) -> None:
        self.on_open: Callable[[], object] = lambda: None
        self.on_end: Callable[[], object] = lambda: None
        self._show = show
        self._sides = sides
        self._open = False
        self._said_all = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._open = True
        self._sides.add(self)
        self.on_open()

    def data_received(self, data: bytes) -> None:
        self._show(data)
        self.peer.transport.write(data)

    def eof_received(self) -> bool:
        self._said_all = True
        if self.peer._said_all:  # noqa: SLF001 - its own kind
            self.transport.close()
        elif self.peer._open and not self.peer.transport.is_closing():  # noqa: SLF001 - its own kind
            self.peer.transport.write_eof()
        return True  # our other direction stays open

    def pause_writing(self) -> None:
        self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        with contextlib.suppress(RuntimeError):  # it ended meanwhile
            self.peer.transport.resume_reading()

    def connection_lost(self, _error: Exception | None) -> None:
        self._open = False
        self._sides.discard(self)
        if self.peer._open:  # noqa: SLF001 - its own kind
            self.peer.transport.close()
        self.on_end()


async def _rounds() -> None:
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
