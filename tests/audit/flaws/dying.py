"""Apps that do not live to the end of their audit; they break no one check."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.audit.broken import Flaw

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from backends.environment import Environment

_WRITES = 10


class DiesAtTheTenthWrite(Flaw):
    """It ends in the middle of a request, as one that the kernel kills for its memory."""

    def app(self, app: FastAPI) -> None:
        app.add_middleware(_Dying)


class _Dying:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._writes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", "/profile"):
            self._writes += 1
            if self._writes >= _WRITES:
                os._exit(3)
        await self._app(scope, receive, send)


class DoesNotStart(Flaw):
    """It is not even there when it is asked for the first time."""

    def configure(self, configured: Environment) -> Environment:  # noqa: ARG002 - there is no use for it
        raise SystemExit("Nothing was configured.")
