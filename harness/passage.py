"""Passes bytes on between apps and their store, what the store said so much later; one thread, no waiting."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections import Counter, deque
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from harness.wakeups import IN, OUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.wakeups import Waiter

_PIECE: Final = 64 * 1024
_MOST: Final = 1024 * 1024 - _PIECE
"""What waits in one direction when reading pauses; one piece more may have been read."""
_LINGER: Final = struct.pack("ii", 1, 0)
Chunk = memoryview | bytes
"""What is passed on; empty where the sender has said all."""


class End:
    """One socket of a connection, and what came from it; `mask` are the events that are looked for."""

    __slots__ = ("connection", "fd", "held", "mask", "passed_all", "peer", "read_all", "socket", "waiting")

    def __init__(self, connection: Connection, taken: socket.socket) -> None:
        self.connection = connection
        self.socket = taken
        self.fd = taken.fileno()
        self.mask = 0
        self.peer: End
        self.waiting: deque[Chunk] = deque()
        """What was due, but its peer did not take yet."""
        self.held = 0
        """How many bytes were not passed on, due or not."""
        self.read_all = False
        self.passed_all = False


class Connection:
    """The app's socket and, as soon as there is one, the store's."""

    __slots__ = ("app", "asked", "attempt", "delayed", "lost", "open", "reached", "store")

    def __init__(self, taken: socket.socket) -> None:
        self.app = End(self, taken)
        self.store: End | None = None
        self.attempt = 0
        """Which of the store's addresses is tried."""
        self.reached = False
        self.asked = False
        """The last bytes were the app's."""
        self.delayed = 0
        """How many chunks are not due yet."""
        self.lost = False
        """The store is gone; what it said before is still to be passed on."""
        self.open = True


class Passage:
    """The connections to one store, at any of its addresses; `watch`ed by a waiter, and told of what happened there."""

    def __init__(self, addresses: Sequence[tuple[int, Any]], poller: Waiter) -> None:
        self.rtt_ns = self.slow_ns = 0
        """So long after it came a chunk from the store is passed on; a new connection waits for the former alone."""
        self.since_ns = 0
        """When that, or whether anything is passed on, changed last: nothing was late before."""
        self.lateness_us: Counter[int] = Counter()
        self.accepted = self.round_trips = self.to_store_bytes = self.from_store_bytes = 0
        self.connections: set[Connection] = set()
        self.ends: dict[int, End] = {}
        """Of every open connection, by file descriptor."""
        self._addresses = addresses
        self._poller = poller
        self._coming: deque[tuple[int, Connection]] = deque()
        self._late: deque[tuple[int, End, Chunk]] = deque()
        """What came when, in this order: a delay that changes leaves it sorted."""
        self._buffer = bytearray(_PIECE)
        self._view = memoryview(self._buffer)

    def begin(self, taken: socket.socket, now_ns: int) -> None:
        """Take a connection of the app's."""
        self.accepted += 1
        _prepare(taken)
        connection = Connection(taken)
        self.connections.add(connection)
        self.ends[taken.fileno()] = connection.app
        if self.rtt_ns:
            self._coming.append((now_ns, connection))
        else:
            self._reach(connection)

    def happened(self, end: End, events: int, now_ns: int) -> None:
        """Read and write where it can be done; `now_ns` is when that was known."""
        if events & ~OUT and end.mask & IN:
            self._read(end, now_ns)
        if events & ~IN and end.mask & OUT:
            self._write(end)

    def reset(self) -> None:
        """End every connection."""
        for connection in list(self.connections):
            self._close(connection)

    def due_ns(self) -> int:
        """Return when something is to be done next; 0: nothing is."""
        due_ns = self._late[0][0] + self.rtt_ns + self.slow_ns if self._late else 0
        if not self._coming:
            return due_ns
        coming_ns = self._coming[0][0] + self.rtt_ns
        return min(due_ns, coming_ns) if due_ns else coming_ns

    def pass_on_due(self) -> None:
        """Do what is due: connect, and pass on."""
        while self._coming and self._coming[0][0] + self.rtt_ns <= monotonic_ns():
            _, connection = self._coming.popleft()
            if connection.open:
                self._reach(connection)
        while self._late:
            now_ns = monotonic_ns()
            due_ns = self._late[0][0] + self.rtt_ns + self.slow_ns
            if due_ns > now_ns:
                return
            _, store, chunk = self._late.popleft()
            store.connection.delayed -= 1
            if store.connection.open:
                if chunk:
                    self.lateness_us[(now_ns - max(due_ns, self.since_ns)) // 1000] += 1
                    store.held -= len(chunk)
                self._pass_on(store, chunk)
                if not store.mask & IN:
                    self._resume(store)

    def _reach(self, connection: Connection) -> None:
        """Begin to connect to the store; until it has answered, what the app sends waits in its socket."""
        while connection.attempt < len(self._addresses):
            family, address = self._addresses[connection.attempt]
            connection.attempt += 1
            with contextlib.suppress(OSError):
                fresh = socket.socket(family)
                _prepare(fresh)
                if fresh.connect_ex(address) in {0, errno.EINPROGRESS}:
                    store = connection.store = End(connection, fresh)
                    store.peer, connection.app.peer = connection.app, store
                    self.ends[store.fd] = store
                    self._watch(store, OUT)
                    return
                fresh.close()
        self._close(connection)

    def _reached(self, store: End) -> None:
        connection = store.connection
        if _failed(store.socket):
            self._shut(store)
            connection.store = None
            self._reach(connection)
            return
        connection.reached = True
        self._watch(store, IN)
        self._watch(connection.app, IN)

    def _read(self, end: End, now_ns: int) -> None:
        """Take what came, count it, and pass it on or lay it by."""
        connection = end.connection
        try:
            size = end.socket.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError:
            self._lose(end)
            size = 0
            if not connection.open:
                return
        if size == 0:
            end.read_all = True
            self._watch(end, end.mask & ~IN)
        if end is connection.app:
            connection.asked |= size > 0
            self.to_store_bytes += size
            self._pass_on(end, self._view[:size])
        else:
            if connection.asked and size:
                connection.asked = False
                self.round_trips += 1
            self.from_store_bytes += size
            if self.rtt_ns or self.slow_ns or connection.delayed:
                connection.delayed += 1
                end.held += size
                self._late.append((now_ns, end, bytes(self._view[:size])))
            else:
                self._pass_on(end, self._view[:size])
        if end.held >= _MOST and end.mask & IN:
            self._watch(end, end.mask & ~IN)

    def _pass_on(self, end: End, chunk: Chunk) -> None:
        """Give a chunk to the peer, or as much of it as it takes."""
        if end.waiting:
            self._lay_by(end, chunk)
        elif not chunk:
            self._finish(end)
        else:
            try:
                sent = end.peer.socket.send(chunk)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._lose(end.peer)
                return
            if sent < len(chunk):
                self._lay_by(end, chunk[sent:])
                self._watch(end.peer, end.peer.mask | OUT)

    def _lay_by(self, end: End, chunk: Chunk) -> None:
        """Keep what the peer does not take; a view of the common buffer has to be copied."""
        end.waiting.append(bytes(chunk))
        end.held += len(chunk)

    def _write(self, end: End) -> None:
        """Go on where a peer takes more."""
        if not end.connection.reached:
            self._reached(end)
            return
        source = end.peer
        while source.waiting:
            chunk = source.waiting[0]
            if not chunk:
                source.waiting.clear()  # nothing comes behind it
                self._watch(end, end.mask & ~OUT)
                self._pass_on(source, chunk)
                return
            try:
                sent = end.socket.send(chunk)
            except BlockingIOError:
                return
            except OSError:
                self._lose(end)
                return
            source.held -= sent
            if sent < len(chunk):
                source.waiting[0] = memoryview(chunk)[sent:]
            else:
                source.waiting.popleft()
        self._watch(end, end.mask & ~OUT)
        self._resume(source)

    def _resume(self, end: End) -> None:
        """Read again where reading paused."""
        connection = end.connection
        deaf = end.read_all or (connection.lost and end is connection.app)
        if connection.open and not deaf and end.held <= _MOST // 2:
            self._watch(end, end.mask | IN)

    def _finish(self, end: End) -> None:
        """Say to the peer that this was all; where the store was lost, by a reset."""
        if end.connection.lost:
            self._close(end.connection)
            return
        end.passed_all = True
        with contextlib.suppress(OSError):
            end.peer.socket.shutdown(socket.SHUT_WR)
        if end.peer.passed_all:
            self._close(end.connection, reset=False)

    def _lose(self, end: End) -> None:
        """Give up a socket that failed. The app still gets what the store had said, and then a reset."""
        connection = end.connection
        if end is connection.app or end.passed_all:
            self._close(connection)
            return
        connection.lost = True
        connection.app.waiting.clear()
        connection.app.held = 0
        self._watch(connection.app, connection.app.mask & ~IN)
        self._watch(end, end.mask & ~OUT)
        self._resume(end)

    def _close(self, connection: Connection, *, reset: bool = True) -> None:
        connection.open = False
        self.connections.discard(connection)
        for end in filter(None, (connection.app, connection.store)):
            if reset:
                with contextlib.suppress(OSError):  # some systems take no option for a socket that was reset
                    end.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            self._shut(end)

    def _shut(self, end: End) -> None:
        self._watch(end, 0)
        self.ends.pop(end.fd, None)
        end.waiting.clear()
        end.socket.close()

    def _watch(self, end: End, mask: int) -> None:
        """Look for these events; a socket with none is not watched at all, for epoll would report its end for ever."""
        if mask != end.mask:
            self._poller.watch(end.fd, end.mask, mask)
            end.mask = mask


def _prepare(fresh: socket.socket) -> None:
    fresh.setblocking(False)
    with contextlib.suppress(OSError):  # as above
        fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _failed(store: socket.socket) -> bool:
    """Tell whether nobody was reached: also where the system chose the port that is called, and it reached itself."""
    if store.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        return True
    try:
        return bool(store.getsockname() == store.getpeername())
    except OSError:
        return True
