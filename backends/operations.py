"""What an operator asks of the app: does it live, does its store answer, what is it made of and what does it hold."""

from __future__ import annotations

import logging
import os
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse

import backends
from backends import description
from backends.routes import error
from backends.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI

    from backends.discovery import Variant
    from backends.store import Store
    from backends.subjects.subject import Subject

_logger = logging.getLogger("backends")

PATHS = frozenset({"/ping", "/health", "/about", "/count"})
"""They have no session. Of the last only an app under audit has a route."""


class Operations:
    """The routes under PATHS; `ping` raises StoreUnavailable when the store does not answer in time."""

    def __init__(self, variant: Variant, store: Store | Subject, ping: Callable[[], Awaitable[None]]) -> None:
        self._variant = variant
        self._store = store
        self._ping = ping

    def add_routes(self, app: FastAPI, *, writes: Callable[[], int | None] | None = None) -> None:
        """Add one route for each path; /count where somebody can say how often the store was written to."""
        for path, route in (("/ping", self.ping), ("/health", self.health), ("/about", self.about)):
            app.add_api_route(path, route, methods=["GET"])
        if writes is not None:
            self._add_count(app, writes)

    async def ping(self) -> JSONResponse:
        """Answer, whatever the store does."""
        return JSONResponse({"status": "ok"})

    async def health(self) -> JSONResponse:
        """Answer as the store does."""
        try:
            await self._ping()
        except StoreUnavailable as reason:
            return _unavailable(reason)
        return JSONResponse({"status": "ok"})

    async def about(self) -> JSONResponse:
        """Say what runs here; the server's version is null until the store has been reached."""
        besides: tuple[str, ...] = getattr(self._store, "packages", ())
        return JSONResponse(
            {
                "contract": backends.CONTRACT,
                "backend": self._variant.name,
                "options": self._variant.options.model_dump(mode="json"),
                "driver": description.driver(self._store),
                "server_version": getattr(self._store, "server_version", None),
                "traits": asdict(self._store.traits),
                "source": description.source(),
                "pid": os.getpid(),
                "python": platform.python_version(),
                "packages": description.versions((*description.PACKAGES, *besides)),
            }
        )

    def _add_count(self, app: FastAPI, writes: Callable[[], int | None]) -> None:
        async def count() -> JSONResponse:
            """Say what the store holds, expired records included, and how often this process has written to it."""
            try:
                await self._ping()
                return JSONResponse({"records": await self._store.count(), "writes": writes()})
            except StoreUnavailable as reason:
                return _unavailable(reason)

        app.add_api_route("/count", count, methods=["GET"])


def _unavailable(reason: StoreUnavailable) -> JSONResponse:
    _logger.warning("the session store is unhealthy: %s", reason)
    return error(503, "store_unavailable", "The session store does not answer.", {"retry-after": "1"})
