"""The application through its routes, where no server is needed, and started as a user starts it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from backends import content, environment
from backends.app import build, create_app
from backends.errors import ConfigurationError
from backends.memory import Store
from backends.store import StoreUnavailable
from tests.backends.apps import KEY, client, configured, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

STATEFUL = (
    "memory",
    "memory:read=lazy",
    "memory:codec=pickle,slide=always",
    "cookie",
    "cookie:encrypted=true",
)
ALL = (*STATEFUL, "none")


@pytest.fixture(params=ALL)
async def anywhere(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(request.param, SESSION_APP_AUDIT="1") as calling:
        yield calling


@pytest.fixture(params=STATEFUL)
async def app(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(request.param) as calling:
        yield calling


@pytest.fixture
async def memory() -> AsyncIterator[httpx.AsyncClient]:
    async with serving("memory") as calling:
        yield calling


@pytest.fixture
async def audited() -> AsyncIterator[httpx.AsyncClient]:
    async with serving("memory", SESSION_APP_AUDIT="1") as calling:
        yield calling


def assert_error(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"error", "detail"}
    assert answer.json()["error"] == code
    assert answer.json()["detail"]


async def test_a_visit(app: httpx.AsyncClient) -> None:
    assert_error(await app.get("/profile"), 401, "no_session")
    assert_error(await app.post("/profile", json={"note": "x"}), 401, "no_session")
    answer = await app.post("/login", json={"user": "ann", "payload_bytes": 70})
    assert (answer.status_code, answer.json()) == (200, {"user": "ann", "updates": 0})
    answer = await app.get("/profile")
    assert (answer.status_code, answer.json()) == (200, {"user": "ann", "updates": 0, "payload_bytes": 70})
    for updates in (1, 2):
        answer = await app.post("/profile", json={"note": f"note {updates}"})
        assert (answer.status_code, answer.json()) == (200, {"user": "ann", "updates": updates})
    assert (await app.get("/profile")).json() == {"user": "ann", "updates": 2, "payload_bytes": 70}
    assert (await app.post("/logout")).status_code == 200
    assert_error(await app.get("/profile"), 401, "no_session")
    assert (await app.post("/logout")).status_code == 200


async def test_every_line_runs_on_every_backend(anywhere: httpx.AsyncClient) -> None:
    assert (await anywhere.get("/profile")).status_code == 401
    assert (await anywhere.post("/login", json={"user": "ann"})).json() == {"user": "ann", "updates": 0}
    answer = (await anywhere.get("/profile")).json()
    assert answer.keys() == {"user", "updates", "payload_bytes"}
    assert answer["payload_bytes"] == content.PAYLOAD_BYTES
    assert (await anywhere.post("/profile", json={"note": "x"})).json().keys() == {"user", "updates"}
    assert (await anywhere.post("/logout")).status_code == 200
    assert (await anywhere.get("/profile")).status_code == 401


async def test_login_changes_the_id_and_the_old_one_is_dead(memory: httpx.AsyncClient) -> None:
    await memory.post("/login", json={"user": "ann"})
    former = memory.cookies["sid"]
    await memory.post("/login", json={"user": "bob"})
    assert memory.cookies["sid"] != former
    assert (await memory.get("/profile")).json()["user"] == "bob"
    memory.cookies.set("sid", former)
    memory.cookies.delete("sid", domain="")
    answer = await memory.get("/profile", headers={"cookie": f"sid={former}"})
    assert_error(answer, 401, "no_session")


async def test_login_never_adopts_an_id(app: httpx.AsyncClient) -> None:
    chosen = "A" * 43
    answer = await app.post("/login", json={"user": "ann"}, headers={"cookie": f"sid={chosen}"})
    assert chosen not in answer.headers["set-cookie"]


async def test_logout_revokes_on_the_server(memory: httpx.AsyncClient) -> None:
    await memory.post("/login", json={"user": "ann"})
    stolen = {"cookie": f"sid={memory.cookies['sid']}"}
    answer = await memory.post("/logout")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert_error(await memory.get("/profile", headers=stolen), 401, "no_session")


async def test_the_cookie() -> None:
    for variant, secure in (("memory", ""), ("memory:secure=true", "; Secure")):
        async with serving(variant) as calling:
            answer = await calling.post("/login", json={"user": "ann"})
            cookie = answer.headers["set-cookie"]
            token = cookie.partition(";")[0].removeprefix("sid=")
            assert cookie == f"sid={token}; Path=/; HttpOnly; SameSite=Lax{secure}"
            assert len(token) == 43
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["vary"] == "Cookie"


async def test_payloads_are_seeded_and_incompressible(memory: httpx.AsyncClient) -> None:
    for size in (0, 1, 2, 3, 4, 1000, 100_000):
        await memory.post("/login", json={"user": "ann", "payload_bytes": size})
        assert (await memory.get("/profile")).json()["payload_bytes"] == size
        assert len(content.payload("ann", size)) == size
    assert content.payload("ann", 1000) == content.payload("ann", 1000) != content.payload("bob", 1000)
    assert len(zlib.compress(content.payload("ann", 100_000).encode(), 9)) > 74_000


async def test_too_large_a_session_is_413_and_changes_nothing() -> None:
    async with serving("cookie") as calling:
        await calling.post("/login", json={"user": "ann", "payload_bytes": 100})
        answer = await calling.post("/login", json={"user": "bob", "payload_bytes": 5000})
        assert_error(answer, 413, "session_too_large")
        assert "set-cookie" not in answer.headers
        answer = await calling.post("/profile", json={"note": "x" * 5000})
        assert_error(answer, 413, "session_too_large")
        assert (await calling.get("/profile")).json()["user"] == "ann"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/login", {}),
        ("/login", {"user": ""}),
        ("/login", {"user": 7}),
        ("/login", {"user": "x" * 201}),
        ("/login", {"user": "ann", "payload_bytes": -1}),
        ("/login", {"user": "ann", "payload_bytes": 10_000_001}),
        ("/login", {"user": "ann", "payload_bytes": "many"}),
        ("/login", []),
        ("/profile", {}),
        ("/profile", {"note": None}),
    ],
)
async def test_bodies_that_make_no_sense(memory: httpx.AsyncClient, path: str, body: Any) -> None:
    assert_error(await memory.post(path, json=body), 422, "invalid_request")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"user": "\\ud800"}'])
async def test_bodies_that_are_no_json(memory: httpx.AsyncClient, body: bytes) -> None:
    answer = await memory.post("/login", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.json().keys() == {"error", "detail"}


async def test_the_frameworks_own_errors_are_worded_alike(memory: httpx.AsyncClient) -> None:
    assert_error(await memory.get("/absent"), 404, "not_found")
    answer = await memory.put("/profile")
    assert_error(answer, 405, "method_not_allowed")
    assert answer.headers["allow"]


async def test_a_mistake_of_ours_is_an_internal_error_without_details() -> None:
    app = build(configured())

    async def broken() -> None:
        raise ZeroDivisionError("a secret")

    app.add_api_route("/broken", broken)
    async with client(app) as calling:
        answer = await calling.get("/broken")
    assert_error(answer, 500, "internal_error")
    assert "secret" not in answer.text


async def test_audit_routes_are_there_when_asked_for_only(
    memory: httpx.AsyncClient, audited: httpx.AsyncClient
) -> None:
    for calling in (memory, audited):
        await calling.post("/login", json={"user": "ann"})
    assert (await memory.post("/nested", json={"note": "x"})).status_code == 404
    for former, note in (("", "one"), ("one", "two")):
        answer = await audited.post("/nested", json={"note": note})
        assert answer.json() == {"user": "ann", "updates": 0, "former": former}
    assert_error(await audited.get("/profile?hold_ms=-1"), 422, "invalid_request")
    assert (await memory.get("/profile?hold_ms=-1")).status_code == 200
    async with asyncio.timeout(30):
        assert (await memory.get("/profile?hold_ms=60000")).status_code == 200
    assert_error(await audited.post("/nested", json={"note": "x"}, headers={"cookie": "sid="}), 401, "no_session")


async def test_a_held_write_that_straddles_a_logout_revives_nothing(audited: httpx.AsyncClient) -> None:
    await audited.post("/login", json={"user": "ann"})
    kept = {"cookie": f"sid={audited.cookies['sid']}"}
    held = asyncio.create_task(audited.post("/profile?hold_ms=1000", json={"note": "x"}, headers=kept))
    held_read = asyncio.create_task(audited.get("/profile?hold_ms=1000", headers=kept))
    await asyncio.sleep(0.05)
    await audited.post("/logout")
    assert_error(await held, 401, "session_gone")
    assert (await held_read).status_code == 200
    assert_error(await audited.get("/profile", headers=kept), 401, "no_session")


async def test_operations_have_no_session(memory: httpx.AsyncClient) -> None:
    await memory.post("/login", json={"user": "ann"})
    for path in ("/ping", "/health", "/about"):
        answer = await memory.get(path)
        assert answer.status_code == 200
        assert not {"set-cookie", "vary"} & set(answer.headers)


async def test_health_is_the_stores() -> None:
    configuration = configured()
    app = build(configuration)

    async def down(_: Store) -> None:
        raise StoreUnavailable("refused")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "ping", down)
        async with client(app) as calling:
            answer = await calling.get("/health")
            assert_error(answer, 503, "store_unavailable")
            assert answer.headers["retry-after"] == "1"
            assert (await calling.get("/ping")).status_code == 200


async def test_about_tells_what_runs_here(memory: httpx.AsyncClient) -> None:
    about = (await memory.get("/about")).json()
    assert about["contract"] == 1
    assert about["backend"] == "memory"
    assert about["options"]["max_sessions"] == 2_000_000
    assert about["traits"]["keeps"] == "process"
    assert about["driver"] is None
    assert about["server_version"] is None
    assert about["pid"] == os.getpid()
    assert len(about["source"]["digest"]) == 64
    assert about["source"]["path"].endswith("backends")
    assert {"fastapi", "starlette", "uvicorn", "pydantic"} <= about["packages"].keys()
    async with serving("cookie:encrypted=true,codec=orjson") as calling:
        about = (await calling.get("/about")).json()
    assert about["backend"] == "cookie:codec=orjson,encrypted=true"
    assert about["driver"]["name"] == "cryptography"


async def test_a_process_that_keeps_sessions_seeds_them_itself() -> None:
    configuration = configured("memory:max_sessions=1000000", SESSION_APP_SESSIONS="1234")
    app = build(configuration)
    opened: list[Store] = []

    async def remember(store: Store) -> None:
        opened.append(store)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "open", remember)
        async with app.router.lifespan_context(app):
            assert await opened[0].count() == 1234


async def test_an_app_sweeps_what_has_expired() -> None:
    opened: list[Store] = []

    async def remember(store: Store) -> None:
        opened.append(store)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "open", remember)
        async with serving("memory:idle_s=0.1") as calling:
            await calling.post("/login", json={"user": "ann"})
            assert await opened[0].count() == 1
            async with asyncio.timeout(10):
                while await opened[0].count():  # noqa: ASYNC110 - a sweep tells nobody
                    await asyncio.sleep(0.05)


# The environment


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "SESSION_APP_BACKEND is not set; name a backend, one of cookie, http, "),
        ({"SESSION_APP_BACKEND": "memory"}, "SESSION_APP_KEY is not set; give it a secret of at least 32"),
        ({"SESSION_APP_BACKEND": "memory", "SESSION_APP_KEY": "secret-secret"}, "has 13 bytes"),
        ({"SESSION_APP_BACKEND": "memroy", "SESSION_APP_KEY": KEY}, "did you mean 'memory'"),
        ({"SESSION_APP_BACKEND": "redis", "SESSION_APP_KEY": KEY}, "SESSION_APP_STORE_URL is not set"),
        (
            {"SESSION_APP_BACKEND": "memory", "SESSION_APP_KEY": KEY, "SESSION_APP_NAMESPACE": "No-Good"},
            "SESSION_APP_NAMESPACE is 'No-Good'",
        ),
        (
            {"SESSION_APP_BACKEND": "memory", "SESSION_APP_KEY": KEY, "SESSION_APP_SESSIONS": "-1"},
            "SESSION_APP_SESSIONS is '-1'",
        ),
        (
            {"SESSION_APP_BACKEND": "cookie:conflict=reject", "SESSION_APP_KEY": KEY},
            "conflict=reject needs a store",
        ),
        (
            {"SESSION_APP_BACKEND": "memory", "SESSION_APP_KEY": KEY, "SESSION_APP_COUNTERS": "/dev/null/x"},
            "SESSION_APP_COUNTERS names /dev/null/x",
        ),
    ],
)
def test_an_environment_that_cannot_be(environ: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SESSION_APP_")]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=message) as caught:
        build(environment.read(os.environ))
    assert "\n" not in str(caught.value)
    assert "secret-secret" not in str(caught.value)
    with pytest.raises(SystemExit, match=message):
        create_app()


# As a user starts it


def started(variant: str, **environ: str) -> tuple[subprocess.Popen[str], int]:
    """Start the app with stock uvicorn on a socket that is bound already; returns process and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [
                *(sys.executable, "-W", "error", "-m", "uvicorn", "--factory", "backends.app:create_app"),
                *("--fd", str(listener.fileno()), "--log-level", "warning"),
            ],
            env={**os.environ, "SESSION_APP_BACKEND": variant, **environ},
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=(listener.fileno(),),
        )
        return process, listener.getsockname()[1]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process, port = started("memory", SESSION_APP_KEY=KEY, SESSION_APP_COUNTERS=str(tmp_path))
    yield process, f"http://127.0.0.1:{port}"
    process.kill()
    process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="file descriptors are not passed on there")
def test_stock_uvicorn_serves_it(running: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    process, url = running
    with httpx.Client(base_url=url, timeout=30) as calling:
        assert calling.post("/login", json={"user": "ann"}).status_code == 200
        for _ in range(5):
            assert calling.get("/profile").json()["user"] == "ann"
        assert calling.get("/about").json()["pid"] == process.pid
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert errors == ""
    counted = json.loads((tmp_path / f"{process.pid}.json").read_bytes())
    gets = sum(operations["get"]["count"] for operations in counted["seconds"].values() if "get" in operations)
    assert gets == 5


def test_a_missing_key_is_one_line_and_exit_code_1() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SESSION_APP_")}
    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", "--factory", "backends.app:create_app", "--port", "0"],
        env={**environ, "SESSION_APP_BACKEND": "memory"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("The session app cannot start: SESSION_APP_KEY is not set;")
