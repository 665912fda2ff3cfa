"""Apps and clients for the tests, in this process."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx

from backends import environment
from backends.app import build

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

KEY = "k" * 32


def configured(variant: str = "memory", **environ: str) -> environment.Environment:
    return environment.read({"SESSION_APP_BACKEND": variant, "SESSION_APP_KEY": KEY, **environ})


@asynccontextmanager
async def serving(variant: str = "memory", **environ: str) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that keeps cookies to the app of a variant, within its lifespan."""
    app = build(configured(variant, **environ))
    async with app.router.lifespan_context(app), client(app) as calling:
        yield calling


def client(app: ASGIApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://app")
