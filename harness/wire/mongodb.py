"""MongoDB's wire protocol (https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol)."""

from __future__ import annotations

import struct

from harness.wire.reader import Seen, Unreadable, messages

SCHEMES = {"mongodb": 27017}

_HEADER = struct.Struct("<iiii")
"""Length, request id, id of the request that it answers, kind."""
_SIZE = struct.Struct("<i")
_OP_REPLY, _OP_QUERY, _OP_COMPRESSED, _OP_MSG = 1, 2004, 2012, 2013
_KINDS = frozenset({_OP_REPLY, 2001, 2002, _OP_QUERY, 2005, 2006, 2007, _OP_COMPRESSED, _OP_MSG})
_MORE_TO_COME = 1 << 1
_FLAGS_BYTES = 4
_BODY, _SEQUENCE = 0, 1
_LONGEST = 48 * 2**20
_BACKGROUND = frozenset({b"hello", b"ismaster", b"endsessions"})
"""How drivers watch the server and take leave of it, on their own clock and not a request's."""


class MongoDB:
    """Counts commands; a driver's monitoring is left out, with its bytes and the answers to it."""

    def __init__(self) -> None:
        self.unanswered = 0
        self._sent = bytearray()
        self._received = bytearray()
        self._background: set[int] = set()
        """Ids of messages whose answer is monitoring's."""
        self._waiting: set[int] = set()

    def to_store(self, data: bytes) -> Seen:
        """Count commands."""
        self._sent += data
        commands = size = 0
        for message in messages(self._sent, _length):
            _, number, _, kind = _HEADER.unpack_from(message)
            if _name(message, kind) in _BACKGROUND:
                self._background.add(number)
                continue
            commands += 1
            size += len(message)
            if not _more_to_come(message, kind):
                self._waiting.add(number)
        self.unanswered = len(self._waiting)
        return Seen(commands, size)

    def from_store(self, data: bytes) -> Seen:
        """Match answers with commands."""
        self._received += data
        size = 0
        for message in messages(self._received, _length):
            _, number, asked, kind = _HEADER.unpack_from(message)
            more = _more_to_come(message, kind)
            if asked in self._background:
                self._background.discard(asked)
                if more:  # a streamed answer: the next one answers this one
                    self._background.add(number)
                continue
            size += len(message)
            self._waiting.discard(asked)
            if more:
                self._waiting.add(number)
        self.unanswered = len(self._waiting)
        return Seen(0, size)


def _length(buffer: bytearray) -> int | None:
    if len(buffer) < _HEADER.size:
        return None
    size, _, _, kind = _HEADER.unpack_from(buffer)
    if not _HEADER.size <= size <= _LONGEST or kind not in _KINDS:
        raise Unreadable("it is not MongoDB's protocol, or is encrypted")
    return int(size)


def _more_to_come(message: bytes, kind: int) -> bool:
    if kind != _OP_MSG:
        return False
    return bool(int.from_bytes(message[_HEADER.size : _HEADER.size + _FLAGS_BYTES], "little") & _MORE_TO_COME)


def _name(message: bytes, kind: int) -> bytes:
    """Return the command's name in lower case; empty for a compressed one, which is never monitoring's."""
    if kind == _OP_MSG:
        at = _body(message)
    elif kind == _OP_QUERY:
        at = message.find(b"\0", _HEADER.size + _FLAGS_BYTES) + 1 + 2 * _SIZE.size
    else:
        return b""
    key = at + _SIZE.size + 1  # behind the document's length and its first element's type
    return message[key : message.find(b"\0", key)].lower()


def _body(message: bytes) -> int:
    """Return where the body lies among the sections; past the end where there is none."""
    at = _HEADER.size + _FLAGS_BYTES
    while at + 1 + _SIZE.size <= len(message) and message[at] == _SEQUENCE:
        at += 1 + max(_SIZE.size, _SIZE.unpack_from(message, at + 1)[0])
    return at + 1 if at < len(message) and message[at] == _BODY else len(message)


READER = MongoDB
