"""Two writers of one session, under each conflict policy."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from backends import envelope, memory
from backends.manager import SessionManager
from backends.middleware import SessionMiddleware
from backends.store import Options
from tests.backends.apps import client
from tests.backends.site import Site, Watched, assert_unavailable, counting, reading

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from backends.session import Session
    from tests.backends.site import Action

pytestmark = pytest.mark.anyio


# Conflicts


def meddling(site: Site, times: int) -> Action:
    """Count, while somebody else saves the session first so many times."""
    left_over = [times]

    async def meddle(session: Session) -> int:
        n = await counting(session)
        if left_over[0]:
            left_over[0] -= 1
            record = site.store.only
            data = envelope.repack(record.data, b'{"n":%d}' % (n + 9))
            await memory.Store.update(site.store, record.token, data, record.expires_at)
        return n

    return meddle


async def test_last_wins_by_default() -> None:
    site = Site()
    await site.log_in()
    assert (await site.do(meddling(site, 1))).json() == 1
    assert (await site.do(reading)).json() == {"n": 1}


async def test_reject_answers_409_and_saves_nothing() -> None:
    site = Site(conflict="reject")
    await site.log_in()
    answer = await site.do(meddling(site, 1))
    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
    assert (await site.do(reading)).json() == {"n": 10}
    assert (await site.do(counting)).json() == 11


@pytest.mark.parametrize(("times", "runs", "status", "n"), [(1, 2, 200, 11), (3, 4, 200, 31), (4, 4, 409, 40)])
async def test_retry_replays_the_request_three_times_at_most(times: int, runs: int, status: int, n: int) -> None:
    site = Site(conflict="retry")
    await site.log_in()
    before = site.runs
    answer = await site.do(meddling(site, times))
    assert (answer.status_code, site.runs - before) == (status, runs)
    assert (await site.do(reading)).json() == {"n": n}


async def test_a_replay_receives_the_same_body() -> None:
    bodies = []
    manager_store = Watched()
    manager = SessionManager(manager_store, Options(conflict="retry"))

    async def route(request: Request) -> Response:
        session: Session = request.scope["session"]
        chunks = [chunk async for chunk in request.stream()]
        bodies.append(b"".join(chunks))
        session["n"] = session.get("n", 0) + 1
        if len(bodies) in {2, 3}:
            record = manager_store.only
            data = envelope.repack(record.data, b'{"n":%d}' % (len(bodies) * 10))
            await memory.Store.update(manager_store, record.token, data, record.expires_at)
        return JSONResponse(session["n"])

    middleware = [Middleware(SessionMiddleware, manager=manager)]
    app = Starlette(routes=[Route("/", route, methods=["POST"])], middleware=middleware)

    async def parts() -> AsyncIterator[bytes]:
        for part in (b"one ", b"", b"two ", b"three"):
            yield part

    async with client(app) as calling:
        await calling.post("/")
        answer = await calling.post("/", content=parts())
    assert answer.json() == 31
    assert bodies == [b"", *[b"one two three"] * 3]


@pytest.mark.parametrize(("size", "status"), [(64 * 1024, 200), (64 * 1024 + 1, 409)])
async def test_a_body_that_is_too_large_to_keep_is_not_replayed(size: int, status: int) -> None:
    async def read_body(request: Request) -> Response:
        body = await request.body()
        session: Session = request.scope["session"]
        await meddle(session)
        return JSONResponse(len(body))

    site = Site(conflict="retry")
    await site.log_in()
    meddle = meddling(site, 1)
    app = Starlette(
        routes=[Route("/", read_body, methods=["POST"])],
        middleware=[Middleware(SessionMiddleware, manager=site.manager)],
    )
    async with client(app) as calling:
        calling.cookies = site.client.cookies
        answer = await calling.post("/", content=bytes(size))
    assert answer.status_code == status
    assert status != 200 or answer.json() == size


async def test_replays_end_with_the_deadline() -> None:
    site = Site(Watched(networked=True), conflict="retry", deadline_ms=300)
    await site.log_in()
    site.store.takes_s = {"update": 0.12, "get": 0.12}
    before = site.runs
    began = time.monotonic()
    answer = await site.do(meddling(site, 4))
    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
    assert time.monotonic() - began < 30
    assert site.runs - before == 1


async def test_a_replay_that_may_have_been_saved_is_no_conflict() -> None:
    site = Site(Watched(networked=True), conflict="retry", deadline_ms=300)
    await site.log_in()
    site.store.takes_s = {"update": 0.2}
    assert_unavailable(await site.do(meddling(site, 1)))


async def test_concurrent_increments_all_survive_under_retry() -> None:
    site = Site(conflict="retry")
    await site.log_in()

    async def slowly(session: Session) -> int:
        n = await counting(session)
        await asyncio.sleep(0)
        return n

    answers = await asyncio.gather(*(site.do(slowly) for _ in range(4)))
    kept = sum(answer.status_code == 200 for answer in answers)
    assert kept >= 3
    assert (await site.do(reading)).json() == {"n": kept}
