"""fastapi-sessions: a signed id in a cookie and a dictionary, as dependencies of each route.

The routes are written as its guide writes them: nothing is saved unless the route says so, a login leaves the
session before it alone, and to end a session twice is a KeyError in the library. The cookie is issued at login and
never again, so its age is a session's absolute one; the record in memory outlives it, and stays for good. Its
SameSite is a word that no browser knows.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi_sessions.backends.implementations import InMemoryBackend
from fastapi_sessions.backends.session_backend import BackendError
from fastapi_sessions.frontends.implementations import CookieParameters, SessionCookie
from fastapi_sessions.session_verifier import SessionVerifier
from pydantic import BaseModel, Field

from backends import cookies
from backends.content import new_session
from backends.routes import Hold, Login, Note, error, nobody
from backends.store import Traits
from backends.subjects import subject

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import Request
    from fastapi.responses import JSONResponse

    from backends.store import Settings

    Answer = dict[str, Any]

SERVER: str | None = None
SERVER_OPTIONS: frozenset[str] = frozenset()
_IDENTIFIER = "session"


class Options(subject.Options):
    """What the cookie is given."""

    absolute_s: int = Field(86_400, ge=1, le=31_536_000, description="its max_age: so long after login it is over")


class SessionData(BaseModel):
    """A session, declared as the library wants it."""

    user: str
    updates: int
    payload: str
    note: str = ""
    notes: dict[str, str] = {}


class Subject(subject.Subject):
    """See `subject.Subject`."""

    driver = "fastapi-sessions"
    packages = ("itsdangerous",)

    def __init__(self, options: Options, settings: Settings) -> None:
        self._options = options
        self._key = settings.key.decode()
        self._backend = InMemoryBackend()
        self.traits = Traits(
            keeps="process",
            revocable=True,
            compare_and_set=False,
            shared_between_workers=False,
            durability="none",
            max_bytes=2**30,
        )

    def add_to(self, app: FastAPI, *, audit: bool) -> None:
        """Add the routes; there is no middleware."""
        if audit:
            self.writes = 0
            self._backend = _Tallied(self)
        cookie = SessionCookie(
            cookie_name=cookies.NAME,
            identifier=_IDENTIFIER,
            auto_error=False,
            secret_key=self._key,
            cookie_params=CookieParameters(max_age=self._options.absolute_s, secure=self._options.secure),
        )
        app.add_exception_handler(_NoSession, _answer_nobody)
        _add_door(app, cookie, self._backend, {"last": ""} if audit else {})
        _add_profile(app, cookie, self._backend, audit=audit)

    async def count(self) -> int:
        """Count the dictionary."""
        return len(self._backend.data)

    async def keep(self, content: dict[str, Any], lives_s: float) -> int:  # noqa: ARG002 - it keeps all for good
        """Put it where the library would."""
        self._backend.data[uuid4()] = SessionData.model_construct(**content)
        return len(content["payload"])


def _add_door(app: FastAPI, cookie: SessionCookie, backend: InMemoryBackend, notes: dict[str, str]) -> None:
    """Add the routes that begin and end a session; each begins with these notes."""
    known = Depends(cookie)

    async def login(who: Login, response: Response) -> Answer:
        session_id, data = uuid4(), SessionData(**new_session(who.user, who.payload_bytes), notes=notes)
        await backend.create(session_id, data)
        cookie.attach_to_response(response, session_id)
        return _written(data)

    async def logout(response: Response, session_id: Any = known) -> Answer:
        if isinstance(session_id, UUID):
            await backend.delete(session_id)
        cookie.delete_from_response(response)
        return {"logged_out": True}

    app.add_api_route("/login", login, methods=["POST"], response_model=None)
    app.add_api_route("/logout", logout, methods=["POST"], response_model=None)


def _add_profile(app: FastAPI, cookie: SessionCookie, backend: InMemoryBackend, *, audit: bool) -> None:
    """Add the routes that need a session; with `audit` one can come between a read and a write."""
    known, verified = Depends(cookie), Depends(_Verifier(backend))

    async def read(data: SessionData = verified) -> Answer:
        return {"user": data.user, "updates": data.updates, "payload_bytes": len(data.payload)}

    async def write(note: Note, session_id: UUID = known, data: SessionData = verified) -> Any:
        data.updates += 1
        data.note = note.note
        try:
            await backend.update(session_id, data)
        except BackendError:
            return error(401, "session_gone", "The session ended while the request ran; nothing was saved.")
        return _written(data)

    async def read_slowly(data: SessionData = verified, hold_ms: Hold = 0) -> Answer:
        await asyncio.sleep(hold_ms / 1000)
        return await read(data)

    async def write_slowly(
        note: Note, session_id: UUID = known, data: SessionData = verified, hold_ms: Hold = 0
    ) -> Any:
        await asyncio.sleep(hold_ms / 1000)
        return await write(note, session_id, data)

    async def write_nested(note: Note, session_id: UUID = known, data: SessionData = verified) -> Answer:
        former, data.notes["last"] = data.notes["last"], note.note
        await backend.update(session_id, data)
        return {**_written(data), "former": former}

    def add(path: str, method: str, route: Callable[..., Awaitable[Any]]) -> None:
        app.add_api_route(path, route, methods=[method], dependencies=[known], response_model=None)

    add("/profile", "GET", read_slowly if audit else read)
    add("/profile", "POST", write_slowly if audit else write)
    if audit:
        add("/nested", "POST", write_nested)


class _NoSession(HTTPException):
    """What the library raises for a request without a session."""


class _Verifier(SessionVerifier):  # type: ignore[misc] # the library publishes no types
    """Takes whatever session is found."""

    identifier = _IDENTIFIER
    auto_error = True
    auth_http_exception = _NoSession(401)

    def __init__(self, backend: InMemoryBackend) -> None:
        self._backend = backend

    @property
    def backend(self) -> InMemoryBackend:
        return self._backend

    def verify_session(self, model: SessionData) -> bool:  # noqa: ARG002 - if it exists, it is valid
        return True


class _Tallied(InMemoryBackend):  # type: ignore[misc] # the library publishes no types
    """The library's dictionary with a tally of what wrote to it."""

    def __init__(self, of: Subject) -> None:
        super().__init__()
        self._subject = of

    async def create(self, session_id: UUID, data: SessionData) -> None:
        await super().create(session_id, data)
        self._wrote()

    async def update(self, session_id: UUID, data: SessionData) -> None:
        await super().update(session_id, data)
        self._wrote()

    async def delete(self, session_id: UUID) -> None:
        await super().delete(session_id)
        self._wrote()

    def _wrote(self) -> None:
        self._subject.writes = (self._subject.writes or 0) + 1


def _written(data: SessionData) -> Answer:
    return {"user": data.user, "updates": data.updates}


async def _answer_nobody(_: Request, __: Exception) -> JSONResponse:
    return nobody()
