"""The few cookies of one user: what sessions need of RFC 6265, without `http.cookiejar`'s 16 µs a request."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from functools import lru_cache
from time import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEVER = float("inf")
_MOST_WRITTEN = 256


class _Cookie(NamedTuple):
    pair: bytes
    path: str
    expires_at: float

    @property
    def name(self) -> str:
        return self.pair.partition(b"=")[0].decode("latin-1")

    @property
    def value(self) -> str:
        return self.pair.partition(b"=")[2].decode("latin-1")


class _Attributes(NamedTuple):
    path: str | None
    is_secure: bool
    max_age_s: float | None
    expires_at: float | None


class CookieJar:
    """Keeps the cookies of one host by name and path; Domain is of no use with one host, and is ignored.

    `secure_over_http` sends Secure cookies over plain HTTP too, so that an app that sets them can be loaded on
    loopback; otherwise they are not kept, as a browser would not send them.
    """

    def __init__(self, *, secure_over_http: bool = False) -> None:
        self._keeps_secure = secure_over_http
        self._cookies: dict[tuple[bytes, str], _Cookie] = {}
        self.written: dict[tuple[str, str], bytes] = {}
        """By method and path what `keep` was given; empty again as soon as a cookie changes."""
        self.first_expiry = _NEVER
        """When to call `expire`, seconds since 1970."""

    def __iter__(self) -> Iterator[_Cookie]:
        """Go through the cookies, each with its `name` and `value`, as in http.cookiejar."""
        return iter(self._cookies.values())

    def line(self, path: str) -> bytes:
        """Return the Cookie header of a request for this path as one line, CRLF included; empty without cookies."""
        now = time()
        if self.first_expiry <= now:
            self.expire(now)
        matching = sorted(
            (cookie for cookie in self._cookies.values() if _matches(path, cookie.path)),
            key=lambda cookie: -len(cookie.path),
        )
        return b"Cookie: " + b"; ".join(cookie.pair for cookie in matching) + b"\r\n" if matching else b""

    def keep(self, method: str, path: str, opening: bytes) -> None:
        """Keep a request's first lines, with these cookies, in `written` until one of them changes."""
        if len(self.written) >= _MOST_WRITTEN:
            self.written.clear()
        self.written[method, path] = opening

    def take(self, header: bytes, request_path: str) -> None:
        """Take in the value of one Set-Cookie header."""
        pair, _, rest = header.partition(b";")
        name, equals, value = pair.partition(b"=")
        name = name.strip()
        if not equals or not name:
            return
        path, is_secure, max_age_s, expires_at = _attributes(rest)
        if path is None:
            path = _default_path(request_path)
        now = time()
        # Max-Age outweighs Expires (RFC 6265, 5.3).
        ends = now + max_age_s if max_age_s is not None else expires_at if expires_at is not None else _NEVER
        known = self._cookies.get((name, path))
        if ends <= now or (is_secure and not self._keeps_secure):
            if known is None:
                return
            del self._cookies[name, path]
            self.written.clear()
        else:
            cookie = self._cookies[name, path] = _Cookie(name + b"=" + value.strip(), path, ends)
            if known is None or known.pair != cookie.pair:
                self.written.clear()
        self.first_expiry = min([cookie.expires_at for cookie in self._cookies.values()], default=_NEVER)

    def clear(self) -> None:
        """Forget every cookie."""
        self._cookies.clear()
        self.written.clear()
        self.first_expiry = _NEVER

    def expire(self, now: float) -> None:
        """Forget the cookies whose time was up at `now`, seconds since 1970."""
        self._cookies = {key: cookie for key, cookie in self._cookies.items() if cookie.expires_at > now}
        self.written.clear()
        self.first_expiry = min((cookie.expires_at for cookie in self._cookies.values()), default=_NEVER)


@lru_cache(maxsize=256)
def _attributes(text: bytes) -> _Attributes:
    """Read what stands behind a cookie's value; an app says the same of every session."""
    path, is_secure, max_age_s, expires_at = None, False, None, None
    for attribute in text.split(b";"):
        key, _, argument = attribute.partition(b"=")
        match key.strip().lower():
            case b"path" if argument.strip().startswith(b"/"):
                path = argument.strip().decode("latin-1")
            case b"secure":
                is_secure = True
            case b"max-age":
                max_age_s = _number(argument)
            case b"expires":
                expires_at = _date(argument)
    return _Attributes(path, is_secure, max_age_s, expires_at)


def _default_path(request_path: str) -> str:
    """Return the path of a cookie that names none (RFC 6265, 5.1.4)."""
    folder = request_path.partition("?")[0].rpartition("/")[0]
    return folder or "/"


def _matches(request_path: str, path: str) -> bool:
    """Tell whether a cookie of this path goes with a request (RFC 6265, 5.1.4)."""
    asked = request_path.partition("?")[0]
    return asked == path or (asked.startswith(path) and (path.endswith("/") or asked[len(path)] == "/"))


def _number(text: bytes) -> float | None:
    try:
        return float(int(text))
    except ValueError:
        return None


def _date(text: bytes) -> float | None:
    try:
        return parsedate_to_datetime(text.decode("latin-1").strip()).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
