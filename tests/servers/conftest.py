"""Wheel servers, one of each kind for the whole session, and what lies in them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pymongo
import pytest
import redis

from harness.servers.server import discover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.processes import Processes
    from harness.servers.kind import Running

KINDS = sorted(discover())


@pytest.fixture(autouse=True)
def no_url_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in KINDS:
        monkeypatch.delenv(f"SESSION_BENCH_{kind.upper()}_URL", raising=False)


@pytest.fixture(scope="session")
def wheel_of(processes: Processes) -> Callable[[str], Running]:
    """Give the session's server of a kind, from its wheel."""
    running: dict[str, Running] = {}

    def get(kind: str) -> Running:
        if kind not in running:
            running[kind] = discover()[kind].start("wheel", options={}, processes=processes)
        return running[kind]

    return get


@pytest.fixture(params=KINDS)
def running(request: pytest.FixtureRequest, wheel_of: Callable[[str], Running]) -> Running:
    """Give each kind of server in turn."""
    return wheel_of(request.param)


class Contents:
    """What a server holds, seen through its driver: `put` makes something of a name, `names` lists them."""

    def __init__(self, running: Running) -> None:
        self._url = running.url
        self._known: set[str] = set()
        self.put, self.names = {
            "redis": (self._put_redis, self._names_redis),
            "mongodb": (self._put_mongodb, self._names_mongodb),
            "postgres": (self._put_postgres, self._names_postgres),
            "http": (self._put_http, self._names_http),
        }[running.kind]

    def _put_redis(self, namespace: str) -> None:
        with redis.Redis.from_url(self._url) as client:
            client.mset({f"{namespace}:{number}": b"x" for number in range(2500)})

    def _names_redis(self) -> set[str]:
        with redis.Redis.from_url(self._url, decode_responses=True) as client:
            return {key.partition(":")[0] for key in client.scan_iter()}

    def _put_mongodb(self, namespace: str) -> None:
        with pymongo.MongoClient[dict[str, int]](self._url) as client:
            client.get_default_database()[f"{namespace}_sessions"].insert_one({"n": 1})

    def _names_mongodb(self) -> set[str]:
        with pymongo.MongoClient[dict[str, int]](self._url) as client:
            return {name.removesuffix("_sessions") for name in client.get_default_database().list_collection_names()}

    def _put_postgres(self, namespace: str) -> None:
        self._sql(f'CREATE TABLE "{namespace}_sessions" (n int)')

    def _names_postgres(self) -> set[str]:
        rows = self._sql("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        return {str(row["tablename"]).removesuffix("_sessions") for row in rows}

    def _sql(self, statement: str) -> list[asyncpg.Record]:
        async def run() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self._url)
            try:
                return await connection.fetch(statement)
            finally:
                await connection.close()

        return asyncio.run(run())

    def _put_http(self, namespace: str) -> None:
        headers = {"if-none-match": "*", "x-session-expires-at": "9e9"}
        with self._http() as client:
            client.put(f"/v1/{namespace}/sessions/{'0' * 64}", headers=headers).raise_for_status()
        self._known.add(namespace)

    def _names_http(self) -> set[str]:
        with self._http() as client:
            return {name for name in self._known if client.get(f"/v1/{name}").json()["records"]}

    @contextlib.contextmanager
    def _http(self) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self._url, trust_env=False) as client:
            yield client


@pytest.fixture
def contents(running: Running) -> Contents:
    return Contents(running)
