"""The app that serves every backend and subject: `uvicorn --factory backends.app:create_app` and the environment."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from backends import codecs, environment
from backends.audit import TalliedStore
from backends.counters import CountedStore, Counters
from backends.errors import ConfigurationError
from backends.layers import MeasuredApp, MeasuredManager, MeasuredMiddleware
from backends.manager import SessionManager
from backends.middleware import SessionMiddleware
from backends.operations import PATHS, Operations
from backends.routes import add_routes, error
from backends.seeding import seed
from backends.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from fastapi import Request
    from fastapi.responses import JSONResponse

    from backends.environment import Environment
    from backends.store import Store

_logger = logging.getLogger("backends")
_SWEEP_S = (1.0, 60.0)
"""Sweeps are an idle time apart, within these bounds."""


def create_app() -> FastAPI:
    """Return the app that the environment asks for, or exit with code 1 and one line that says why not."""
    try:
        return build(environment.read(os.environ))
    except ConfigurationError as problem:
        raise SystemExit(f"The session app cannot start: {problem}") from None


def build(configured: Environment) -> FastAPI:
    """Return the app for a configuration; raises ConfigurationError for one that cannot be."""
    return (_library if configured.variant.backend.is_subject else _own)(configured)


def _own(configured: Environment) -> FastAPI:
    """Return the app on one of our own backends."""
    variant = configured.variant
    bare = variant.make_store(configured.settings)
    tallied = TalliedStore(bare) if configured.audit else None
    store: Store = tallied or bare
    counters = Counters(configured.counters) if configured.counters else None
    if counters:
        store = CountedStore(store, counters)
    manager = (MeasuredManager if counters else SessionManager)(store, variant.options)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if counters:
                await stack.enter_async_context(counters.running())
            stack.push_async_callback(manager.close)
            await _opened(manager.open)
            if store.traits.keeps == "process":
                await seed(bare, codecs.load(variant.options.codec), configured.sessions)
            await stack.enter_async_context(_sweeping(store, variant.options.idle_s))
            yield

    app = (partial(MeasuredApp, counters) if counters else FastAPI)(**_shell(lifespan))
    middleware = MeasuredMiddleware if counters else SessionMiddleware
    app.add_middleware(middleware, manager=manager, secure=variant.options.secure, exempt=PATHS)
    add_routes(app, audit=configured.audit)
    Operations(variant, bare, manager.ping).add_routes(app, writes=(lambda: tallied.writes) if tallied else None)
    return app


def _library(configured: Environment) -> FastAPI:
    """Return the app on a library that is not ours; it keeps no counters."""
    subject = configured.variant.make_subject(configured.settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(subject.close)
            await _opened(subject.open)
            if subject.traits.keeps == "process":
                await subject.seed(configured.sessions)
            yield

    app = FastAPI(**_shell(lifespan))
    subject.add_to(app, audit=configured.audit)
    writes = (lambda: subject.writes) if configured.audit else None
    Operations(configured.variant, subject, subject.ping).add_routes(app, writes=writes)
    return app


def _shell(lifespan: Callable[[FastAPI], Any]) -> dict[str, Any]:
    """Return what FastAPI is given, whoever keeps the sessions."""
    return {
        "title": "session app",
        "openapi_url": None,
        "lifespan": lifespan,
        "exception_handlers": {
            HTTPException: _http_error,
            RequestValidationError: _invalid_request,
            Exception: _internal_error,
        },
    }


async def _opened(opening: Callable[[], Awaitable[None]]) -> None:
    """Open a store; an app whose store is away starts all the same."""
    try:
        await opening()
    except StoreUnavailable as reason:
        _logger.warning("the session store is unavailable at start, requests will try again: %s", reason)


@asynccontextmanager
async def _sweeping(store: Store, idle_s: float) -> AsyncIterator[None]:
    """Remove expired sessions now and then, for as long as the app runs."""
    shortest, longest = _SWEEP_S
    every_s = min(max(idle_s, shortest), longest)

    async def sweep() -> None:
        while True:
            # Workers that started together should not sweep together.
            await asyncio.sleep(every_s * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            try:
                await store.sweep()
            except StoreUnavailable:
                continue

    task = asyncio.create_task(sweep())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _http_error(_: Request, problem: HTTPException) -> JSONResponse:
    code = HTTPStatus(problem.status_code).phrase.lower().replace(" ", "_")
    return error(problem.status_code, code, str(problem.detail), dict(problem.headers or {}))


async def _invalid_request(_: Request, problem: RequestValidationError) -> JSONResponse:
    details = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problem.errors())
    return error(422, "invalid_request", "; ".join(details))


async def _internal_error(_: Request, __: Exception) -> JSONResponse:
    return error(500, "internal_error", "Something went wrong; the app's log says what.")
