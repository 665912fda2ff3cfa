"""A lean HTTP/1.1 client for Locust users: one kept connection, one parser, a few cookies.

It speaks over a gevent socket with httptools (llhttp, Node's parser) and fires Locust's own `request` event, so every
listener and the web page work as with Locust's clients. It knows what scenarios need of requests' interface: `get`,
`post`, `json=`, `data=`, `headers=`, `name=`, `catch_response=`. Redirects, compression and streams are not among it.
benchmarks/client.py compares it with Locust's clients.
"""

from __future__ import annotations

import json as stdlib_json
from time import monotonic, perf_counter, time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httptools
from gevent import socket
from locust.exception import LocustError

from harness.load.cookies import CookieJar
from harness.load.response import NoAnswer, Response, TransportError, failed

if TYPE_CHECKING:
    from locust import FastHttpUser, User
    from locust.env import Environment
    from locust.event import EventHook

_RECEIVE_BYTES = 1 << 16
_MOST_HEADER_BYTES = 1 << 16
_MOST_BODY_BYTES = 1 << 26
_OK = 200


class LeanSession:
    """A user's way to its app: one connection at a time, kept alive, and its cookies.

    A request takes at most `timeout_s` in all, however slowly its answer drips. What is not an answer (garbage, a
    reset, an end before the end, headers or bodies without bound) is a `TransportError` of that request, never more.
    Nothing is sent twice: a request without an answer may have been carried out.
    """

    def __init__(
        self,
        base_url: str,
        request_event: EventHook,
        user: User,
        *,
        timeout_s: float = 60.0,
        secure_over_http: bool = False,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme != "http" or not parts.hostname:
            raise LocustError(f"The lean client speaks plain HTTP to one host; {base_url!r} needs --client stock.")
        self.base_url = base_url.rstrip("/")
        self.cookies = CookieJar(secure_over_http=secure_over_http)
        self._address = (parts.hostname, parts.port or 80)
        self._prefix = parts.path.rstrip("/")
        self._host = f" HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nAccept: */*\r\n".encode("latin-1")
        self._event = request_event
        self._user = user
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._answer = _Answer()

    def get(self, url: str, **options: Any) -> Response:
        """Send a GET."""
        return self.request("GET", url, **options)

    def post(self, url: str, data: bytes | str | None = None, json: Any = None, **options: Any) -> Response:
        """Send a POST."""
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url: str, data: bytes | str | None = None, **options: Any) -> Response:
        """Send a PUT."""
        return self.request("PUT", url, data=data, **options)

    def patch(self, url: str, data: bytes | str | None = None, **options: Any) -> Response:
        """Send a PATCH."""
        return self.request("PATCH", url, data=data, **options)

    def delete(self, url: str, **options: Any) -> Response:
        """Send a DELETE."""
        return self.request("DELETE", url, **options)

    def request(  # noqa: PLR0917 - the order of Locust's own clients
        self,
        method: str,
        url: str,
        name: str | None = None,
        data: bytes | str | None = None,
        json: Any = None,
        headers: dict[str, str] | None = None,
        context: dict[str, Any] | None = None,
        *,
        catch_response: bool = False,
    ) -> Response:
        """Send a request to a path of this host and wait for its answer."""
        path = url.removeprefix(self.base_url) or "/"
        request = self._written(method, self._prefix + path, data, json, headers)
        meta: dict[str, Any] = {
            "request_type": method,
            "name": name or path,
            "context": {**self._user.context(), **(context or {})},
            "start_time": time(),
            "url": self.base_url + path,
        }
        started = perf_counter()
        response = self._exchanged(request, meta["url"])
        meta["response_time"] = (perf_counter() - started) * 1000
        meta["response_length"] = len(response.content)
        meta["response"] = response
        for header, value in response.raw_headers:
            if header.lower() == b"set-cookie":
                self.cookies.take(value, self._prefix + path)
        response.announce(self._event, meta, caught=catch_response)
        return response

    def close(self) -> None:
        """Let go of the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _written(
        self, method: str, path: str, data: bytes | str | None, json: Any, headers: dict[str, str] | None
    ) -> bytes:
        lines = [method.encode(), b" ", path.encode(), self._host, self.cookies.line(path)]
        if json is not None:
            data = stdlib_json.dumps(json, separators=(",", ":"))
            lines.append(b"Content-Type: application/json\r\n")
        body = data.encode() if isinstance(data, str) else data
        for key, value in (headers or {}).items():
            if "\n" in key + value or "\r" in key + value:
                raise LocustError(f"A header cannot hold a line break: {key!r}.")
            lines.append(f"{key}: {value}\r\n".encode("latin-1"))
        if body is not None:
            lines.append(b"Content-Length: %d\r\n" % len(body))
        lines.append(b"\r\n")
        if body is not None:
            lines.append(body)
        return b"".join(lines)

    def _exchanged(self, request: bytes, url: str) -> Response:
        """Send the request and read its answer; every failure becomes the response's error."""
        deadline = monotonic() + self._timeout_s
        try:
            connection = self._socket or self._connected()
            answer = self._answer
            connection.settimeout(self._timeout_s)
            connection.sendall(request)
            answer.begin()
            while not answer.complete:
                received = connection.recv(_RECEIVE_BYTES)
                if not received:
                    answer.ended()
                    self.close()
                    break
                answer.feed(received)
                if not answer.complete:
                    connection.settimeout(max(deadline - monotonic(), 1e-6))
        except TimeoutError:
            self._forget()
            return failed(url, NoAnswer(f"no whole answer within {self._timeout_s:g} s"))
        except (OSError, httptools.HttpParserError) as error:
            self._forget()
            return failed(
                url, error if isinstance(error, TransportError) else TransportError(str(error) or repr(error))
            )
        if not answer.keeps_alive:
            self.close()
        return Response(url, answer.status, answer.headers, b"".join(answer.body))

    def _connected(self) -> socket.socket:
        self._socket = socket.create_connection(self._address, self._timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer = _Answer()
        return self._socket

    def _forget(self) -> None:
        """Drop a connection that holds half an answer."""
        self.close()
        self._answer = _Answer()


def equip(user_class: type[FastHttpUser]) -> None:
    """Give every user of this class the lean client in place of Locust's own."""
    initialize = user_class.__init__

    def initialize_lean(user: FastHttpUser, environment: Environment) -> None:
        initialize(user, environment)
        user.client = LeanSession(  # type: ignore[assignment] # it is what scenarios need of one
            str(user.host), environment.events.request, user, timeout_s=user.network_timeout
        )

    user_class.__init__ = initialize_lean  # type: ignore[method-assign,assignment]


class _Answer:
    """What the parser has seen of the answers of one connection; it calls the `on_` methods."""

    __slots__ = ("_bytes", "_framed", "_parser", "body", "complete", "headers", "keeps_alive", "status")

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.begin()

    def begin(self) -> None:
        """Be ready for the next answer."""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.status = 0
        self.complete = False
        self.keeps_alive = True
        self._bytes = 0

    def feed(self, received: bytes) -> None:
        """Parse what came; raises TransportError or HttpParserError for what is no answer."""
        self._bytes += len(received)
        if self._bytes > (_MOST_BODY_BYTES if self.status else _MOST_HEADER_BYTES):
            raise TransportError("the answer is larger than any that a session app gives")
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserUpgrade as error:
            raise TransportError("the server changed the protocol") from error

    def ended(self) -> None:
        """Take the end of the connection for the end of a body that had no length; else raise TransportError."""
        named = {name.lower() for name, _ in self.headers}
        if not self.status or named & {b"content-length", b"transfer-encoding"}:
            raise TransportError("the connection ended before the answer did")
        self.complete = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take the status."""
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self.body.append(body)

    def on_message_complete(self) -> None:
        """Be done, unless this was only an interim answer (100 Continue and its like)."""
        if self.complete:
            raise TransportError("more came than one answer")
        if 100 <= self.status < _OK:  # noqa: PLR2004 - HTTP status
            self.headers, self.status = [], 0
            return
        self.complete = True
        self.keeps_alive = self._parser.should_keep_alive()
