"""What a request does to its store and its client, on the memory store."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from backends import cookie, envelope, memory
from backends.errors import ConfigurationError
from backends.manager import SessionManager
from backends.middleware import SessionMiddleware
from backends.store import Options
from tests.backends.site import SETTINGS, Site, Watched, counting, headers_of, nothing, putting, reading, revoking

if TYPE_CHECKING:
    import httpx

    from backends.session import Session

pytestmark = pytest.mark.anyio


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
