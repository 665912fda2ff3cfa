"""Starlette's own SessionMiddleware: the whole session in a signed cookie.

Nothing is kept on the server, so a logout takes nothing away from who kept the cookie. It is signed anew when a
key is set or deleted: what changes inside a value is lost, and idle expiry counts from the last write, in whole
seconds. However large a session is, it is sent, and a browser drops what is over 4 kB without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from starlette.middleware.sessions import SessionMiddleware

from backends import cookies
from backends.store import Traits
from backends.subjects import subject

if TYPE_CHECKING:
    from fastapi import FastAPI

    from backends.store import Settings

SERVER: str | None = None
SERVER_OPTIONS: frozenset[str] = frozenset()


class Options(subject.Options):
    """What the middleware is given."""

    idle_s: int = Field(3600, ge=1, le=31_536_000, description="its max_age: so long after its last write it is over")


class Subject(subject.Subject):
    """See `subject.Subject`."""

    driver = "starlette"
    packages = ("itsdangerous",)

    def __init__(self, options: Options, settings: Settings) -> None:
        self._options = options
        self._key = settings.key.decode()
        self.traits = Traits(
            keeps="client",
            revocable=False,
            compare_and_set=False,
            shared_between_workers=True,
            durability="every acknowledged write",
            max_bytes=2**30,
        )

    def add_to(self, app: FastAPI, *, audit: bool) -> None:
        """Add the middleware as its documentation does."""
        subject.add_our_routes(app, subject.Session, audit=audit)
        app.add_middleware(
            SessionMiddleware,
            secret_key=self._key,
            session_cookie=cookies.NAME,
            max_age=self._options.idle_s,
            https_only=self._options.secure,
        )
