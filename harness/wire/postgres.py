"""PostgreSQL's frontend/backend protocol, version 3 (PostgreSQL manual, Message Formats)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from harness.wire.reader import Seen, Unreadable, messages

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMES = {"postgresql": 5432, "postgres": 5432}

_STARTUP = struct.Struct("!II")
_LENGTH = struct.Struct("!I")
_CANCEL, _TLS, _GSSAPI = 80877102, 80877103, 80877104
_MAJOR = 3
_FRONTEND = b"BCDEFHPQSXcdfp"
_COMMANDS = b"EFQ"
"""Execute, FunctionCall, Query."""
_ENDED_BY_READY = b"FQS"
"""The server answers these with ReadyForQuery in the end."""
_READY = b"Z"
_LONGEST = 2**30
_LONGEST_STARTUP = 10_000
"""The server's own limit."""


class Postgres:
    """Counts Execute, FunctionCall and Query messages."""

    def __init__(self) -> None:
        self.unanswered = 0
        self._sent = bytearray()
        self._received = bytearray()
        self._started = False
        self._offered = False
        """The app asks whether it may encrypt; one byte says so."""

    def to_store(self, data: bytes) -> Seen:
        """Count what is executed."""
        self._sent += data
        commands = size = 0
        while not self._started:
            message = next(messages(self._sent, _startup_length), None)
            if message is None:
                return Seen(0, size)
            size += len(message)
            self._start(message)
        for message in messages(self._sent, _frontend_length):
            size += len(message)
            commands += message[0] in _COMMANDS
            self.unanswered += message[0] in _ENDED_BY_READY
        return Seen(commands, size)

    def from_store(self, data: bytes) -> Seen:
        """See when the server is ready again."""
        self._received += data
        size = 0
        if self._offered and self._received:
            if self._received[:1] != b"N":
                raise Unreadable("it is encrypted from here on")
            self._offered = False
            del self._received[:1]
            size += 1
        for message in self._answers():
            size += len(message)
            if message[:1] == _READY:
                self.unanswered = max(0, self.unanswered - 1)
        return Seen(0, size)

    def _start(self, message: bytes) -> None:
        _, code = _STARTUP.unpack_from(message)
        if code in {_TLS, _GSSAPI}:
            self._offered = True
        elif code >> 16 == _MAJOR:
            self._started = True
            self.unanswered += 1
        elif code != _CANCEL:
            raise Unreadable("it does not begin as PostgreSQL's protocol does")

    def _answers(self) -> Iterator[bytes]:
        return messages(self._received, _backend_length)


def _startup_length(buffer: bytearray) -> int | None:
    if len(buffer) < _STARTUP.size:
        return None
    size, _ = _STARTUP.unpack_from(buffer)
    if not _STARTUP.size <= size <= _LONGEST_STARTUP:
        raise Unreadable("it does not begin as PostgreSQL's protocol does")
    return int(size)


def _frontend_length(buffer: bytearray) -> int | None:
    if buffer and buffer[0] not in _FRONTEND:
        raise Unreadable("a message in it is none of PostgreSQL's")
    return _typed_length(buffer)


def _backend_length(buffer: bytearray) -> int | None:
    if buffer and not buffer[:1].isalnum():
        raise Unreadable("a message in it is none of PostgreSQL's")
    return _typed_length(buffer)


def _typed_length(buffer: bytearray) -> int | None:
    if len(buffer) < 1 + _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack_from(buffer, 1)
    if not _LENGTH.size <= size <= _LONGEST:
        raise Unreadable("a length in it is no length")
    return int(1 + size)


READER = Postgres
