"""Reads answers: httptools (llhttp, Node's parser) decides what is one, and every head is parsed only once.

An app's answers differ in their bodies and repeat their heads byte for byte, but for a date that changes once a
second. A head that was parsed, and that alone said how long its body is, is remembered; the same bytes mean the same
the next time. So the short way is exactly as strict as the parser.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import httptools

from harness.load.response import TransportError

_MOST_HEADER_BYTES: Final = 1 << 16
_MOST_BODY_BYTES: Final = 1 << 26
_MOST_KNOWN: Final = 1024
_MOST_KNOWN_BYTES: Final = 1 << 12
_END: Final = b"\r\n\r\n"
_CONTINUE, _OK = 100, 200

Headers = tuple[tuple[bytes, bytes], ...]


class Head(NamedTuple):
    """What comes before a body."""

    status: int
    headers: Headers
    cookies: tuple[bytes, ...]
    """The values of its Set-Cookie headers."""
    body_bytes: int


known: Final[dict[bytes, Head]] = {}
"""Heads of kept connections that set no cookie and whose body is as long as they say; Answer adds them."""


class Answer:
    """What the parser has seen of the answers of one connection, one at a time; it calls the `on_` methods."""

    __slots__ = (
        "_bodiless", "_body", "_bytes", "_cookies", "_first", "_headers", "_parser", "_status", "complete",
        "keeps_alive",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.begin(bodiless=False)

    def begin(self, *, bodiless: bool) -> None:
        """Be ready for the next answer; `bodiless` is one to HEAD, which has no body whatever its head says."""
        self._headers: list[tuple[bytes, bytes]] = []
        self._cookies: list[bytes] = []
        self._body: list[bytes] = []
        self._status = 0
        self._bytes = 0
        self._bodiless = bodiless
        self._first = b""
        self.complete = False
        self.keeps_alive = True

    def feed(self, received: bytes) -> None:
        """Parse what came; raises TransportError or HttpParserError for what is no answer."""
        self._first = b"" if self._bytes else received
        self._bytes += len(received)
        if self._bytes > (_MOST_BODY_BYTES if self._status else _MOST_HEADER_BYTES):
            raise TransportError("the answer is larger than any that a session app gives")
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserUpgrade as error:
            raise TransportError("the server changed the protocol") from error

    def ended(self) -> None:
        """Take the end of the connection for the end of a body that had no length; else raise TransportError."""
        named = {name.lower() for name, _ in self._headers}
        if not self._status or named & {b"content-length", b"transfer-encoding"}:
            raise TransportError("the connection ended before the answer did")
        self.complete = True
        self.keeps_alive = False

    def taken(self) -> tuple[Head, bytes]:
        """Return the complete answer, and remember its head if that is all that the next one like it needs."""
        body = b"".join(self._body)
        head = Head(self._status, tuple(self._headers), tuple(self._cookies), len(body))
        first = self._first
        if first and self.keeps_alive and not self._cookies and not self._bodiless:
            end = first.find(_END) + len(_END)
            if end <= _MOST_KNOWN_BYTES and first[end:] == body:
                if len(known) >= _MOST_KNOWN:
                    known.clear()
                known[first[:end]] = head
        return head, body

    def on_message_begin(self) -> None:
        """Refuse a second answer; nobody asked for one."""
        if self.complete:
            raise TransportError("more came than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers, which come behind the body, are nobody's business here."""
        if not self._status:
            self._headers.append((name, value))
            if len(name) == 10 and name.lower() == b"set-cookie":  # noqa: PLR2004 - its length
                self._cookies.append(value)

    def on_headers_complete(self) -> None:
        """Take the status."""
        self._status = self._parser.get_status_code()
        if self._status < _CONTINUE:
            raise TransportError(f"{self._status} is no status")
        if self._bodiless and self._status >= _OK:
            self.complete = True
            self.keeps_alive = self._parser.should_keep_alive()
            # The parser now waits for a body; the next answer needs another.
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if self._bodiless:
            raise TransportError("a body came where none was asked for")
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Be done, unless this was only an interim answer (100 Continue and its like)."""
        if self._status < _OK:
            self._headers, self._cookies, self._status = [], [], 0
            return
        self.complete = True
        self.keeps_alive = self._parser.should_keep_alive()
