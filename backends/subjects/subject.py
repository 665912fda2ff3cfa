"""The contract of a subject, written once: what a file here says of its library, and how it serves our routes.

A subject does what its library's documentation tells an application to do. What the library then does is its own:
nothing here hides it, and nothing makes it worse.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection

from backends.content import new_session
from backends.routes import add_routes
from backends.seeding import Seeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from backends.store import Traits

_LIVE_S = 7 * 86_400


class Options(BaseModel):
    """The options of every subject. Those that a backend of ours has too mean the same here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    secure: bool = Field(False, description="the cookie's Secure attribute")

    @property
    def server(self) -> str | None:
        """The kind of server that these options need, or None."""
        return None


class Subject:
    """Base of the subjects, made from its module's `Options` and a `store.Settings`; keeps nothing on a server.

    `driver` is the library's distribution, `packages` are those besides whose versions matter. `writes` says how
    many of its store's operations have written, None where nobody can; it need not count before `add_to` was told
    of an audit. Whatever talks to a server raises StoreUnavailable when it does not answer, but requests do what
    the library does then.
    """

    traits: Traits
    driver: str
    packages: tuple[str, ...] = ()
    server_version: str | None = None
    writes: int | None = None

    def add_to(self, app: FastAPI, *, audit: bool) -> None:
        """Add the library to an app, and our routes upon it."""
        raise NotImplementedError

    async def open(self) -> None:
        """Connect."""

    async def close(self) -> None:
        """Let go of every connection; fine for what was never open."""

    async def ping(self) -> None:
        """Ask the server whether it answers."""

    async def count(self) -> int:
        """Say how many records there are, expired ones included."""
        return 0

    async def keep(self, content: dict[str, Any], lives_s: float) -> int:
        """Keep one more session, under an id that nobody learns; returns the size of its data in bytes."""
        raise NotImplementedError

    async def seed(self, sessions: int, *, expiring_share: float = 0.0, expiring_within_s: float = 0.0) -> Seeded:
        """Keep live sessions, as the application would; a share of them expires within the coming seconds."""
        data_bytes = 0
        chance = random.Random(sessions)  # noqa: S311 - which session expires when is no secret
        for number in range(sessions):
            lives_s = chance.uniform(0, expiring_within_s) if chance.random() < expiring_share else _LIVE_S
            data_bytes += await self.keep(new_session(f"seeded-{number}"), lives_s)
        return Seeded(sessions, data_bytes)


class Session:
    """A library's `request.session` with the words that our routes use; the library loads and saves it."""

    __slots__ = ("_connection",)

    def __init__(self, scope: Scope) -> None:
        self._connection = HTTPConnection(scope)

    async def load(self) -> None:
        """Do nothing: the library's middleware has loaded it."""

    def rotate(self) -> None:
        """Do nothing: for a library whose sessions have no id."""

    def revoke(self) -> None:
        """Leave it empty, which is how a library of this kind is told to forget it."""
        self._connection.session.clear()

    def clear(self) -> None:
        """Remove every key."""
        self._connection.session.clear()

    def update(self, content: dict[str, Any]) -> None:
        """Set many keys at once."""
        self._connection.session.update(content)

    def __getitem__(self, key: str) -> Any:
        # Not kept: libraries are told by the property that somebody looks.
        return self._connection.session[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._connection.session[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self._connection.session


def add_our_routes(app: FastAPI, session: Callable[[Scope], Session], *, audit: bool) -> None:
    """Add our own routes, each on the session that this makes of the library's; the library itself comes next."""
    add_routes(app, audit=audit)
    app.add_middleware(_Translated, session=session)


class _Translated:
    """Innermost middleware: hands our routes a scope of their own, as the library goes on to use the one it made."""

    def __init__(self, app: ASGIApp, *, session: Callable[[Scope], Session]) -> None:
        self._app = app
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "session": self._session(scope)}
        await self._app(scope, receive, send)
