"""Sessions that outlive their logout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backends import cookies
from backends.store import Record, Refused
from tests.audit.broken import Around, Flaw

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from backends.store import Store


class WritingUndoesTheLogout(Flaw):
    """Whoever writes with the old cookie has the session again; a read with it is refused, as it should be."""

    breaks = 3

    def store(self, store: Store) -> Any:
        self._store = _Undoing(store)
        return self._store

    def app(self, app: FastAPI) -> None:
        app.add_middleware(_UndoingOnWrite, store=self._store)


class _Undoing(Around):
    """Remembers what was deleted, and brings it back when it is told to."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._deleted: dict[str, Record] = {}
        self._back: dict[str, Record] = {}

    async def get(self, token: str) -> Record | None:
        return await self.inner.get(token) or self._back.get(token)

    async def delete(self, token: str) -> None:
        record = await self.inner.get(token)
        if record is not None:
            self._deleted[token] = record
        await self.inner.delete(token)

    async def update(self, token: str, data: bytes, expires_at: float, **options: Any) -> Record | Refused:
        saved: Record | Refused = await self.inner.update(token, data, expires_at, **options)
        if saved is Refused.GONE and token in self._back:
            saved = self._back[token] = Record(token, data, 1, expires_at)
        return saved

    def undo(self, token: str) -> None:
        if token in self._deleted:
            self._back[token] = self._deleted[token]


class _UndoingOnWrite:
    def __init__(self, app: ASGIApp, store: _Undoing) -> None:
        self._app = app
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", "/profile"):
            self._store.undo(cookies.presented(scope["headers"]) or "")
        await self._app(scope, receive, send)


class SavesWhatIsGone(Flaw):
    """A save creates the session where there is none: a request that began before the logout undoes it."""

    breaks = 4

    def store(self, store: Store) -> Any:
        return _Saving(store)


class _Reviving(Around):
    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.revived: dict[str, Record] = {}

    async def get(self, token: str) -> Record | None:
        return await self.inner.get(token) or self.revived.get(token)


class _Saving(_Reviving):
    async def update(self, token: str, data: bytes, expires_at: float, **options: Any) -> Record | Refused:
        saved: Record | Refused = await self.inner.update(token, data, expires_at, **options)
        if saved is Refused.GONE:
            saved = self.revived[token] = Record(token, data, 1, expires_at)
        return saved


class ExtendsWhatIsGone(Flaw):
    """Only to extend a session that is gone brings it back, so none but a read that is due for that does it."""

    breaks = 4

    def store(self, store: Store) -> Any:
        return _Extending(store)


class _Extending(_Reviving):
    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._seen: dict[str, Record] = {}

    async def get(self, token: str) -> Record | None:
        record = await super().get(token)
        if record is not None:
            self._seen[token] = record
        return record

    async def touch(self, token: str, expires_at: float) -> Record | None:
        record: Record | None = await self.inner.touch(token, expires_at)
        if record is None and token in self._seen:
            record = self.revived[token] = Record(token, self._seen[token].data, 1, expires_at)
        return record
