"""The app, its session middleware and its manager with a stopwatch in them, for SESSION_APP_COUNTERS.

They stand in for the plain classes and add nothing but the time; without counters they are not used at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from backends.manager import SessionManager
from backends.middleware import SessionMiddleware
from backends.operations import PATHS
from backends.stopwatch import FRAMEWORK, SESSION, Stopwatch, running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from backends.counters import Counters
    from backends.session import Session

RECEIVED = "session_app.received_s"
"""Where `harness/launch.py` leaves in a scope when the request's first bytes came and were parsed."""


class MeasuredApp(FastAPI):
    """An app that times each request with a session: all of them but the operator's.

    A request ends when the server has taken the last byte of its answer, and is counted when all is done.
    """

    def __init__(self, counters: Counters, **options: Any) -> None:
        super().__init__(**options)
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in PATHS:
            # A pipelined request inherits the context of the one before.
            running.set(None)
            await super().__call__(scope, receive, send)
            return
        watch = Stopwatch(scope.get(RECEIVED))
        running.set(watch)

        def sending(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                watch.status = message["status"]
            elif not message.get("more_body"):
                return last(message)
            return send(message)

        async def last(message: Message) -> None:
            await send(message)
            watch.stop()

        try:
            await super().__call__(scope, receive, sending)
        finally:
            self._counters.add_request(watch)


class MeasuredMiddleware(SessionMiddleware):
    """The session middleware: it works before it calls the app, when the response starts, and when it refuses one."""

    def __init__(
        self, app: ASGIApp, *, manager: SessionManager, secure: bool = False, exempt: Iterable[str] = ()
    ) -> None:
        super().__init__(_Inside(app), manager=manager, secure=secure, exempt=exempt)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Serve one request."""
        _enter(SESSION)
        return super().__call__(scope, receive, send)

    def _attempt(
        self, scope: Scope, receive: Receive, send: Send, session: Session
    ) -> Coroutine[Any, Any, Exception | None]:
        _enter(SESSION)
        return super()._attempt(scope, receive, send, session)

    async def saved(self, session: Session, message: Message) -> Message:
        """Save the session."""
        _enter(SESSION)
        try:
            return await super().saved(session, message)
        finally:
            _enter(FRAMEWORK)

    def _refuse(self, send: Send, refusal: Exception) -> Coroutine[Any, Any, None]:
        def outward(message: Message) -> Awaitable[None]:
            _enter(FRAMEWORK)
            return send(message)

        _enter(SESSION)
        return super()._refuse(outward, refusal)


class MeasuredManager(SessionManager):
    """The manager. It works for the middleware, but a lazy session is loaded by the route."""

    def load(self, session: Session) -> Coroutine[Any, Any, None]:
        """Fill a session."""
        loading = super().load(session)
        return loading if self.eager else _within_route(loading)


async def _within_route(loading: Awaitable[None]) -> None:
    _enter(SESSION)
    try:
        await loading
    finally:
        _enter(FRAMEWORK)


class _Inside:
    """What the session middleware calls: the rest of the framework and the routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        _enter(FRAMEWORK)
        return self._app(scope, receive, send)


def _enter(layer: int) -> None:
    watch = running.get()
    if watch is not None:
        watch.enter(layer)
