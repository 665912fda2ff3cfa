"""What a store is bothered with for nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware

from tests.audit.broken import Around, Flaw

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from backends.store import Record, Store

_HOUR_S = 3600


class RemembersWhatItDidNotFind(Flaw):
    """Who brings a token that is not known gets an empty record under another one, and never hears of it."""

    breaks = 12

    def store(self, store: Store) -> Any:
        return _Remembering(store)


class _Remembering(Around):
    async def get(self, token: str) -> Record | None:
        found: Record | None = await self.inner.get(token)
        if found is None:
            await self.inner.create(b"", time.time() + _HOUR_S)
        return found


class GreetsVisitorsWithASession(Flaw):
    """Who comes without a session is given one, with the time of their visit in it."""

    breaks = 12

    def app(self, app: FastAPI) -> None:
        app.user_middleware.append(Middleware(_Greeting))


class _Greeting:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def greet(message: Message) -> None:
            session = scope["session"]
            if message["type"] == "http.response.start" and session.token is None and not session:
                session["visited"] = time.time()
            await send(message)

        reads = scope["type"] == "http" and "session" in scope and scope["path"] == "/profile"
        await self._app(scope, receive, greet if reads else send)


class ExtendsAtEveryRequest(Flaw):
    """Every session is due to be extended, however fresh it is."""

    breaks = 17

    def app(self, app: FastAPI) -> None:
        app.user_middleware.append(Middleware(_Extending))


class _Extending:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "session" in scope and scope["session"].record is not None:
            scope["session"].due = True
        await self._app(scope, receive, send)


class WritesThreeTimes(Flaw):
    """A write is written three times, below whatever the app itself could count."""

    breaks = 17
    variant = "redis"

    def store(self, store: Store) -> Any:
        return _Writing(store)


class _Writing(Around):
    async def update(self, token: str, data: bytes, expires_at: float, **options: Any) -> Any:
        for _ in range(2):
            await self.inner.update(token, data, expires_at)
        return await self.inner.update(token, data, expires_at, **options)
