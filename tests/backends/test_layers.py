"""Every moment of a request in its layer, by a clock that stands still but for the work that a test plants."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import Request  # noqa: TC002 - FastAPI reads the annotations of routes
from fastapi.responses import JSONResponse

from backends import content, memory, stopwatch
from backends.counters import CountedStore, Counters
from backends.layers import MeasuredApp, MeasuredManager, MeasuredMiddleware
from backends.store import Options, StoreUnavailable
from tests.backends.site import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from backends.manager import SessionManager
    from backends.session import Session
    from backends.store import Record, Refused

    Action = Callable[[Session], Awaitable[Any]]

pytestmark = pytest.mark.anyio

# What each kind of work takes, so that any sum tells what it is made of.
OUTER, SENDING, ROUTE, CODEC, GET, WRITE = 1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0


class Clock:
    """`time`, as far as the stopwatch and the counted store know it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        self.now += seconds


class Outer:
    """A middleware around everything, whose work is the framework's, with a server that sends."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Any) -> None:
            self._clock.work(SENDING)
            await send(message)

        self._clock.work(OUTER)
        await self._app(scope, receive, sending)
        self._clock.work(OUTER)  # the answer is sent: nobody waits for this


class WorkingStore(memory.Store):
    """The memory store, with work in it."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(memory.Options(), SETTINGS)
        self._clock = clock
        self.waiting: asyncio.Event | None = None
        self.reached = asyncio.Event()
        self.rivals = 0
        self.broken = False

    async def get(self, token: str) -> Record | None:
        self._clock.work(GET)
        if self.waiting is not None:
            waiting, self.waiting = self.waiting, None
            self.reached.set()
            await waiting.wait()
        if self.broken:
            raise StoreUnavailable("broken on purpose")
        return await super().get(token)

    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        self._clock.work(WRITE)
        return await super().create(data, expires_at, replaces=replaces)

    async def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Record | Refused:
        self._clock.work(WRITE)
        if self.rivals:
            self.rivals -= 1
            await super().update(token, data, expires_at)
        return await super().update(token, data, expires_at, if_version=if_version)


class Timed:
    """An app of one route on that store, and what it counted."""

    def __init__(self, clock: Clock, folder: Path, **options: Any) -> None:
        self.clock = clock
        self.counters = Counters(folder)
        self.store = WorkingStore(clock)
        self.manager = MeasuredManager(CountedStore(self.store, self.counters), Options.model_validate(options))
        _slow_down(self.manager, clock)
        self.app = MeasuredApp(self.counters, openapi_url=None)
        self.app.add_middleware(MeasuredMiddleware, manager=self.manager, exempt=["/ping"])
        self.app.add_middleware(Outer, clock=clock)
        self.action: Action = reading
        self.app.add_api_route("/", self._route, methods=["GET", "POST"], response_model=None)
        self.app.add_api_route("/thread", self._thread, methods=["GET"], response_model=None)
        self.app.add_api_route("/ping", self._ping, methods=["GET"], response_model=None)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://app")
        self._folder = folder
        self._seen: dict[str, tuple[int, float]] = {}

    async def log_in(self) -> None:
        """Make a session, and forget what that took."""
        await self.do(writing)
        self.taken()

    async def do(self, action: Action, path: str = "/", method: str = "GET") -> httpx.Response:
        self.action = action
        return await self.client.request(method, path)

    def taken(self) -> dict[str, Any]:
        """Return the seconds of each name since the last call; one that was not counted is absent."""
        self.counters._write()  # noqa: SLF001 - as it is every two seconds
        (file,) = self._folder.glob("*.json")
        sums: dict[str, tuple[int, float]] = {}
        for second in json.loads(file.read_bytes())["seconds"].values():
            for name, each in second.items():
                count, seconds = sums.get(name, (0, 0.0))
                sums[name] = count + each["count"], seconds + each["total_us"] / 1e6
        before, self._seen = self._seen, sums
        return {
            name: pytest.approx(seconds - before.get(name, (0, 0.0))[1])
            for name, (count, seconds) in sums.items()
            if count > before.get(name, (0, 0.0))[0]
        }

    async def _route(self, request: Request) -> JSONResponse:
        self.clock.work(ROUTE)
        answer = JSONResponse(await self.action(request.scope["session"]))
        self.clock.work(ROUTE)
        return answer

    def _thread(self, request: Request) -> JSONResponse:
        self.clock.work(ROUTE)
        return JSONResponse(request.scope["session"]["n"])

    async def _ping(self) -> JSONResponse:
        self.clock.work(ROUTE)
        return JSONResponse("pong")


def _slow_down(manager: SessionManager, clock: Clock) -> None:
    """Give the session layer work of its own: its codec's."""
    encode, decode = manager._encode, manager._decode  # noqa: SLF001 - no option plants work

    def slow_encode(data: dict[str, Any]) -> bytes:
        clock.work(CODEC)
        return encode(data)

    def slow_decode(payload: bytes) -> Any:
        clock.work(CODEC)
        return decode(payload)

    manager._encode, manager._decode = slow_encode, slow_decode  # noqa: SLF001


async def reading(session: Session) -> Any:
    await session.load()
    return session["n"]


async def writing(session: Session) -> Any:
    await session.load()
    session["n"] = session.get("n", 0) + 1
    return session["n"]


async def rotating(session: Session) -> Any:
    await session.load()
    session.rotate()
    session.update(content.new_session("somebody"))


async def failing(session: Session) -> Any:
    await session.load()
    raise ZeroDivisionError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stopwatch, "time", clock)
    return clock


@pytest.fixture
def timed(clock: Clock, tmp_path: Path) -> Timed:
    return Timed(clock, tmp_path)


AROUND = OUTER + 2 * SENDING


@pytest.mark.parametrize("read", ["eager", "lazy"])
async def test_a_read_is_the_stores_wherever_it_happens(read: str, clock: Clock, tmp_path: Path) -> None:
    timed = Timed(clock, tmp_path, read=read)
    await timed.log_in()
    assert (await timed.do(reading)).json() == 1
    assert timed.taken() == {
        "request": AROUND + 2 * ROUTE + CODEC + GET,
        "framework": AROUND + 2 * ROUTE,
        "session": CODEC,
        "store": GET,
        "get": GET,
    }


@pytest.mark.parametrize("read", ["eager", "lazy"])
async def test_a_write_is_saved_when_the_response_starts(read: str, clock: Clock, tmp_path: Path) -> None:
    timed = Timed(clock, tmp_path, read=read)
    await timed.log_in()
    assert (await timed.do(writing)).json() == 2
    assert timed.taken() == {
        "request": AROUND + 2 * ROUTE + 2 * CODEC + GET + WRITE,
        "framework": AROUND + 2 * ROUTE,
        "session": 2 * CODEC,
        "store": GET + WRITE,
        "get": GET,
        "update": WRITE,
    }


async def test_a_replay_adds_each_layers_work_again(clock: Clock, tmp_path: Path) -> None:
    timed = Timed(clock, tmp_path, conflict="retry")
    await timed.log_in()
    timed.store.rivals = 2
    assert (await timed.do(writing)).status_code == 200
    attempts = 3
    assert timed.taken() == {
        "request": AROUND + attempts * (2 * ROUTE + 2 * CODEC + GET + WRITE),
        "framework": AROUND + attempts * 2 * ROUTE,
        "session": attempts * 2 * CODEC,
        "store": attempts * (GET + WRITE),
        "get": attempts * GET,
        "update": attempts * WRITE,
    }


async def test_a_refusal_is_a_request_too(clock: Clock, tmp_path: Path) -> None:
    timed = Timed(clock, tmp_path, conflict="reject")
    await timed.log_in()
    timed.store.rivals = 1
    assert (await timed.do(writing)).status_code == 409
    assert timed.taken() == {
        "request": AROUND + 2 * ROUTE + 2 * CODEC + GET + WRITE,
        "framework": AROUND + 2 * ROUTE,
        "session": 2 * CODEC,
        "store": GET + WRITE,
        "get": GET,
        "update": WRITE,
    }


@pytest.mark.parametrize("action", [reading, failing])
async def test_a_server_error_counts_for_its_store_operations_only(timed: Timed, action: Action) -> None:
    await timed.log_in()
    timed.store.broken = action is reading
    assert (await timed.do(action)).status_code == (503 if action is reading else 500)
    assert timed.taken() == {"get": GET}


async def test_an_error_of_the_stores_leaves_a_lazy_route_in_its_own_layer(clock: Clock, tmp_path: Path) -> None:
    async def forgiving(session: Session) -> Any:
        try:
            await session.load()
        except StoreUnavailable:
            clock.work(ROUTE)
        session.revoke()

    timed = Timed(clock, tmp_path, read="lazy")
    await timed.log_in()
    timed.store.broken = True
    assert (await timed.do(forgiving)).status_code == 200
    taken = timed.taken()
    assert taken["framework"] == AROUND + 3 * ROUTE
    assert taken["store"] == GET  # and a deletion, which takes no time here


async def test_a_route_in_a_thread_is_the_frameworks(timed: Timed) -> None:
    await timed.log_in()
    assert (await timed.do(reading, "/thread")).json() == 1
    assert timed.taken() == {
        "request": AROUND + ROUTE + CODEC + GET,
        "framework": AROUND + ROUTE,
        "session": CODEC,
        "store": GET,
        "get": GET,
    }


async def test_requests_of_one_loop_do_not_mix(timed: Timed) -> None:
    """The waiting of one for the other counts where it waited: in its store."""
    await timed.log_in()
    timed.store.waiting = answered = asyncio.Event()
    first = asyncio.create_task(timed.do(reading))
    async with asyncio.timeout(10):
        await timed.store.reached.wait()
    assert (await timed.do(reading, "/thread")).json() == 1
    whole = AROUND + OUTER + ROUTE + CODEC + GET
    assert timed.taken()["store"] == GET
    answered.set()
    assert (await first).json() == 1
    assert timed.taken() == {
        "request": AROUND + 2 * ROUTE + CODEC + GET + whole,
        "framework": AROUND + 2 * ROUTE,
        "session": CODEC,
        "store": GET + whole,
        "get": GET + whole,
    }


async def test_the_operators_paths_are_not_counted(timed: Timed) -> None:
    await timed.log_in()
    assert (await timed.do(reading, "/ping")).json() == "pong"
    assert timed.taken() == {}
    assert (await timed.client.get("/nowhere")).status_code == 404
    assert timed.taken()["request"] == AROUND + CODEC + GET


async def test_two_loads_at_once_leave_no_layer_running(clock: Clock, tmp_path: Path) -> None:
    timed = Timed(clock, tmp_path, read="lazy")
    await timed.log_in()

    async def twice(session: Session) -> Any:
        timed.store.waiting = free = asyncio.Event()
        loads = [asyncio.create_task(session.load()) for _ in range(2)]
        await asyncio.sleep(0)
        free.set()
        await asyncio.gather(*loads)
        clock.work(ROUTE)

    assert (await timed.do(twice)).status_code == 200
    taken = timed.taken()
    assert taken["framework"] == AROUND + 3 * ROUTE
    assert taken["request"] == AROUND + 3 * ROUTE + 2 * CODEC + 2 * GET


async def test_what_outlives_its_request_counts_for_itself(clock: Clock, tmp_path: Path) -> None:
    timed = Timed(clock, tmp_path, read="lazy")
    outliving: list[asyncio.Task[Any]] = []
    release = asyncio.Event()

    async def leaving(session: Session) -> Any:
        async def later() -> None:
            await release.wait()
            await timed.manager.store.get("nobody")

        outliving.append(asyncio.create_task(later()))
        session.revoke()

    assert (await timed.do(leaving)).status_code == 200
    assert "get" not in timed.taken()
    release.set()
    await asyncio.gather(*outliving)
    assert timed.taken() == {"get": GET}


async def test_rotation_creates(timed: Timed) -> None:
    await timed.log_in()
    assert (await timed.do(rotating, method="POST")).status_code == 200
    taken = timed.taken()
    assert taken["store"] == GET + WRITE
    assert taken["create"] == WRITE
    assert taken["session"] == 2 * CODEC
