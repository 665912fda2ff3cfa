"""The application: log in, read and write a profile, log out; the same for every backend."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from fastapi import Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from backends.content import MOST_PAYLOAD_BYTES, PAYLOAD_BYTES, new_session

if TYPE_CHECKING:
    from fastapi import FastAPI

    from backends.session import Session

_MOST_HOLD_MS = 60_000


class Login(BaseModel):
    """Who logs in, and how much their session is to hold."""

    user: str = Field(min_length=1, max_length=200)
    payload_bytes: int = Field(PAYLOAD_BYTES, ge=0, le=MOST_PAYLOAD_BYTES)


class Note(BaseModel):
    """What is written into a profile."""

    note: str = Field(max_length=MOST_PAYLOAD_BYTES)


Hold = Annotated[int, Query(ge=0, le=_MOST_HOLD_MS)]


def add_routes(app: FastAPI, *, audit: bool) -> None:
    """Add the routes; with `audit` those that let an auditor come between a read and a write."""
    app.add_api_route("/profile", read_profile_slowly if audit else read_profile, methods=["GET"])
    app.add_api_route("/profile", write_profile_slowly if audit else write_profile, methods=["POST"])
    app.add_api_route("/login", login_for_audit if audit else login, methods=["POST"])
    app.add_api_route("/logout", logout, methods=["POST"])
    if audit:
        app.add_api_route("/nested", write_nested, methods=["POST"])


def error(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error as every route words it."""
    return JSONResponse({"error": code, "detail": detail}, status, headers)


def nobody() -> JSONResponse:
    """Return the answer to a request without a session."""
    return error(401, "no_session", "Nobody is logged in; POST /login first.")


async def read_profile(request: Request) -> JSONResponse:
    """Read."""
    session: Session = request.scope["session"]
    await session.load()
    if "user" not in session:
        return nobody()
    return _profile(session)


async def write_profile(request: Request, note: Note) -> JSONResponse:
    """Read, modify, write."""
    return await write_profile_slowly(request, note)


async def login(request: Request, who: Login) -> JSONResponse:
    """Begin a new session under a new id, whatever the client brought along."""
    session = await _session(request)
    session.clear()
    session.rotate()
    session.update(new_session(who.user, who.payload_bytes))
    return _written(session)


async def logout(request: Request) -> JSONResponse:
    """Revoke the session, if there is one."""
    session: Session = request.scope["session"]
    session.revoke()
    return JSONResponse({"logged_out": True})


async def read_profile_slowly(request: Request, hold_ms: Hold = 0) -> JSONResponse:
    """Pause between the read and the answer."""
    session = await _session(request)
    if "user" not in session:
        return nobody()
    answer = _profile(session)
    await asyncio.sleep(hold_ms / 1000)
    return answer


async def write_profile_slowly(request: Request, note: Note, hold_ms: Hold = 0) -> JSONResponse:
    """Pause between the read and the write."""
    session = await _session(request)
    if "user" not in session:
        return nobody()
    updates = session["updates"]
    if hold_ms:
        await asyncio.sleep(hold_ms / 1000)
    session["updates"] = updates + 1
    session["note"] = note.note
    return _written(session)


async def login_for_audit(request: Request, who: Login) -> JSONResponse:
    """Log in with something nested in the session."""
    answer = await login(request, who)
    session: Session = request.scope["session"]
    session["notes"] = {"last": ""}
    return answer


async def write_nested(request: Request, note: Note) -> JSONResponse:
    """Change a nested value in place and nothing else; the former one in the answer shows what was saved."""
    session = await _session(request)
    if "user" not in session:
        return nobody()
    former, session["notes"]["last"] = session["notes"]["last"], note.note
    return JSONResponse({"user": session["user"], "updates": session["updates"], "former": former})


async def _session(request: Request) -> Session:
    session: Session = request.scope["session"]
    await session.load()
    return session


def _profile(session: Session) -> JSONResponse:
    return JSONResponse(
        {"user": session["user"], "updates": session["updates"], "payload_bytes": len(session["payload"])}
    )


def _written(session: Session) -> JSONResponse:
    return JSONResponse({"user": session["user"], "updates": session["updates"]})
