"""HTTP/1.1, as the session service speaks it."""

from __future__ import annotations

import re
from typing import Any

import httptools

from harness.wire.reader import Seen, Unreadable

SCHEMES = {"http": 80}

_UNIX_TIME = re.compile(rb"\d{10}\.\d{1,9}")
_UNIX_TIME_BYTES = 18
"""The shortest spelling of a Unix time in our century takes up to seven decimals, and now and then fewer."""
_FINAL = 200


class Http:
    """Counts requests. A Unix time in a header counts as 18 bytes, however many digits its spelling happens to take."""

    def __init__(self) -> None:
        self.unanswered = 0
        self._asked = _Messages()
        self._request = httptools.HttpRequestParser(self._asked)
        self._answered = _Messages()
        self._response = httptools.HttpResponseParser(self._answered)
        self._answered.status = self._response.get_status_code

    def to_store(self, data: bytes) -> Seen:
        """Count requests."""
        commands, size = self._asked.read(self._request, data)
        self.unanswered += commands
        return Seen(commands, size)

    def from_store(self, data: bytes) -> Seen:
        """Count responses."""
        answers, size = self._answered.read(self._response, data)
        self.unanswered = max(0, self.unanswered - answers)
        return Seen(0, size)


class _Messages:
    """What httptools calls back."""

    def __init__(self) -> None:
        self.status: Any = lambda: _FINAL
        self._ended = 0
        self._spelling = 0

    def on_header(self, _name: bytes, value: bytes) -> None:
        if _UNIX_TIME.fullmatch(value):
            self._spelling += _UNIX_TIME_BYTES - len(value)

    def on_message_complete(self) -> None:
        self._ended += self.status() >= _FINAL

    def read(self, parser: Any, data: bytes) -> tuple[int, int]:
        """Return how many messages ended, and how many bytes these are."""
        ended, spelling = self._ended, self._spelling
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise Unreadable("it is not HTTP/1.1") from None
        return self._ended - ended, len(data) + self._spelling - spelling


READER = Http
