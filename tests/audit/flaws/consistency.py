"""Writes that get lost, reads that come too early, answers that go to somebody else."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware
from starlette.responses import JSONResponse

from backends import cookies
from tests.audit.broken import Around, Flaw

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from backends.store import Record, Refused, Store

_MANY_WRITES = 10
_SLOW_S = 0.29


class LagsAfterManyWrites(Flaw):
    """From a session's tenth write on the first look after a write still shows what was before, as a replica would."""

    breaks = 1

    def store(self, store: Store) -> Any:
        return _Lagging(store)


class _Lagging(Around):
    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._writes: Counter[str] = Counter()
        self._former: dict[str, Record] = {}

    async def get(self, token: str) -> Record | None:
        now: Record | None = await self.inner.get(token)
        return self._former.pop(token, now)

    async def update(self, token: str, *arguments: Any, **options: Any) -> Record | Refused:
        former = await self.inner.get(token)
        self._writes[token] += 1
        if former is not None and self._writes[token] >= _MANY_WRITES:
            self._former[token] = former
        saved: Record | Refused = await self.inner.update(token, *arguments, **options)
        return saved


class SharesAnswersInFlight(Flaw):
    """Who asks for what somebody else is just being answered gets that answer: a cache that knows no cookies.

    It begins with those that carry a query, so it takes many users at once to find it.
    """

    breaks = 2

    def app(self, app: FastAPI) -> None:
        app.add_middleware(_Sharing)


class _Sharing:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._coming: dict[bytes, asyncio.Future[list[Message]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["query_string"]:
            await self._app(scope, receive, send)
            return
        asked = scope["path"].encode() + scope["query_string"]
        if asked not in self._coming:
            self._coming[asked] = asyncio.ensure_future(self._answered(asked, scope, receive))
        for message in await self._coming[asked]:
            await send(message)

    async def _answered(self, asked: bytes, scope: Scope, receive: Receive) -> list[Message]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        try:
            await self._app(scope, receive, keep)
        finally:
            del self._coming[asked]
        return messages


class ForgetsToCompare(Flaw):
    """It was told to refuse conflicts, and its store does not look at the version."""

    breaks = 8
    variant = "memory:conflict=reject"

    def store(self, store: Store) -> Any:
        return _NeverComparing(store)


class _NeverComparing(Around):
    async def update(self, *arguments: Any, **_: Any) -> Record | Refused:
        saved: Record | Refused = await self.inner.update(*arguments)
        return saved


class StumblesOverASecondWriter(Flaw):
    """Who writes while somebody else writes to the same session is answered with 500, which no policy excuses."""

    breaks = 8

    def app(self, app: FastAPI) -> None:
        app.add_middleware(_Stumbling)


class _Stumbling:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._writing: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writes = scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", "/profile")
        session = cookies.presented(scope["headers"]) if writes else None
        if session is None:
            await self._app(scope, receive, send)
        elif session in self._writing:
            await JSONResponse({"error": "internal_error"}, 500)(scope, receive, send)
        else:
            self._writing.add(session)
            try:
                await self._app(scope, receive, send)
            finally:
                self._writing.remove(session)


class SlowReadsLeaveAMark(Flaw):
    """A read that took long is noted in the session, all of which is then saved as it was read."""

    breaks = 9

    def app(self, app: FastAPI) -> None:
        app.user_middleware.append(Middleware(_Marking))


class _Marking:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.monotonic()

        async def mark(message: Message) -> None:
            slow = time.monotonic() - begun > _SLOW_S
            if slow and message["type"] == "http.response.start" and message["status"] == 200:
                scope["session"]["slow"] = time.time()
            await send(message)

        reads = scope["type"] == "http" and scope["method"] == "GET" and "session" in scope
        await self._app(scope, receive, mark if reads else send)


class ExtendsByWritingBack(Flaw):
    """To extend a session its store writes all of it, as this request has read it."""

    breaks = 9

    def store(self, store: Store) -> Any:
        return _WritingBack(store)


_READ: ContextVar[bytes] = ContextVar("read")


class _WritingBack(Around):
    async def get(self, token: str) -> Record | None:
        record: Record | None = await self.inner.get(token)
        if record is not None:
            _READ.set(record.data)
        return record

    async def touch(self, token: str, expires_at: float) -> Record | None:
        record: Record | None = await self.inner.touch(token, expires_at)
        if record is not None:
            await self.inner.update(token, _READ.get(), expires_at)
        return record
