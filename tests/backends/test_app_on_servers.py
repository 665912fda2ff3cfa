"""The whole application on every backend with a server: a visit, rivals, a server that freezes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from backends import discovery
from harness.servers.server import provide
from tests.backends.apps import serving

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterator

    import httpx

    from harness.processes import Processes
    from harness.servers.kind import Running
    from tests.conftest import Servers

pytestmark = pytest.mark.anyio

BACKENDS = sorted(backend.name for backend in discovery.found().values() if backend.server)
VARIANTS = sorted([*BACKENDS, "mongodb:driver=pymongo", "redis:driver=sync", "redis:driver=threads"])
DEADLINE_MS = 1000
SLACK_S = 4.0


def on(variant: str, url: str, namespace: str) -> contextlib.AbstractAsyncContextManager[httpx.AsyncClient]:
    return serving(variant, SESSION_APP_STORE_URL=url, SESSION_APP_NAMESPACE=namespace)


def with_options(name: str, **options: Any) -> str:
    listed = ",".join(f"{key}={value}" for key, value in options.items())
    return f"{name},{listed}" if ":" in name else f"{name}:{listed}"


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def url(variant: str, servers: Servers) -> str:
    parsed = discovery.parse(variant)
    assert parsed.backend.server is not None
    return servers.get(parsed.backend.server, parsed.server_options).url


@pytest.mark.parametrize("options", [{}, {"slide": "always", "codec": "msgspec", "read": "lazy"}])
async def test_a_visit(variant: str, url: str, namespace: str, options: dict[str, str]) -> None:
    async with on(with_options(variant, **options) if options else variant, url, namespace) as app:
        assert (await app.get("/profile")).status_code == 401
        assert (await app.get("/health")).status_code == 200
        await app.post("/login", json={"user": "ann", "payload_bytes": 50_000})
        for updates in (1, 2):
            answer = await app.post("/profile", json={"note": "x"})
            assert answer.json() == {"user": "ann", "updates": updates}
        assert (await app.get("/profile")).json() == {
            "user": "ann",
            "updates": 2,
            "payload_bytes": 50_000,
        }
        about = (await app.get("/about")).json()
        assert about["server_version"]
        assert about["driver"]["version"]
        stolen = {"cookie": f"sid={app.cookies['sid']}"}
        await app.post("/logout")
        assert (await app.get("/profile", headers=stolen)).status_code == 401


@pytest.mark.parametrize("conflict", ["reject", "retry"])
async def test_no_update_is_lost(variant: str, url: str, namespace: str, conflict: str) -> None:
    # A deadline that no busy machine lets pass: a 503 may have been carried out.
    async with on(with_options(variant, conflict=conflict, deadline_ms=60_000), url, namespace) as app:
        await app.post("/login", json={"user": "ann"})
        answers = await asyncio.gather(*(app.post("/profile", json={"note": str(n)}) for n in range(8)))
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) <= {200, 409}
        assert (await app.get("/profile")).json()["updates"] == statuses.count(200) > 0


@pytest.fixture
def own(variant: str, processes: Processes) -> Iterator[Running]:
    """Start a server that this test alone may harm."""
    parsed = discovery.parse(variant)
    assert parsed.backend.server is not None
    running = provide(
        parsed.backend.server,
        options=parsed.server_options,
        mode="wheel",
        processes=processes,
        durable_ok_on_tmpfs=True,
    )
    yield running
    running.stop()


async def timed(request: Any) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return await request, time.monotonic() - began


def assert_unavailable(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["error"]) == (503, "store_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("variant", BACKENDS, indirect=True)
async def test_a_frozen_server_is_503_in_time_and_forgotten_when_it_thaws(
    variant: str, own: Running, namespace: str
) -> None:
    async with on(with_options(variant, deadline_ms=DEADLINE_MS), own.url, namespace) as app:
        await app.post("/login", json={"user": "ann"})
        own.suspend()
        try:
            calls = [
                app.get("/profile"),
                app.post("/profile", json={"note": "x"}),
                app.post("/logout"),
                app.post("/login", json={"user": "bob"}),
                app.get("/health"),
            ]
            for answer, took_s in await asyncio.gather(*map(timed, calls)):
                assert_unavailable(answer)
                assert took_s < DEADLINE_MS / 1000 + SLACK_S
            answer, took_s = await timed(app.get("/ping"))
            assert answer.status_code == 200
            assert took_s < SLACK_S
        finally:
            own.resume()
        async with asyncio.timeout(60):
            while (await app.get("/profile")).status_code == 503:  # noqa: ASYNC110 - a server that thaws tells nobody
                await asyncio.sleep(0.05)
        assert (await app.get("/profile")).json()["user"] == "ann"


@pytest.mark.parametrize("variant", BACKENDS, indirect=True)
async def test_an_app_starts_without_its_server_and_recovers(variant: str, own: Running, namespace: str) -> None:
    own.suspend()
    try:
        began = time.monotonic()
        async with on(with_options(variant, deadline_ms=DEADLINE_MS), own.url, namespace) as app:
            assert time.monotonic() - began < 30  # a frozen server would hold it up for as long as it is frozen
            assert (await app.get("/ping")).status_code == 200
            assert (await app.get("/about")).json()["server_version"] is None
            assert_unavailable(await app.post("/login", json={"user": "ann"}))
            own.resume()
            async with asyncio.timeout(60):
                while (await app.post("/login", json={"user": "ann"})).status_code == 503:  # noqa: ASYNC110 - a server that thaws tells nobody
                    await asyncio.sleep(0.05)
            assert (await app.get("/profile")).json()["user"] == "ann"
            assert (await app.get("/about")).json()["server_version"]
    finally:
        own.resume()
