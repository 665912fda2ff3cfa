"""What three libraries do behind our routes, seen over HTTP: each fact is one that an audit will find.

Starlette 1.10, starsessions 2.2.1, fastapi-sessions 0.3.2. Where an application has a choice, the subject does
what the library's documentation says; so starsessions adopts a client's id only with `regenerate=false`, which is
to leave out the call that its documentation advises at login.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from backends import cookies, discovery
from tests.backends.apps import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    import httpx

    from tests.conftest import Servers

pytestmark = [
    pytest.mark.anyio,
    # fastapi-sessions calls what pydantic 2 keeps for the code of version 1.
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20"),
]

REDIS = "starsessions:store=redis"
ALL = ("starlette", "starsessions", REDIS, "fastapi_sessions")
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def redis_url(servers: Servers) -> str:
    return servers.get("redis").url


@pytest.fixture
def environ(redis_url: str, servers: Servers, namespace: str) -> Iterator[dict[str, str]]:
    yield {"SESSION_APP_AUDIT": "1", "SESSION_APP_STORE_URL": redis_url, "SESSION_APP_NAMESPACE": namespace}
    servers.get("redis").drop(namespace)


@pytest.fixture(params=ALL)
async def calling(request: pytest.FixtureRequest, environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(request.param, **environ) as client_of_it:
        yield client_of_it


@pytest.fixture
async def starlette(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with serving("starlette", **environ) as calling:
        yield calling


@pytest.fixture(params=["starsessions", REDIS])
async def starsessions(request: pytest.FixtureRequest, environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(request.param, **environ) as calling:
        yield calling


@pytest.fixture
async def fastapi_sessions(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with serving("fastapi_sessions", **environ) as calling:
        yield calling


async def log_in(calling: httpx.AsyncClient, user: str = "ann", **more: Any) -> dict[str, str]:
    """Log in, and return the cookie as one who steals it would send it, whatever becomes of it here."""
    answer = await calling.post("/login", json={"user": user, **more})
    assert (answer.status_code, answer.json()) == (200, {"user": user, "updates": 0})
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


async def user_of(calling: httpx.AsyncClient, presented: dict[str, str]) -> str | None:
    """Return whose session a request with this cookie, and no other, gets."""
    calling.cookies.clear()
    answer = await calling.get("/profile", headers=presented)
    assert answer.status_code in {200, 401}
    user: str | None = answer.json().get("user")
    return user


async def count(calling: httpx.AsyncClient) -> tuple[int, int | None]:
    answer = (await calling.get("/count")).json()
    return answer["records"], answer["writes"]


# What is the same for all


async def test_a_visit(calling: httpx.AsyncClient) -> None:
    for request in (calling.get("/profile"), calling.post("/profile", json={"note": "x"})):
        answer = await request
        assert (answer.status_code, answer.json()["error"]) == (401, "no_session")
    await log_in(calling, payload_bytes=70)
    assert (await calling.get("/profile")).json() == {"user": "ann", "updates": 0, "payload_bytes": 70}
    for updates in (1, 2):
        answer = await calling.post("/profile", json={"note": f"note {updates}"})
        assert (answer.status_code, answer.json()) == (200, {"user": "ann", "updates": updates})
    assert (await calling.get("/profile?hold_ms=1")).json()["updates"] == 2
    assert (await calling.post("/nested", json={"note": "x"})).json() == {"user": "ann", "updates": 2, "former": ""}
    assert (await calling.post("/logout")).json() == {"logged_out": True}
    assert cookies.NAME not in calling.cookies
    assert (await calling.get("/profile")).status_code == 401
    assert (await calling.post("/logout")).status_code == 200
    assert (await calling.post("/login", json={})).json()["error"] == "invalid_request"
    assert (await calling.get("/health")).json() == (await calling.get("/ping")).json() == {"status": "ok"}


async def test_two_users_have_a_session_each(calling: httpx.AsyncClient) -> None:
    ann = await log_in(calling)
    calling.cookies.clear()
    bob = await log_in(calling, "bob")
    assert await user_of(calling, ann) == "ann"
    assert await user_of(calling, bob) == "bob"


async def test_what_it_is(calling: httpx.AsyncClient) -> None:
    about = (await calling.get("/about")).json()
    variant = discovery.parse(about["backend"])
    assert about["options"] == variant.options.model_dump(mode="json")
    assert about["driver"]["name"] == variant.backend.name.replace("_", "-")
    assert re.match(r"\d+\.\d+", about["driver"]["version"])
    on_server = about["traits"]["keeps"] == "server"
    assert (about["server_version"] is not None) is ("redis" in about["packages"]) is on_server
    assert on_server is (variant.server is not None)


@pytest.mark.parametrize("name", ALL)
async def test_the_cookie(name: str, environ: dict[str, str]) -> None:
    options = "," if ":" in name else ":"
    for variant, secure in ((name, False), (f"{name}{options}secure=true", True)):
        async with serving(variant, **environ) as calling:
            answer = await calling.post("/login", json={"user": "ann"})
            attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
            assert {"httponly", "path=/"} <= attributes
            # fastapi-sessions prints the name of its enumeration's member, which no browser knows.
            lax = "samesiteenum.lax" if name == "fastapi_sessions" else "lax"
            assert f"samesite={lax}" in attributes
            assert ("secure" in attributes) is secure


@pytest.mark.parametrize("name", ["starsessions", "fastapi_sessions"])
async def test_a_process_is_filled_before_it_serves(name: str, environ: dict[str, str]) -> None:
    async with serving(name, **environ, SESSION_APP_SESSIONS="20") as calling:
        assert await count(calling) == (20, 0)


@pytest.mark.parametrize("name", ALL)
async def test_without_an_audit_nobody_may_look_inside(name: str, environ: dict[str, str]) -> None:
    async with serving(name, **environ | {"SESSION_APP_AUDIT": "0"}) as calling:
        await log_in(calling)
        assert (await calling.post("/profile", json={"note": "x"})).json()["updates"] == 1
        assert (await calling.get("/count")).status_code == 404
        assert (await calling.post("/nested", json={"note": "x"})).status_code == 404


# Starlette's SessionMiddleware


async def test_starlette_cannot_take_a_cookie_back(starlette: httpx.AsyncClient) -> None:
    stolen = await log_in(starlette)
    await starlette.post("/logout")
    assert await user_of(starlette, stolen) == "ann"
    assert await count(starlette) == (0, None)


async def test_starlette_loses_what_changes_inside_a_value(starlette: httpx.AsyncClient) -> None:
    await log_in(starlette)
    for _ in range(2):
        answer = await starlette.post("/nested", json={"note": "kept?"})
        assert answer.json()["former"] == ""
        assert "set-cookie" not in answer.headers


async def test_starlette_says_that_an_answer_depends_on_the_cookie(starlette: httpx.AsyncClient) -> None:
    for presented in ({}, await log_in(starlette)):
        assert (await starlette.get("/profile", headers=presented)).headers["vary"] == "Cookie"
    assert "vary" not in (await starlette.get("/ping")).headers


async def test_starlette_makes_a_cookie_that_browsers_drop(starlette: httpx.AsyncClient) -> None:
    answer = await starlette.post("/login", json={"user": "ann", "payload_bytes": 5000})
    assert answer.status_code == 200
    assert 6700 < len(answer.headers["set-cookie"].partition(";")[0]) < 7000


# starsessions


async def test_starsessions_leaves_the_old_id_alive(starsessions: httpx.AsyncClient) -> None:
    old = await log_in(starsessions)
    new = await log_in(starsessions, "bob")
    assert new != old
    assert await user_of(starsessions, old) == "ann"
    assert (await count(starsessions))[0] == 2


@pytest.mark.parametrize(("regenerate", "gets"), [("true", None), ("false", "ann")])
@pytest.mark.parametrize("store", ["memory", "redis"])
async def test_starsessions_adopts_an_id_unless_it_is_told_to_make_one(
    store: str, regenerate: str, gets: str | None, environ: dict[str, str]
) -> None:
    chosen = {"cookie": f"{cookies.NAME}=chosen-by-an-attacker"}
    async with serving(f"starsessions:store={store},regenerate={regenerate}", **environ) as calling:
        answer = await calling.post("/login", json={"user": "ann"}, headers=chosen)
        assert ("chosen-by-an-attacker" in answer.headers["set-cookie"]) is (gets is not None)
        assert await user_of(calling, chosen) == gets


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_starsessions_revives_a_session_that_a_request_in_flight_still_had(
    method: str, starsessions: httpx.AsyncClient
) -> None:
    async def log_out() -> None:
        await starsessions.post("/logout")
        assert await user_of(starsessions, presented) is None

    presented = await log_in(starsessions)
    answer = await straddling(starsessions, method, presented, log_out)
    assert answer.status_code == 200
    assert await user_of(starsessions, presented) == "ann"


async def test_starsessions_writes_what_it_has_read_over_what_was_written_since(
    starsessions: httpx.AsyncClient,
) -> None:
    async def write() -> None:
        assert (await starsessions.post("/profile", json={"note": "x"}, headers=presented)).json()["updates"] == 1

    presented = await log_in(starsessions)
    answer = await straddling(starsessions, "GET", presented, write)
    assert answer.json()["updates"] == 0
    assert (await starsessions.get("/profile", headers=presented)).json()["updates"] == 0


async def test_starsessions_writes_on_every_read(starsessions: httpx.AsyncClient) -> None:
    await log_in(starsessions)
    assert await count(starsessions) == (1, 1)
    for reads in range(1, 6):
        assert "set-cookie" in (await starsessions.get("/profile")).headers
        assert await count(starsessions) == (1, 1 + reads)
    for path in ("/ping", "/health", "/about"):
        assert "set-cookie" not in (await starsessions.get(path)).headers
    assert await count(starsessions) == (1, 6)
    await starsessions.post("/logout")
    assert await count(starsessions) == (0, 7)


async def test_starsessions_keeps_anonymous_visits_out_of_its_store(starsessions: httpx.AsyncClient) -> None:
    for headers in ({}, {"cookie": f"{cookies.NAME}=unknown"}):
        assert (await starsessions.get("/profile", headers=headers)).status_code == 401
    assert await count(starsessions) == (0, 0)


async def test_starsessions_in_memory_never_ends_a_session(environ: dict[str, str]) -> None:
    async with AsyncExitStack() as stack:
        apps = [
            await stack.enter_async_context(serving(f"starsessions:idle_s=1,rolling={rolling}", **environ))
            for rolling in ("true", "false")
        ]
        presented = [await log_in(calling) for calling in apps]
        await asyncio.sleep(2.1)
        for calling, stolen in zip(apps, presented, strict=True):
            assert await user_of(calling, stolen) == "ann"
            assert (await count(calling))[0] == 1


async def test_starsessions_in_redis_ends_a_session_that_is_left_alone(environ: dict[str, str]) -> None:
    async with serving(f"{REDIS},idle_s=1", **environ) as calling:
        presented = await log_in(calling)
        assert await comes_true(lambda: count(calling), (0, 1))
        assert await user_of(calling, presented) is None


async def test_starsessions_in_redis_keeps_a_session_past_its_lifetime_while_it_is_polled(
    environ: dict[str, str],
) -> None:
    """Its least time to live is a second, whatever is left: a machine that stalls for longer proves nothing."""
    async with serving(f"{REDIS},idle_s=1,rolling=false", **environ) as calling:
        for _ in range(10):
            presented = await log_in(calling)
            answer = await calling.get("/profile", headers=presented)
            while answer.status_code == 200 and "max-age=-1;" not in answer.headers["set-cookie"]:
                await asyncio.sleep(0.02)
                answer = await calling.get("/profile", headers=presented)
            if answer.status_code == 200:
                return
        pytest.fail("no session outlived its lifetime")


# fastapi-sessions


async def test_fastapi_sessions_is_asked_only_by_the_routes_that_depend_on_it(
    fastapi_sessions: httpx.AsyncClient,
) -> None:
    await log_in(fastapi_sessions)
    for request in (fastapi_sessions.get("/profile"), fastapi_sessions.post("/profile", json={"note": "x"})):
        assert "set-cookie" not in (await request).headers
    assert await count(fastapi_sessions) == (1, 2)


async def test_fastapi_sessions_leaves_the_old_id_alive(fastapi_sessions: httpx.AsyncClient) -> None:
    old = await log_in(fastapi_sessions)
    new = await log_in(fastapi_sessions, "bob")
    assert new != old
    assert await user_of(fastapi_sessions, old) == "ann"
    assert await count(fastapi_sessions) == (2, 2)


async def test_fastapi_sessions_saves_what_the_route_says_also_inside_a_value(
    fastapi_sessions: httpx.AsyncClient,
) -> None:
    await log_in(fastapi_sessions)
    for former, note in itertools.pairwise(("", "one", "two")):
        assert (await fastapi_sessions.post("/nested", json={"note": note})).json()["former"] == former


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 401)])
async def test_fastapi_sessions_does_not_revive_what_was_deleted(
    method: str, status: int, fastapi_sessions: httpx.AsyncClient
) -> None:
    async def log_out() -> None:
        await fastapi_sessions.post("/logout", headers=presented)

    presented = await log_in(fastapi_sessions)
    answer = await straddling(fastapi_sessions, method, presented, log_out)
    assert answer.status_code == status
    assert answer.json().get("error") in {None, "session_gone"}
    assert await user_of(fastapi_sessions, presented) is None
    assert (await count(fastapi_sessions))[0] == 0


async def test_fastapi_sessions_fails_when_a_session_is_ended_twice(fastapi_sessions: httpx.AsyncClient) -> None:
    presented = await log_in(fastapi_sessions)
    for status in (200, 500):
        fastapi_sessions.cookies.clear()
        answer = await fastapi_sessions.post("/logout", headers=presented)
        assert answer.status_code == status
    assert answer.json()["error"] == "internal_error"


@pytest.mark.parametrize(("name", "records"), [("starlette:idle_s=1", 0), ("fastapi_sessions:absolute_s=1", 1)])
async def test_a_signature_ages_and_what_the_server_keeps_does_not(
    name: str, records: int, environ: dict[str, str]
) -> None:
    async with serving(name, **environ) as calling:
        presented = await log_in(calling)
        assert await comes_true(lambda: user_of(calling, presented), None)
        assert (await count(calling))[0] == records


# Redis away


async def test_its_health_is_told_while_redis_refuses(environ: dict[str, str]) -> None:
    away = environ | {"SESSION_APP_STORE_URL": "redis://127.0.0.1:1"}
    async with serving(REDIS, **away) as calling:
        assert (await calling.get("/ping")).status_code == 200
        assert (await calling.get("/about")).json()["server_version"] is None
        for path in ("/health", "/count"):
            answer = await calling.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def straddling(
    calling: httpx.AsyncClient, method: str, presented: dict[str, str], meanwhile: Callable[[], Awaitable[None]]
) -> httpx.Response:
    """Return the answer to a request that had read its session before something else was done, and ended after.

    It holds what it read for as long as that takes: an attempt that the machine's other guests spoilt is made again.
    """
    for hold_ms in (100, 400, 1600, 6400, 25_600):
        slow = asyncio.create_task(
            calling.request(method, f"/profile?hold_ms={hold_ms}", headers=presented, json={"note": "late"})
        )
        await asyncio.sleep(hold_ms / 4000)
        await meanwhile()
        in_time = not slow.done()
        answer = await slow
        said = answer.json()
        had_read = (
            said["updates"] == 0 if method == "GET" and answer.status_code == 200 else said.get("error") != "no_session"
        )
        if in_time and had_read:
            return answer
        presented |= await log_in(calling)
    pytest.fail("nothing could be done between a read and a write")


async def comes_true(ask: Callable[[], Awaitable[Any]], expected: object) -> bool:
    patience = time.monotonic() + PATIENCE_S
    while await ask() != expected:
        if time.monotonic() > patience:
            return False
        await asyncio.sleep(0.05)
    return True
