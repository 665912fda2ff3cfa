"""Subjects whose trouble is planted: the project's own app, behind something that is slow or breaks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from backends.app import create_app

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

BUSY_MS = 5.0
"""CPU time that `slow` spends on every request: it carries less than 200 requests a second."""


def slow() -> ASGIApp:
    """Return an app that spends CPU time on every request, with its event loop blocked."""
    app = create_app()

    async def spend(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            enough_ns = time.thread_time_ns() + round(BUSY_MS * 1e6)
            while time.thread_time_ns() < enough_ns:
                pass
        await app(scope, receive, send)

    return spend


def failing() -> ASGIApp:
    """Return an app that answers every read of a profile with status 500."""
    app = create_app()

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["method"], scope["path"]) == ("GET", "/profile"):
            await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})
            return
        await app(scope, receive, send)

    return fail
