"""Cookies that are too large, or guarded by nothing."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from tests.audit.broken import Around, Flaw
from tests.audit.flaws.tampering import Renaming

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from backends.store import Record, Store

    Headers = list[tuple[bytes, bytes]]
    Change = Callable[[Headers], Headers]

_LIMIT_BYTES = 4096


class SetsWhatABrowserDrops(Flaw):
    """A session in a cookie may be as large as it likes."""

    breaks = 11
    variant = "cookie"

    def store(self, store: Store) -> Any:
        store.traits = replace(store.traits, max_bytes=2**30)
        return store


class DropsWhatIsLarge(Flaw):
    """What is over 4 kB is taken and thrown away, as some caches do."""

    breaks = 11

    def store(self, store: Store) -> Any:
        return _Dropping(store)


class _Dropping(Around):
    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        made: Record = await self.inner.create(data, expires_at, replaces=replaces)
        if len(data) > _LIMIT_BYTES:
            await self.inner.delete(made.token)
        return made


def _cookies(change: Callable[[bytes], bytes]) -> Change:
    return lambda headers: [(name, change(value) if name == b"set-cookie" else value) for name, value in headers]


def _attribute(name: bytes, instead: bytes = b"") -> Change:
    """Return what cuts an attribute out of every Set-Cookie header, or puts another in its place."""
    pattern = rb";\s*%b(=[^;]*)?" % name
    return _cookies(lambda value: re.sub(pattern, instead, value))


def _without(name: bytes) -> Change:
    return lambda headers: [header for header in headers if header[0] != name]


LACKS: dict[str, Change] = {
    "HttpOnly": _attribute(b"HttpOnly"),
    "SameSite": _attribute(b"SameSite", b"; SameSite=None"),
    "a Path": _attribute(b"Path"),
    "no Domain": _cookies(lambda value: value + b"; Domain=example.org"),
    "Secure": _attribute(b"Secure"),
    "no-store": _without(b"cache-control"),
    "Vary": _without(b"vary"),
}
"""What the check says when it is missing, and how a response loses it."""
A_NAME = "a name"
_CHANGES = {**LACKS, A_NAME: _cookies(lambda value: value.replace(b"sid=", b"PHPSESSID="))}


class GuardsNothing(Flaw):
    """The cookie lacks every attribute, and its answers every header, that it should have; POST /lacks chooses some."""

    breaks = 14

    def app(self, app: FastAPI) -> None:
        lacks = list(LACKS)

        async def choose(request: Request) -> JSONResponse:
            lacks[:] = await request.json()
            return JSONResponse({})

        app.router.add_route("/lacks", choose, methods=["POST"])
        app.add_middleware(_Unguarded, lacks=lacks)


class _Unguarded:
    def __init__(self, app: ASGIApp, lacks: list[str]) -> None:
        self._app = app
        self._lacks = lacks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def unguarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                for what in self._lacks:
                    message = {**message, "headers": _CHANGES[what](list(message["headers"]))}
            await send(message)

        await self._app(scope, receive, unguarded)


class IssuesTheTimeOfDay(Flaw):
    """A token is the time of the login in nanoseconds, and 32 bits besides."""

    breaks = 14

    def store(self, store: Store) -> Any:
        return _Timed(store)


class _Timed(Renaming):
    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        made: Record = await self.inner.create(data, expires_at, replaces=replaces and self.meant(replaces))
        name = f"{time.time_ns()}{secrets.token_hex(4)}"
        self.minted[name] = made.token
        return replace(made, token=name)
