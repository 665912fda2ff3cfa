"""The pure-ASGI session middleware that every backend shares: cookie in; session, cookie or refusal out."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TYPE_CHECKING

from backends import cookies
from backends.manager import CLEAR, SessionConflict, SessionGone, SessionRefused, SessionTooLarge
from backends.session import Session
from backends.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from backends.manager import SessionManager

    Header = tuple[bytes, bytes]

_logger = logging.getLogger("backends")
_LOG_EVERY_S = 5.0
_REPLAYS = 3
_REPLAYED_BYTES = 64 * 1024
_VARY = (b"vary", b"Cookie")
_NO_STORE = (b"cache-control", b"no-store")
_RETRY_AFTER = (b"retry-after", b"1")


class ResponseDropped(OSError):  # noqa: N818 - says what became of the response
    """The session could not be saved, so the app's response is not sent, as if the client had hung up.

    ASGI lets `send` raise an OSError for a response that nobody will get; frameworks clean up and stop.
    """


class SessionMiddleware:
    """Gives every request `scope["session"]` and saves it before the response starts.

    Requests to an `exempt` path have no session and never wait for the store. An app that answers from
    within an `except` block, as Starlette's error handlers do, answers for a route that raised: nothing is
    saved then. Starlette's BaseHTTPMiddleware takes answers out of that block: it belongs around this one.
    """

    def __init__(
        self, app: ASGIApp, *, manager: SessionManager, secure: bool = False, exempt: Iterable[str] = ()
    ) -> None:
        self.app = app
        self._manager = manager
        self._exempt = frozenset(exempt)
        self._secure = secure
        self._cleared = (b"set-cookie", cookies.cleared(secure=secure))
        self._logged_at = -_LOG_EVERY_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; everything but HTTP passes through."""
        if scope["type"] != "http" or scope["path"] in self._exempt:
            await self.app(scope, receive, send)
            return
        session = Session(self._manager, cookies.presented(scope["headers"]))
        if self._manager.replays:
            refusal = await self._replayed(scope, receive, send, session)
        else:
            refusal = await self._attempt(scope, receive, send, session)
        if refusal is not None:
            await self._refuse(send, refusal)

    async def _attempt(self, scope: Scope, receive: Receive, send: Send, session: Session) -> Exception | None:
        """Run the app once; returns why its response was not sent, or None when it was."""
        scope["session"] = session
        response = _Response(self, session, send)
        try:
            if self._manager.eager:
                await self._manager.load(session)
            await self.app(scope, receive, response.send)
        except StoreUnavailable as error:
            if response.started:
                raise
            return response.refusal or error
        except Exception:
            if response.refusal is None:
                raise
        return response.refusal

    async def _replayed(self, scope: Scope, receive: Receive, send: Send, session: Session) -> Exception | None:
        """Run the app again from the start for as long as others save the session first."""
        body = _Body(receive)
        conflict: SessionConflict | None = None
        for _ in range(1 + _REPLAYS):
            refusal = await self._attempt(dict(scope), body.receive, send, session)
            if not isinstance(refusal, SessionConflict):
                # A replay that the deadline ended before it began leaves the conflict as the answer.
                return refusal if refusal is None or session.data is not None else conflict or refusal
            conflict = refusal
            if not body.rewind():
                break
            session = Session(self._manager, session.token, session.waited_s)
        return conflict

    async def saved(self, session: Session, message: Message) -> Message:
        """Save the session; returns the response's start with our headers.

        Never in place: an app may send one response object many times.
        """
        cookie = session.cookie if session.settled else await self._manager.commit(session)
        if session.data is None:
            return message
        headers = message.get("headers", ())
        if cookie is None:
            return {**message, "headers": [*headers, _VARY]}
        changed = (b"set-cookie", cookies.printed(cookie, secure=self._secure))
        kept = [header for header in headers if header[0] != b"cache-control"]
        return {
            **message,
            "headers": [*kept, _VARY, _NO_STORE, self._cleared if cookie == CLEAR else changed],
        }

    async def _refuse(self, send: Send, refusal: Exception) -> None:
        """Send our own answer in place of the app's."""
        headers: tuple[Header, ...] = ()
        match refusal:
            case SessionGone():
                status, code, headers = 401, "session_gone", (_NO_STORE, self._cleared)
                detail = "The session ended while the request ran; nothing was saved. Log in again."
            case SessionConflict():
                status, code = 409, "conflict"
                detail = "Another request changed the session first; nothing was saved. Read it and try again."
            case SessionTooLarge():
                status, code = 413, "session_too_large"
                detail = f"The session would take {refusal.size} bytes; its store takes {refusal.limit}."
            case _:
                status, code, headers = 503, "store_unavailable", (_RETRY_AFTER,)
                detail = "The session store does not answer; try again."
                self._log(refusal)
        body = json.dumps({"error": code, "detail": detail}).encode()
        start = ((b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), _VARY)
        await send({"type": "http.response.start", "status": status, "headers": [*start, *headers]})
        await send({"type": "http.response.body", "body": body})

    def _log(self, refusal: Exception) -> None:
        """Say why the store is unavailable, but not once per request of an outage."""
        if time.monotonic() - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = time.monotonic()
            _logger.warning("session store unavailable: %s", refusal)


class _Response:
    """One response of the app: it starts when the session is saved, and is dropped when that fails."""

    __slots__ = ("_handled", "_middleware", "_send", "_session", "refusal", "started")

    def __init__(self, middleware: SessionMiddleware, session: Session, send: Send) -> None:
        self._middleware = middleware
        self._session = session
        self._send = send
        self._handled = sys.exception()
        self.refusal: Exception | None = None
        self.started = False

    async def send(self, message: Message) -> None:
        """Pass a message on, or raise ResponseDropped."""
        if self.refusal is not None:
            raise ResponseDropped from self.refusal
        if message["type"] == "http.response.start":
            if sys.exception() is not self._handled:
                self._session.forget()
            try:
                message = await self._middleware.saved(self._session, message)
            except (SessionRefused, StoreUnavailable) as error:
                self.refusal = error
                raise ResponseDropped from error
            self.started = True
        await self._send(message)


class _Body:
    """A request's body, kept while it is small enough to be received a second time."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._kept: list[Message] = []
        self._next = 0
        self._bytes = 0

    async def receive(self) -> Message:
        """Receive what was kept, then what is still to come."""
        if self._next < len(self._kept):
            self._next += 1
            return self._kept[self._next - 1]
        message = await self._receive()
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            if self._bytes <= _REPLAYED_BYTES:
                self._kept.append(message)
                self._next += 1
            else:
                self._kept.clear()
                self._next = 0
        return message

    def rewind(self) -> bool:
        """Begin again; False when too much was received to keep."""
        self._next = 0
        return self._bytes <= _REPLAYED_BYTES
