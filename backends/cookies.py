"""The session cookie: read from a request's headers, printed for a response."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "sid"
LIMIT_BYTES = 4096
"""Browsers need not keep a larger cookie, name, value and attributes together (RFC 6265, section 6.1)."""
_ATTRIBUTES = "; Path=/; HttpOnly; SameSite=Lax"
_SECURE = "; Secure"
MAX_VALUE_BYTES = LIMIT_BYTES - 1 - len(f"{NAME}={_ATTRIBUTES}{_SECURE}")
_FIRST = re.compile(rb"(?:^|;)[ \t]*%b=([^;]*)" % NAME.encode())


def presented(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the value of the first session cookie in ASGI headers, or None.

    A value that we cannot have set (empty, over-long, not ASCII) is no cookie. Never raises.
    """
    for name, line in headers:
        # HTTP/2 may part the cookies into several headers (RFC 9113, section 8.2.3).
        if name == b"cookie" and (found := _FIRST.search(line)):
            value = found[1].strip()
            known = 0 < len(value) <= MAX_VALUE_BYTES and value.isascii()
            return value.decode() if known else None
    return None


def printed(token: str, *, secure: bool) -> bytes:
    """Return the Set-Cookie value that gives the client this token; the server alone enforces its expiry."""
    return f"{NAME}={token}{_ATTRIBUTES}{_SECURE if secure else ''}".encode()


def cleared(*, secure: bool) -> bytes:
    """Return the Set-Cookie value that makes the client forget its token."""
    return f"{NAME}={_ATTRIBUTES}; Max-Age=0{_SECURE if secure else ''}".encode()
