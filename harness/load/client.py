"""A lean HTTP/1.1 client for Locust users: one kept connection, one parser, a few cookies.

It fires Locust's own `request` event, so every listener and the web page work as with Locust's clients. It knows what
scenarios need of requests' interface: `get`, `post`, `json=`, `data=`, `headers=`, `name=`, `catch_response=`.
Redirects, compression and streams are not among it. benchmarks/client.py compares it with Locust's clients.
"""

from __future__ import annotations

import re
from json import JSONEncoder
from time import perf_counter, time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import gevent
import httptools
from locust.exception import LocustError
from locust.user.task import TaskSet
from requests.utils import requote_uri

from harness.load.answer import Head
from harness.load.connection import Connection
from harness.load.cookies import CookieJar
from harness.load.response import NoAnswer, Response, TransportError
from harness.load.telling import teller

if TYPE_CHECKING:
    from locust import FastHttpUser, User
    from locust.env import Environment
    from locust.event import EventHook

_ENCODE: Final = JSONEncoder(separators=(",", ":")).encode
_PLAIN: Final = re.compile(r"[!#$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]+").fullmatch
_NO_ANSWER: Final = (Head(0, (), (), 0), b"")


class LeanSession:
    """A user's way to its app: a connection that is kept alive, and its cookies.

    A request takes at most `timeout_s` in all, however slowly its answer drips. What is not an answer (garbage, a
    reset, an end before the end, headers or bodies without bound) is a `TransportError` of that request, never more.
    Nothing is sent twice: a request without an answer may have been carried out. Greenlets that ask at the same time
    get a connection each.
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
        self._tell = teller(request_event)
        self._user = user
        self._timeout_s = timeout_s
        self._connection: Connection | None = None
        self.has_waited = False
        """Whether an answer was waited for since this was last set to false: others have had their turn then."""

    def get(self, url: str, **options: Any) -> Response:
        """Send a GET."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> Response:
        """Send a HEAD."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Any) -> Response:
        """Send an OPTIONS."""
        return self.request("OPTIONS", url, **options)

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
        start_time = time()
        jar = self.cookies
        if jar.first_expiry <= start_time:
            jar.expire(start_time)
        opening = jar.written.get((method, path))
        if opening is None:
            opening = self._opening(method, path)
        if data is None and json is None and not headers:
            request = opening + b"\r\n"
        else:
            request = _whole(opening, data, json, headers)
        own = self._user.context()
        error: TransportError | None = None
        started = perf_counter()
        try:
            connection = self._connection
            self._connection = None
            if connection is None or not connection.is_open:
                connection = Connection(self._address, self._timeout_s)
            head, content = connection.exchange(request, started, bodiless=method == "HEAD")
            self._connection = connection
            self.has_waited = True
        except TimeoutError:
            error = NoAnswer(f"no whole answer within {self._timeout_s:g} s")
            head, content = _NO_ANSWER
        except (OSError, httptools.HttpParserError) as cause:
            error = _as_transport_error(cause)
            head, content = _NO_ANSWER
        response_time_ms = (perf_counter() - started) * 1000
        if head.cookies:
            for cookie in head.cookies:
                jar.take(cookie, self._prefix + path)
        meta: dict[str, Any] = {
            "request_type": method,
            "name": name or path,
            "response_time": response_time_ms,
            "response_length": len(content),
            "context": {**own, **context} if context else own,
            "start_time": start_time,
            "url": self.base_url + path,
        }
        response = Response(head.status, head.headers, content, error, meta, self._tell, catch_response)
        if not catch_response:
            response.report()
        return response

    @property
    def cookiejar(self) -> CookieJar:
        """The cookies, by the name that they have in Locust's FastHttpSession."""
        return self.cookies

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _opening(self, method: str, path: str) -> bytes:
        """Write a request up to its cookies."""
        if not path.startswith(("/", "?")):
            raise LocustError(f"The lean client asks {self.base_url} only; {path!r} needs --client stock.")
        whole = f"{self._prefix}/{path.removeprefix('/')}"
        # As requests does it: what an address cannot hold is quoted, what is quoted stays.
        asked = whole if _PLAIN(whole) else requote_uri(whole)
        opening = f"{method} {asked}".encode() + self._host + self.cookies.line(whole)
        self.cookies.keep(method, path, opening)
        return opening


def _whole(opening: bytes, data: bytes | str | None, json: Any, headers: dict[str, str] | None) -> bytes:
    """Write the request's own headers and its body behind its opening; own cookies go in place of the jar's."""
    lines = [opening]
    if json is not None:
        data = _ENCODE(json)
        lines.append(b"Content-Type: application/json\r\n")
    body = data.encode() if isinstance(data, str) else data
    for key, value in (headers or {}).items():
        if "\n" in key + value or "\r" in key + value:
            raise LocustError(f"A header cannot hold a line break: {key!r}.")
        if key.lower() == "cookie" and (jars := opening.find(b"\r\nCookie: ")) >= 0:
            lines[0] = opening[: jars + 2]
        lines.append(f"{key}: {value}\r\n".encode("latin-1"))
    if body is None:
        lines.append(b"\r\n")
    else:
        lines.append(b"Content-Length: %d\r\n\r\n" % len(body))
        lines.append(body)
    return b"".join(lines)


def _as_transport_error(error: OSError | httptools.HttpParserError) -> TransportError:
    """Find what was wrong; the parser hides what its callbacks raise behind an error of its own."""
    for known in (error, error.__context__):
        if isinstance(known, TransportError):
            return known
    return TransportError(str(error) or repr(error))


def equip(user_class: type[FastHttpUser]) -> None:
    """Give every user of this class the lean client in place of Locust's own."""
    initialize = user_class.__init__

    def initialize_lean(user: FastHttpUser, environment: Environment) -> None:
        initialize(user, environment)
        user.client = LeanSession(  # type: ignore[assignment] # it is what scenarios need of one
            str(user.host), environment.events.request, user, timeout_s=user.network_timeout
        )

    user_class.__init__ = initialize_lean  # type: ignore[method-assign,assignment]
    TaskSet._sleep = _sleep  # type: ignore[method-assign] # noqa: SLF001 - where Locust's users wait between tasks


def _sleep(tasks: TaskSet, seconds: float) -> None:
    """Sleep between two tasks; not for no time where an answer has just been waited for, which lets others run too."""
    client = getattr(tasks.user, "client", None)
    if seconds <= 0 and isinstance(client, LeanSession) and client.has_waited:
        client.has_waited = False
    else:
        gevent.sleep(seconds)
