"""What a request is answered when its store is not: within the deadline, and never as somebody else."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response, StreamingResponse

from backends.manager import SessionManager
from backends.middleware import SessionMiddleware
from backends.store import Options, StoreUnavailable
from tests.backends.apps import client
from tests.backends.site import Site, Watched, assert_unavailable, counting, putting, reading, revoking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from backends.session import Session
    from backends.store import Record
    from tests.backends.site import Action

pytestmark = pytest.mark.anyio


async def test_a_failed_read_is_503_and_the_route_does_not_run() -> None:
    site = Site()
    await site.log_in()
    site.store.fails = {"get"}
    runs = site.runs
    assert_unavailable(await site.do(reading))
    assert site.runs == runs


async def test_a_failed_lazy_read_is_503() -> None:
    site = Site(read="lazy")
    await site.log_in()
    site.store.fails = {"get"}
    assert_unavailable(await site.do(reading))


@pytest.mark.parametrize(
    ("fails", "action"),
    [("create", putting(n=1)), ("update", counting), ("delete", revoking)],
    ids=["create", "update", "delete"],
)
async def test_a_failed_save_is_503_and_the_apps_answer_is_dropped(fails: str, action: Action) -> None:
    done: list[int] = []

    async def with_background(session: Session) -> Response:
        await action(session)
        return JSONResponse("the app's own", 201, background=BackgroundTask(done.append, 1))

    site = Site()
    if fails != "create":
        await site.log_in()
    site.store.fails = {fails}
    assert_unavailable(await site.do(with_background))
    assert done == []
    site.store.fails = set()
    assert (await site.do(with_background)).status_code == 201
    assert done == [1]


async def test_a_dropped_stream_ends() -> None:
    sent = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            sent.append(1)
            yield b"x"
            await asyncio.sleep(0)

    async def stream(session: Session) -> Response:
        session["n"] = 1
        return StreamingResponse(endless())

    site = Site()
    site.store.fails = {"create"}
    async with asyncio.timeout(5):
        assert_unavailable(await site.do(stream))
    assert sent == []


async def test_an_app_that_answers_again_is_not_heard() -> None:
    store = Watched()
    store.fails = {"create"}
    manager = SessionManager(store, Options())

    async def stubborn(scope: Any, _: Any, send: Any) -> None:
        scope["session"]["n"] = 1
        for status in (200, 500):
            try:
                await send({"type": "http.response.start", "status": status, "headers": []})
                await send({"type": "http.response.body", "body": b"heard"})
            except OSError:
                continue

    async with client(SessionMiddleware(stubborn, manager=manager)) as calling:
        assert_unavailable(await calling.get("/"))


@pytest.mark.parametrize(("hangs", "action"), [("get", reading), ("update", counting)], ids=["get", "update"])
async def test_a_store_that_hangs_is_503_within_the_deadline(hangs: str, action: Action) -> None:
    site = Site(Watched(networked=True), deadline_ms=100)
    await site.log_in()
    site.store.takes_s = {hangs: 60}
    began = time.monotonic()
    assert_unavailable(await site.do(action))
    # The store would hang for a minute.
    assert 0.09 < time.monotonic() - began < 30


async def test_the_deadline_is_for_all_store_work_of_a_request() -> None:
    site = Site(Watched(networked=True), deadline_ms=400)
    await site.log_in()
    site.store.takes_s = {"get": 0.25, "update": 60}
    began = time.monotonic()
    assert_unavailable(await site.do(counting))
    assert time.monotonic() - began < 30


async def test_the_routes_own_time_is_not_the_stores() -> None:
    async def slowly(session: Session) -> None:
        await asyncio.sleep(0.2)
        session["n"] = 7

    site = Site(Watched(networked=True), deadline_ms=100)
    await site.log_in()
    assert (await site.do(slowly)).status_code == 200
    assert (await site.do(reading)).json() == {"n": 7}


async def test_a_drivers_own_timeout_is_503() -> None:
    class Impatient(Watched):
        async def get(self, token: str) -> Record | None:
            raise TimeoutError(token)

    site = Site(Impatient(networked=True))
    await site.log_in()
    assert_unavailable(await site.do(reading))


async def test_a_store_that_is_down_at_first_is_opened_by_a_later_request() -> None:
    site = Site(Watched(networked=True))
    site.store.fails = {"open"}
    assert_unavailable(await site.do(putting(n=1)))
    assert_unavailable(await site.do(putting(n=1)))
    site.store.fails = set()
    assert (await site.do(putting(n=1))).status_code == 200
    assert site.store.calls == ["open", "open", "open", "create"]


async def test_requests_that_wait_for_a_store_share_one_opening() -> None:
    site = Site(Watched(networked=True), deadline_ms=100)
    site.store.takes_s = {"open": 0.3}
    answers = await asyncio.gather(*(site.do(putting(n=1)) for _ in range(5)))
    for answer in answers:
        assert_unavailable(answer)
    await asyncio.sleep(0.3)
    assert (await site.do(putting(n=1))).status_code == 200
    assert site.store.calls == ["open", "create"]


async def test_a_store_that_fails_after_the_response_began_breaks_it_off() -> None:
    async def stream(session: Session) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"x"
            await session.load()

        return StreamingResponse(parts())

    site = Site(read="lazy")
    await site.log_in()
    site.store.fails = {"get"}
    answer = await site.do(stream)
    assert (answer.status_code, answer.content) == (200, b"x")
    assert site.store.calls == ["get"]


async def test_a_ping_ends_within_the_deadline() -> None:
    site = Site(Watched(networked=True), deadline_ms=50)
    await site.manager.ping()
    site.store.takes_s = {"ping": 60}
    with pytest.raises(StoreUnavailable, match="no answer within 50 ms"):
        await site.manager.ping()


async def test_closing_does_not_wait_for_a_store_that_fails() -> None:
    class Stuck(Watched):
        async def close(self) -> None:
            raise StoreUnavailable("gone already")

    await SessionManager(Stuck(), Options()).close()
