"""A client for one request at a time, which sees every byte of the answer and keeps the cookies."""

from __future__ import annotations

import json
import socket
import time
from email.utils import parsedate_to_datetime
from typing import Any, Self

import httptools

from harness.errors import MeasurementError

_HOST = "127.0.0.1"
_WAIT_S = 30.0
_PIECE = 64 * 1024
_NO_REQUEST = b"?\r\n\r\n"


class Answer:
    """A response: its status, and its size on the wire."""

    def __init__(self) -> None:
        self.status = 0
        self.size = 0
        self.keep_alive = True
        self.complete = False
        self.set_cookies: list[str] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what sets cookies."""
        if name.lower() == b"set-cookie":
            self.set_cookies.append(value.decode("latin-1"))

    def on_message_complete(self) -> None:
        """Note the end."""
        self.complete = True


class Hand:
    """Sends requests to an app over one connection that is kept; `cookies` may be looked at."""

    def __init__(self, port: int) -> None:
        self.cookies: dict[str, str] = {}
        self._port = port
        self._connection: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    @property
    def cookie(self) -> str:
        """What the next request's Cookie header says; empty: there is none."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def ask(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        """Send a request and return the answer to it; MeasurementError when there is none."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: app", "Accept: */*"]
        if body is not None:
            lines += ["Content-Type: application/json"]
        if method != "GET":
            lines += [f"Content-Length: {len(content)}"]
        if self.cookies:
            lines += [f"Cookie: {self.cookie}"]
        head = "\r\n".join([*lines, "", ""]).encode()
        if self._connection is None:
            self._connection = socket.create_connection((_HOST, self._port), _WAIT_S)
        try:
            self._connection.sendall(head + content)
            answer = _read(self._connection)
        except (OSError, httptools.HttpParserError) as error:
            raise MeasurementError(f"{method} {path} was not answered: {error}. The app's log says more.") from None
        if not answer.keep_alive:
            self._connection.close()
            self._connection = None
        self.cookies = kept_cookies(self.cookies, answer.set_cookies)
        return answer

    def knock(self) -> None:
        """Send what is no request, and wait until the server has turned it away.

        Uvicorn answers it with 400 by itself: no line of the app runs, and whatever its event loop was to do before
        has been done. MeasurementError when nobody answers.
        """
        try:
            with socket.create_connection((_HOST, self._port), _WAIT_S) as connection:
                connection.sendall(_NO_REQUEST)
                while connection.recv(_PIECE):
                    pass
        except OSError as error:
            raise MeasurementError(f"The app's server does not answer any more: {error}.") from None


def kept_cookies(before: dict[str, str], set_cookies: list[str]) -> dict[str, str]:
    """Return a jar's cookies after Set-Cookie headers: as a browser has it, as far as one visits a single host."""
    cookies = dict(before)
    for line in set_cookies:
        pair, *attributes = (part.strip() for part in line.split(";"))
        name, _, value = pair.partition("=")
        said = {key.strip().lower(): text.strip() for key, _, text in (each.partition("=") for each in attributes)}
        if _expired(said):
            cookies.pop(name, None)
        else:
            cookies[name] = value
    return cookies


def _read(connection: socket.socket) -> Answer:
    answer = Answer()
    parser = httptools.HttpResponseParser(answer)
    while not answer.complete:
        piece = connection.recv(_PIECE)
        if not piece:
            raise ConnectionError("the connection was closed in the middle")
        answer.size += len(piece)
        parser.feed_data(piece)
    answer.status = parser.get_status_code()
    answer.keep_alive = parser.should_keep_alive()
    return answer


def _expired(attributes: dict[str, str]) -> bool:
    if "max-age" in attributes:
        return not attributes["max-age"].isdecimal() or int(attributes["max-age"]) == 0
    if "expires" not in attributes:
        return False
    try:
        return parsedate_to_datetime(attributes["expires"]).timestamp() <= time.time()
    except ValueError:
        return False
