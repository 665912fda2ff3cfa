"""The middleware and its manager on the memory store, and on stores that were broken on purpose."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from backends import cookie, envelope, memory
from backends.errors import ConfigurationError
from backends.manager import SessionManager
from backends.middleware import SessionMiddleware
from backends.store import Options, Settings, StoreUnavailable
from tests.backends.apps import client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import httpx
    from starlette.requests import Request

    from backends.session import Session
    from backends.store import Record, Refused, Store

    Action = Callable[[Session], Awaitable[Any]]

pytestmark = pytest.mark.anyio

SETTINGS = Settings("", bytes(32), "test", b"")


class Watched(memory.Store):
    """The memory store with a list of what it was asked; it fails or hangs where it is told to."""

    def __init__(self, *, networked: bool = False) -> None:
        super().__init__(memory.Options(), SETTINGS)
        self.calls: list[str] = []
        self.fails: set[str] = set()
        self.takes_s: dict[str, float] = {}
        if networked:
            self.traits = replace(self.traits, keeps="server")

    async def _asked(self, call: str) -> None:
        self.calls.append(call)
        if call in self.fails:
            raise StoreUnavailable("broken on purpose")
        if call in self.takes_s:
            await asyncio.sleep(self.takes_s[call])

    async def open(self) -> None:
        await self._asked("open")

    async def ping(self) -> None:
        await self._asked("ping")

    async def get(self, token: str) -> Record | None:
        await self._asked("get")
        return await super().get(token)

    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        await self._asked("create")
        return await super().create(data, expires_at, replaces=replaces)

    async def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Record | Refused:
        await self._asked("update")
        return await super().update(token, data, expires_at, if_version=if_version)

    async def touch(self, token: str, expires_at: float) -> Record | None:
        await self._asked("touch")
        return await super().touch(token, expires_at)

    async def delete(self, token: str) -> None:
        await self._asked("delete")
        await super().delete(token)

    @property
    def only(self) -> Record:
        (record,) = self._records.values()
        return record


class Site:
    """One app with one route, whose action is given with each request."""

    def __init__(self, store: Store | None = None, **options: Any) -> None:
        self.store: Any = store or Watched()
        self.manager = SessionManager(self.store, Options.model_validate(options))
        self.actions: dict[str, Action] = {}
        self.runs = 0
        routes = [Route("/exempt", self._exempt), Route("/", self._route, methods=["GET", "POST"])]
        middleware = [Middleware(SessionMiddleware, manager=self.manager, exempt=["/exempt"])]
        self.client = client(Starlette(routes=routes, middleware=middleware))

    async def do(self, action: Action, **request: Any) -> httpx.Response:
        """Send a request whose route does this with its session."""
        name = str(len(self.actions))
        self.actions[name] = action
        headers = {"x-action": name, **request.pop("headers", {})}
        return await self.client.request("POST", "/", headers=headers, **request)

    async def log_in(self, **data: Any) -> httpx.Response:
        """Make a session with this in it and forget what the store was asked for it."""
        answer = await self.do(putting(**(data or {"n": 0})))
        if isinstance(self.store, Watched):
            self.store.calls.clear()
        return answer

    @property
    def cookie(self) -> str | None:
        return self.client.cookies.get("sid")

    async def _route(self, request: Request) -> Response:
        self.runs += 1
        answer = await self.actions[request.headers["x-action"]](request.scope["session"])
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    async def _exempt(self, request: Request) -> Response:
        return JSONResponse("session" in request.scope)


def putting(**data: Any) -> Action:
    async def put(session: Session) -> None:
        await session.load()
        session.update(data)

    return put


async def reading(session: Session) -> dict[str, Any]:
    await session.load()
    return {key: session[key] for key in session}


async def counting(session: Session) -> int:
    await session.load()
    n: int = session["n"] + 1
    session["n"] = n
    return n


async def revoking(session: Session) -> None:
    session.revoke()


async def nothing(_: Session) -> None:
    return None


def headers_of(answer: httpx.Response) -> tuple[str | None, str | None, str | None]:
    return answer.headers.get("set-cookie"), answer.headers.get("cache-control"), answer.headers.get("vary")


# What a request does to the store and to the client


async def test_an_anonymous_visit_leaves_no_trace() -> None:
    site = Site()
    for action in (reading, nothing, putting()):
        answer = await site.do(action)
        assert answer.status_code == 200
        assert headers_of(answer) == (None, None, "Cookie")
    assert site.store.calls == []


async def test_a_new_session_sets_a_cookie() -> None:
    site = Site()
    answer = await site.do(putting(n=1))
    assert headers_of(answer) == (
        f"sid={site.store.only.token}; Path=/; HttpOnly; SameSite=Lax",
        "no-store",
        "Cookie",
    )
    assert site.store.calls == ["open", "create"]


async def test_a_set_cookie_overrules_the_apps_own_caching() -> None:
    async def cached(session: Session) -> Response:
        session["n"] = 1
        return JSONResponse(None, headers={"Cache-Control": "max-age=60", "Vary": "Accept"})

    answer = await Site().do(cached)
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert answer.headers.get_list("vary") == ["Accept", "Cookie"]


async def test_a_read_is_one_get() -> None:
    site = Site()
    await site.log_in(user="ann", n=1)
    answer = await site.do(reading)
    assert answer.json() == {"user": "ann", "n": 1}
    assert headers_of(answer) == (None, None, "Cookie")
    assert site.store.calls == ["get"]


async def test_a_write_is_one_get_and_one_update() -> None:
    site = Site()
    await site.log_in()
    answer = await site.do(counting)
    assert headers_of(answer) == (None, None, "Cookie")
    assert site.store.calls == ["get", "update"]
    assert (await site.do(reading)).json() == {"n": 1}


async def test_putting_what_is_there_writes_nothing() -> None:
    site = Site()
    await site.log_in(n=1)
    await site.do(putting(n=1))
    assert site.store.calls == ["get"]


async def test_a_nested_change_is_saved_and_a_nested_read_is_not() -> None:
    async def change(session: Session) -> None:
        session["a"]["b"].append(1)

    site = Site()
    await site.log_in(a={"b": []})
    await site.do(reading)
    assert site.store.calls == ["get"]
    await site.do(change)
    assert site.store.calls == ["get", "get", "update"]
    assert (await site.do(reading)).json() == {"a": {"b": [1]}}


async def test_another_spelling_of_the_same_is_no_change() -> None:
    site = Site()
    await site.log_in(a=[1])
    record = site.store.only
    spelled = envelope.repack(record.data, b'{ "a" : [ 1 ] }')
    await memory.Store.update(site.store, record.token, spelled, record.expires_at)
    await site.do(reading)
    assert site.store.calls == ["get"]


async def test_write_always_saves_every_live_session_and_no_other() -> None:
    site = Site(write="always")
    await site.do(reading)
    assert site.store.calls == []
    await site.log_in()
    await site.do(reading)
    assert site.store.calls == ["get", "update"]


async def test_rotating_replaces_the_id() -> None:
    async def rotate(session: Session) -> None:
        session.rotate()

    site = Site()
    await site.log_in(n=5)
    former = site.cookie
    await site.do(rotate)
    assert site.cookie != former
    assert (await site.do(reading)).json() == {"n": 5}
    assert (await site.do(reading, headers={"cookie": f"sid={former}"})).json() == {}
    assert await site.store.count() == 1


async def test_an_unknown_id_is_never_adopted() -> None:
    site = Site()
    chosen = "A" * 43
    site.client.cookies.set("sid", chosen)
    assert (await site.do(reading)).json() == {}
    await site.do(putting(n=1))
    assert site.store.only.token != chosen


@pytest.mark.parametrize("read", ["eager", "lazy"])
async def test_revoking_ends_the_session_and_clears_the_cookie(read: str) -> None:
    site = Site(read=read)
    await site.log_in()
    former = site.cookie
    answer = await site.do(revoking)
    assert answer.headers["set-cookie"] == "sid=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
    assert answer.headers["cache-control"] == "no-store"
    assert site.store.calls == (["get", "delete"] if read == "eager" else ["delete"])
    assert (await site.do(reading, headers={"cookie": f"sid={former}"})).json() == {}
    assert (await site.do(revoking)).status_code == 200


@pytest.mark.parametrize("read", ["eager", "lazy"])
async def test_a_session_after_a_revoked_one_is_another(read: str) -> None:
    async def start_over(session: Session) -> None:
        session.revoke()
        session["n"] = 9

    site = Site(read=read)
    await site.log_in(n=1, user="ann")
    former = site.cookie
    await site.do(start_over)
    assert site.cookie not in {former, None}
    assert (await site.do(reading)).json() == {"n": 9}
    assert await site.store.count() == 1


async def test_an_emptied_session_is_revoked() -> None:
    async def clear(session: Session) -> None:
        session.clear()

    site = Site()
    await site.log_in()
    answer = await site.do(clear)
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert await site.store.count() == 0


async def test_lazy_reads_only_what_is_used() -> None:
    site = Site(read="lazy")
    await site.log_in()
    answer = await site.do(nothing)
    assert headers_of(answer) == (None, None, None)
    assert site.store.calls == []
    assert (await site.do(reading)).headers["vary"] == "Cookie"
    assert site.store.calls == ["get"]


async def test_an_exempt_path_has_no_session_and_needs_no_store() -> None:
    site = Site()
    await site.log_in()
    site.store.fails = {"get"}
    answer = await site.client.get("/exempt")
    assert answer.json() is False
    assert headers_of(answer) == (None, None, None)


async def test_one_response_object_can_be_sent_twice() -> None:
    shared = JSONResponse("shared")

    async def answer(_: Session) -> Response:
        return shared

    site = Site()
    await site.do(answer)
    assert (await site.do(answer)).headers.get_list("vary") == ["Cookie"]


async def test_bytes_that_we_did_not_write_are_no_session() -> None:
    site = Site()
    await site.log_in()
    token = site.store.only.token
    deadline = time.time() + 60
    for data in (b"", b"short", envelope.pack(deadline, b"{"), envelope.pack(deadline, b"[1]"), b"\xff" * 40):
        await memory.Store.update(site.store, token, data, deadline)
        answer = await site.do(reading)
        assert (answer.status_code, answer.json()) == (200, {})


@given(value=st.binary(max_size=100))
def test_no_cookie_makes_an_error(value: bytes) -> None:
    async def visit() -> httpx.Response:
        site = Site()
        return await site.do(reading, headers={b"cookie": b"sid=" + value})

    assert asyncio.run(visit()).status_code == 200


# Handlers that raise


async def test_nothing_is_saved_when_the_route_raised() -> None:
    async def refuse(session: Session) -> None:
        session["n"] = 1
        session.rotate()
        raise HTTPException(418)

    async def fail(session: Session) -> None:
        session["n"] = 1
        raise ZeroDivisionError

    site = Site()
    await site.log_in()
    former = site.cookie
    answer = await site.do(refuse)
    assert (answer.status_code, headers_of(answer)) == (418, (None, None, "Cookie"))
    assert (await site.do(fail)).status_code == 500
    assert site.store.calls == ["get", "get"]
    assert site.cookie == former
    assert (await site.do(reading)).json() == {"n": 0}


async def test_a_revocation_is_not_carried_out_when_the_route_raised() -> None:
    async def refuse(session: Session) -> None:
        session.revoke()
        raise HTTPException(400)

    site = Site()
    await site.log_in()
    assert "set-cookie" not in (await site.do(refuse)).headers
    assert (await site.do(reading)).json() == {"n": 0}


async def test_what_a_codec_cannot_encode_is_the_apps_mistake() -> None:
    site = Site()
    assert (await site.do(putting(x=object()))).status_code == 500
    assert await site.store.count() == 0


# Stores that do not answer


def assert_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"] == "store_unavailable"
    assert answer.headers["vary"] == "Cookie"
    assert "set-cookie" not in answer.headers


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
    assert 0.09 < time.monotonic() - began < 1


async def test_the_deadline_is_for_all_store_work_of_a_request() -> None:
    site = Site(Watched(networked=True), deadline_ms=400)
    await site.log_in()
    site.store.takes_s = {"get": 0.25, "update": 0.25}
    began = time.monotonic()
    assert_unavailable(await site.do(counting))
    assert time.monotonic() - began < 0.5


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


# Sessions that cannot be saved


async def test_a_session_that_ended_meanwhile_is_not_brought_back() -> None:
    async def straddle(session: Session) -> None:
        session["n"] = 99
        await memory.Store.delete(site.store, site.store.only.token)

    site = Site()
    await site.log_in()
    answer = await site.do(straddle)
    assert (answer.status_code, answer.json()["error"]) == (401, "session_gone")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert answer.headers["cache-control"] == "no-store"
    assert await site.store.count() == 0


async def test_a_read_that_straddles_a_logout_revives_nothing() -> None:
    async def straddle(session: Session) -> dict[str, Any]:
        await memory.Store.delete(site.store, site.store.only.token)
        return await reading(session)

    site = Site()
    await site.log_in(a=[1])
    answer = await site.do(straddle)
    assert (answer.status_code, answer.json()) == (200, {"a": [1]})
    assert await site.store.count() == 0


async def test_a_read_never_writes_over_a_write() -> None:
    async def straddle(session: Session) -> dict[str, Any]:
        seen = await reading(session)
        record = site.store.only
        await memory.Store.update(
            site.store, record.token, envelope.repack(record.data, b'{"a":[2]}'), record.expires_at
        )
        return seen

    site = Site()
    await site.log_in(a=[1])
    assert (await site.do(straddle)).json() == {"a": [1]}
    assert (await site.do(reading)).json() == {"a": [2]}


async def test_too_large_a_session_is_413_and_never_reaches_the_store() -> None:
    site = Site()
    site.store.traits = replace(site.store.traits, max_bytes=100)
    answer = await site.do(putting(x="y" * 100))
    assert (answer.status_code, answer.json()["error"]) == (413, "session_too_large")
    assert "create" not in site.store.calls
    await site.log_in()
    answer = await site.do(putting(x="y" * 100))
    assert answer.status_code == 413
    assert site.store.calls == ["get"]
    assert (await site.do(reading)).json() == {"n": 0}


# Expiry


def left(record: Record) -> float:
    return record.expires_at - time.time()


async def aged(site: Site, left_s: float) -> None:
    await memory.Store.touch(site.store, site.store.only.token, time.time() + left_s)


@pytest.mark.parametrize(
    ("slide", "left_s", "calls", "then_s"),
    [
        ("never", 10, ["get"], 10),
        ("threshold", 60, ["get"], 60),
        ("threshold", 40, ["get", "touch"], 100),
        ("always", 90, ["touch"], 100),
    ],
)
async def test_use_extends_idle_expiry(slide: str, left_s: float, calls: list[str], then_s: float) -> None:
    site = Site(slide=slide, idle_s=100)
    await site.log_in()
    await aged(site, left_s)
    await site.do(reading)
    assert site.store.calls == calls
    assert left(site.store.only) == pytest.approx(then_s, abs=2)


@pytest.mark.parametrize(("slide", "then_s"), [("never", 10), ("threshold", 100), ("always", 100)])
async def test_a_write_extends_idle_expiry_too(slide: str, then_s: float) -> None:
    site = Site(slide=slide, idle_s=100)
    await site.log_in()
    await aged(site, 10)
    await site.do(counting)
    assert left(site.store.only) == pytest.approx(then_s, abs=2)


@pytest.mark.parametrize("slide", ["never", "threshold", "always"])
@pytest.mark.parametrize("action", [reading, counting], ids=["read", "write"])
async def test_no_use_passes_the_absolute_deadline(slide: str, action: Action) -> None:
    site = Site(slide=slide, idle_s=100, absolute_s=20)
    await site.log_in()
    deadline = envelope.unpack(site.store.only.data)
    assert deadline is not None
    for _ in range(3):
        await site.do(action)
        assert site.store.only.expires_at <= deadline[0]
        assert left(site.store.only) == pytest.approx(20, abs=2)
    assert "touch" not in site.store.calls or slide == "always"


@pytest.mark.parametrize("slide", ["never", "threshold", "always"])
async def test_a_session_past_its_absolute_deadline_is_over(slide: str) -> None:
    site = Site(slide=slide)
    await site.log_in()
    record = site.store.only
    past = envelope.pack(time.time() - 1, record.data[envelope.HEADER_BYTES :])
    await memory.Store.update(site.store, record.token, past, time.time() + 60)
    assert (await site.do(reading)).json() == {}


async def test_rotating_begins_a_new_absolute_deadline() -> None:
    async def rotate(session: Session) -> None:
        session.rotate()

    site = Site(absolute_s=1000)
    await site.log_in()
    record = site.store.only
    nearly = envelope.pack(time.time() + 5, record.data[envelope.HEADER_BYTES :])
    await memory.Store.update(site.store, record.token, nearly, record.expires_at)
    await site.do(rotate)
    opened = envelope.unpack(site.store.only.data)
    assert opened is not None
    assert opened[0] == pytest.approx(time.time() + 1000, abs=2)


async def test_a_token_that_the_store_exchanged_is_sent_on() -> None:
    store = cookie.Store(cookie.Options(), SETTINGS)
    site = Site(store, slide="always")
    await site.log_in()
    former = site.cookie
    answer = await site.do(reading)
    assert "set-cookie" in answer.headers
    assert site.cookie != former
    assert (await site.do(counting)).json() == 1
    assert (await site.do(reading)).json() == {"n": 1}


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
    assert time.monotonic() - began < 0.5
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


# Configurations that cannot be


def test_pickle_is_refused_where_a_client_keeps_the_bytes() -> None:
    store = cookie.Store(cookie.Options(), SETTINGS)
    with pytest.raises(ConfigurationError, match="codec=pickle runs code"):
        SessionManager(store, Options(codec="pickle"))
    SessionManager(Watched(), Options(codec="pickle"))


@pytest.mark.parametrize("conflict", ["reject", "retry"])
def test_a_store_that_cannot_compare_refuses_to_mind_conflicts(conflict: Any) -> None:
    store = cookie.Store(cookie.Options(), SETTINGS)
    with pytest.raises(ConfigurationError, match=f"conflict={conflict} needs a store"):
        SessionManager(store, Options(conflict=conflict))


async def test_other_connections_pass_through() -> None:
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append((scope["type"], "session" in scope))

    middleware = SessionMiddleware(app, manager=SessionManager(Watched(), Options()))
    for kind in ("websocket", "lifespan"):
        await middleware({"type": kind, "path": "/"}, None, None)  # type: ignore[arg-type]
    assert seen == [("websocket", False), ("lifespan", False)]
