"""Adds up what passes through a relay, over all connections."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from harness.wire.reader import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.wire.reader import Reader


class Totals(NamedTuple):
    """What has passed so far, a driver's own monitoring left out."""

    commands: int = 0
    round_trips: int = 0
    to_store_bytes: int = 0
    from_store_bytes: int = 0


class Tally:
    """The sum over a relay's connections; written on the relay's thread, read on any."""

    def __init__(self, reader: Callable[[], Reader]) -> None:
        self.unreadable: str | None = None
        """Why the traffic could not be read, once that is so: a clause."""
        self._reader = reader
        self._totals = Totals()
        self._connections: set[_Connection] = set()
        self._changed = threading.Condition()

    def listen(self) -> _Connection:
        """Begin to read a connection; what is returned is the relay's listener."""
        connection = _Connection(self, self._reader())
        with self._changed:
            self._connections.add(connection)
        return connection

    def totals(self) -> Totals:
        """Return the sum."""
        with self._changed:
            return self._totals

    def wait_answered(self, timeout_s: float) -> bool:
        """Wait until no request of the app's waits for its store; False when that took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not any(each.unanswered for each in self._connections), timeout_s)

    def see(self, connection: _Connection, data: bytes, *, asked: bool) -> None:
        """Take in a piece of a connection."""
        with self._changed:
            if self.unreadable is None:
                try:
                    self._totals = Totals(*map(sum, zip(self._totals, connection.read(data, asked=asked), strict=True)))
                except Unreadable as error:
                    self.unreadable = str(error)
                    self._connections.clear()
                self._changed.notify_all()

    def forget(self, connection: _Connection) -> None:
        """Wait no more for a connection that ended."""
        with self._changed:
            self._connections.discard(connection)
            self._changed.notify_all()


class _Connection:
    """One connection; a listener for the relay."""

    def __init__(self, tally: Tally, reader: Reader) -> None:
        self._tally = tally
        self._reader = reader
        self._asking = False

    @property
    def unanswered(self) -> int:
        return self._reader.unanswered

    def to_store(self, data: bytes) -> None:
        self._tally.see(self, data, asked=True)

    def from_store(self, data: bytes) -> None:
        self._tally.see(self, data, asked=False)

    def closed(self) -> None:
        self._tally.forget(self)

    def read(self, data: bytes, *, asked: bool) -> Totals:
        """Return what a piece adds to the totals; a round trip is complete where asking turns into being answered."""
        commands, size = (self._reader.to_store if asked else self._reader.from_store)(data)
        if not size:
            return Totals()
        trips = int(self._asking and not asked)
        self._asking = asked
        return Totals(commands, trips, size if asked else 0, 0 if asked else size)
