"""Cookies that are looked at too briefly, and ones that nobody thought of."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from backends import cookie
from backends.store import Refused
from tests.audit.broken import Around, Flaw

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from backends.store import Record, Store

_ENOUGH = 40


class Renaming(Around):
    """Knows the store's tokens by other names; `meant` finds the one that a name stands for."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.minted: dict[str, str] = {}

    def meant(self, token: str) -> str:
        return self.minted.get(token, token)

    async def get(self, token: str) -> Record | None:
        found: Record | None = await self.inner.get(self.meant(token))
        return found and replace(found, token=token)

    async def touch(self, token: str, expires_at: float) -> Record | None:
        found: Record | None = await self.inner.touch(self.meant(token), expires_at)
        return found and replace(found, token=token)

    async def update(self, token: str, *arguments: Any, **options: Any) -> Record | Refused:
        saved: Record | Refused = await self.inner.update(self.meant(token), *arguments, **options)
        return saved if isinstance(saved, Refused) else replace(saved, token=token)

    async def delete(self, token: str) -> None:
        await self.inner.delete(self.meant(token))


class ComparesABeginning(Flaw):
    """Of a token's 43 characters the first 40 are looked up."""

    breaks = 10

    def store(self, store: Store) -> Any:
        return _Comparing(store)


class _Comparing(Renaming):
    def meant(self, token: str) -> str:
        return self.minted.get(token[:_ENOUGH], token)

    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        made: Record = await self.inner.create(data, expires_at, replaces=replaces and self.meant(replaces))
        self.minted[made.token[:_ENOUGH]] = made.token
        return made


class TakesCookiesForText(Flaw):
    """Whatever a Cookie header holds is decoded as UTF-8 first."""

    breaks = 10

    def app(self, app: FastAPI) -> None:
        app.add_middleware(_Decoding)


class _Decoding:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for name, value in scope.get("headers", ()):
            if name == b"cookie":
                value.decode()
        await self._app(scope, receive, send)


class NeverLooksAtTheSignature(Flaw):
    """The cookie's signature is cut off, and that is all."""

    breaks = 10
    variant = "cookie"

    def store(self, store: Store) -> Any:
        cookie._Signed.open = _unsigned  # type: ignore[assignment, method-assign]  # noqa: SLF001 - no other way to forget
        return store


def _unsigned(_: object, sealed: bytes) -> bytes | None:
    return sealed[: -cookie._MAC_BYTES]  # noqa: SLF001 - ours


class ReadsAnySpelling(Flaw):
    """Base64 is read as the library does, whatever follows and whatever its last bits are: no flaw, but counted."""

    variant = "cookie"

    def store(self, store: Store) -> Any:
        cookie._parsed = _generously_parsed  # noqa: SLF001 - no other way to be generous
        return store


def _generously_parsed(token: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(f"{token}===")
    except ValueError:
        return None
