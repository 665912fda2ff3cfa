"""What an operator asks of the app: does it live, does its store answer, what is it made of."""

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
    from fastapi import FastAPI

    from backends.discovery import Variant
    from backends.manager import SessionManager
    from backends.store import Store

_logger = logging.getLogger("backends")

PATHS = ("/ping", "/health", "/about")


class Operations:
    """The routes under PATHS."""

    def __init__(self, variant: Variant, store: Store, manager: SessionManager) -> None:
        self._variant = variant
        self._store = store
        self._manager = manager

    def add_routes(self, app: FastAPI) -> None:
        """Add one route for each path."""
        for path, route in zip(PATHS, (self.ping, self.health, self.about), strict=True):
            app.add_api_route(path, route, methods=["GET"])

    async def ping(self) -> JSONResponse:
        """Answer, whatever the store does."""
        return JSONResponse({"status": "ok"})

    async def health(self) -> JSONResponse:
        """Answer as the store does."""
        try:
            await self._manager.ping()
        except StoreUnavailable as reason:
            _logger.warning("the session store is unhealthy: %s", reason)
            return error(503, "store_unavailable", "The session store does not answer.", {"retry-after": "1"})
        return JSONResponse({"status": "ok"})

    async def about(self) -> JSONResponse:
        """Say what runs here; the server's version is null until the store has been reached."""
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
                "packages": description.versions(),
            }
        )
