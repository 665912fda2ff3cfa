"""Ids that somebody else chose or knows, and changes that nobody notices."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from backends import cookies
from backends.session import Session
from backends.store import Record, Refused, digest
from tests.audit.broken import Around, Flaw

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from backends.store import Store

_PRESENTED: ContextVar[str | None] = ContextVar("presented", default=None)


class AdoptsWhatLooksLikeOurs(Flaw):
    """A login keeps the id that came with it, if it is unknown and of the right length and letters."""

    breaks = 5

    def store(self, store: Store) -> Any:
        return _Adopting(store)

    def app(self, app: FastAPI) -> None:
        app.add_middleware(_Noting)


class _Noting:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            _PRESENTED.set(cookies.presented(scope["headers"]))
        await self._app(scope, receive, send)


class _Adopting(Around):
    """Knows adopted tokens as other names of those that the store minted."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._minted: dict[str, str] = {}

    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        known = replaces and self._minted.get(replaces, replaces)
        made: Record = await self.inner.create(data, expires_at, replaces=known)
        presented = _PRESENTED.get()
        if replaces is not None or presented is None or digest(presented) is None:
            return made
        self._minted[presented] = made.token
        return replace(made, token=presented)

    async def get(self, token: str) -> Record | None:
        record: Record | None = await self.inner.get(self._minted.get(token, token))
        return record and replace(record, token=token)

    async def touch(self, token: str, expires_at: float) -> Record | None:
        record: Record | None = await self.inner.touch(self._minted.get(token, token), expires_at)
        return record and replace(record, token=token)

    async def update(self, token: str, *arguments: Any, **options: Any) -> Record | Refused:
        saved: Record | Refused = await self.inner.update(self._minted.get(token, token), *arguments, **options)
        return saved if isinstance(saved, Refused) else replace(saved, token=token)

    async def delete(self, token: str) -> None:
        await self.inner.delete(self._minted.get(token, token))


class KeepsTheId(Flaw):
    """A login over a session goes on under its id."""

    breaks = 6

    def app(self, app: FastAPI) -> None:  # noqa: ARG002 - it is the session that is changed
        Session.rotate = lambda self: None  # type: ignore[method-assign]  # noqa: ARG005 - as the method's


class LeavesTheOldIdAlive(Flaw):
    """A login over a session gives another id, and the former stays good."""

    breaks = 6

    def store(self, store: Store) -> Any:
        return _Leaving(store)


class _Leaving(Around):
    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:  # noqa: ARG002 - that is the flaw
        made: Record = await self.inner.create(data, expires_at)
        return made


class MissesNestedChanges(Flaw):
    """Only what is assigned to a key of the session itself is saved."""

    breaks = 13

    def app(self, app: FastAPI) -> None:  # noqa: ARG002 - it is the session that is changed
        Session.__getitem__ = lambda session, key: session._loaded()[key]  # type: ignore[method-assign]  # noqa: SLF001 - no other way to forget
