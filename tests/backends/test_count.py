"""GET /count, which only an app under audit has: what a store holds, and how often it was written to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backends import discovery
from tests.backends.apps import serving

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.anyio


async def count(calling: httpx.AsyncClient) -> tuple[int, int | None]:
    answer = await calling.get("/count")
    assert (answer.status_code, answer.json().keys()) == (200, {"records", "writes"})
    return answer.json()["records"], answer.json()["writes"]


@pytest.mark.parametrize("name", sorted(discovery.found()))
async def test_what_each_request_writes(name: str, namespace: str, url: str) -> None:
    environ = {"SESSION_APP_AUDIT": "1", "SESSION_APP_STORE_URL": url, "SESSION_APP_NAMESPACE": namespace}
    async with serving(name, **environ) as calling:
        traits = (await calling.get("/about")).json()["traits"]
        steps = [
            (calling.get("/profile"), (0, 0)),
            (calling.post("/login", json={"user": "ann"}), (1, 1)),
            (calling.get("/profile"), (1, 1)),
            (calling.post("/profile", json={"note": "x"}), (1, 2)),
            (calling.post("/nested", json={"note": "x"}), (1, 3)),
            (calling.post("/login", json={"user": "bob"}), (1, 4)),
            (calling.post("/logout"), (0, 5)),
        ]
        for request, expected in steps:
            await request
            assert await count(calling) == (expected if traits["keeps"] in {"process", "server"} else (0, None))


async def test_what_extends_a_session_writes_and_what_is_refused_does_not() -> None:
    async with serving("memory:slide=always", SESSION_APP_AUDIT="1") as calling:
        await calling.post("/login", json={"user": "ann"})
        await calling.get("/profile")
        assert await count(calling) == (1, 2)
        await calling.get("/profile", headers={"cookie": "sid=unknown"})
        assert await count(calling) == (1, 2)


async def test_what_was_seeded_is_held_and_was_not_written() -> None:
    async with serving("memory", SESSION_APP_AUDIT="1", SESSION_APP_SESSIONS="30") as calling:
        assert await count(calling) == (30, 0)


async def test_a_store_that_is_away_is_503() -> None:
    environ = {"SESSION_APP_AUDIT": "1", "SESSION_APP_STORE_URL": "redis://127.0.0.1:1"}
    async with serving("redis", **environ) as calling:
        answer = await calling.get("/count")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "vary" not in answer.headers


async def test_nobody_but_an_auditor_may_count() -> None:
    async with serving("memory") as calling:
        assert (await calling.get("/count")).status_code == 404
