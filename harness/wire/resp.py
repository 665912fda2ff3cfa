"""RESP 2 and 3, as Redis and Valkey speak it (https://redis.io/docs/latest/develop/reference/protocol-spec)."""

from __future__ import annotations

import string

from harness.wire.reader import Seen, Unreadable

SCHEMES = {"redis": 6379}

_LINES = b"+-:_,#("
_BULKS = b"$=!"
_AGGREGATES = {ord("*"): 1, ord("~"): 1, ord(">"): 1, ord("%"): 2, ord("|"): 2}
"""How many values make one of the elements that the head of an aggregate counts."""
_PUSH, _ATTRIBUTE = ord(">"), ord("|")
_BEGINNINGS = b"*\r\n" + string.ascii_letters.encode()
"""Of a command: an array, or one as it is typed into a terminal."""
_LONGEST_LINE = 64 * 1024
_LONGEST = 512 * 2**20
_DEEPEST = 256


class Resp:
    """Counts top-level values: what the app sends are commands, what the store sends are answers."""

    def __init__(self) -> None:
        self.unanswered = 0
        self._asked = _Values(inline=True)
        self._answered = _Values(inline=False)

    def to_store(self, data: bytes) -> Seen:
        """Count commands."""
        commands = self._asked.feed(data)
        self.unanswered += commands
        return Seen(commands, len(data))

    def from_store(self, data: bytes) -> Seen:
        """Count answers; one that nobody asked for, as after SUBSCRIBE, answers nothing."""
        self.unanswered = max(0, self.unanswered - self._answered.feed(data))
        return Seen(0, len(data))


class _Values:
    """Counts the whole top-level values of a stream; bulk strings are passed over, not kept."""

    def __init__(self, *, inline: bool) -> None:
        self._inline = inline
        self._line = bytearray()
        self._skip = 0
        self._open: list[list[int]] = []
        """Aggregates that are not whole yet: their kind, and how many values they lack."""

    def feed(self, data: bytes) -> int:
        """Return how many values ended; what the store pushes on its own, and attributes, are not among them."""
        ended, at = 0, 0
        while at < len(data):
            if self._skip:
                passed = min(self._skip, len(data) - at)
                self._skip -= passed
                at += passed
                if not self._skip:
                    ended += self._close()
                continue
            if self._inline and not (self._line or self._open or data[at : at + 1] in _BEGINNINGS):
                raise Unreadable("it is not RESP")
            end = data.find(b"\n", at) + 1 or len(data)
            self._line += data[at:end]
            at = end
            if len(self._line) > _LONGEST_LINE:
                raise Unreadable("a line of it is longer than any of RESP")
            if self._line.endswith(b"\n"):
                line = bytes(self._line).rstrip(b"\r\n")
                self._line.clear()
                ended += self._take(line)
        return ended

    def _take(self, line: bytes) -> int:
        """Take in a line, which is a value or the head of one."""
        if self._inline and not self._open and line[:1] != b"*":
            return 1 if line else 0
        if not line:
            raise Unreadable("an empty line stands where RESP has a value")
        kind = line[0]
        if kind in _LINES:
            return self._close()
        if kind in _BULKS:
            size = _number(line)
            if size < 0:
                return self._close()
            self._skip = size + 2
            return 0
        if kind not in _AGGREGATES:
            raise Unreadable("it is not RESP")
        lacking = _number(line) * _AGGREGATES[kind]
        if len(self._open) >= _DEEPEST:
            raise Unreadable("it nests deeper than any RESP")
        self._open.append([kind, lacking])
        return self._close_whole()

    def _close(self) -> int:
        """End a value: where it lies inside others, they may end with it."""
        if not self._open:
            return 1
        self._open[-1][1] -= 1
        return self._close_whole()

    def _close_whole(self) -> int:
        while self._open and self._open[-1][1] <= 0:
            kind, _ = self._open.pop()
            if kind == _ATTRIBUTE:
                return 0  # the value that it describes is still to come
            if not self._open:
                return 0 if kind == _PUSH else 1
            self._open[-1][1] -= 1
        return 0


def _number(line: bytes) -> int:
    digits = line[1:]
    if digits == b"-1":
        return -1  # null
    if not digits.isdigit() or int(digits[:16]) > _LONGEST:
        raise Unreadable("a length in it is no length")
    return int(digits)


READER = Resp
