"""What a server holds and what it has counted: known operations through our own stores, exact to the last one."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import redis

from backends import discovery
from backends.store import Record, Refused, Settings
from harness.errors import ComponentError
from harness.servers.kind import Counters
from harness.servers.server import discover, provide

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from backends.store import Store
    from harness.processes import Processes
    from harness.servers.kind import Running
    from tests.servers.conftest import Contents

    Work = Callable[[Store], Awaitable[None]]

N = 7
DATA = secrets.token_bytes(1000)
STEPS = ("create", "get", "compare", "update", "touch", "delete", "update what is gone")
# Reads and writes of one step each, in the order of STEPS. Redis compares by GETRANGE and SET, and touches by EXISTS,
# SETRANGE and GETEX; a row that Postgres is to change is looked for first, and where it is not, nothing is written.
COSTS = {
    "redis": ((0, 1), (1, 0), (1, 1), (0, 1), (1, 2), (0, 1), (0, 1)),
    "mongodb": ((0, 1), (1, 0), (0, 1), (0, 1), (0, 1), (0, 1), (0, 1)),
    "postgres": ((0, 1), (1, 0), (1, 1), (1, 1), (1, 1), (1, 1), (1, 0)),
    "http": ((0, 1), (1, 0), (0, 1), (0, 1), (0, 1), (0, 1), (0, 1)),
}
# What a get is called by the server itself.
GETS = {"redis": "cmdstat_get calls", "mongodb": "top.queries", "postgres": "idx_scan", "http": "GET"}
LOGS = {"mongodb", "postgres"}  # as they are by default


class Sessions:
    """Sessions of a namespace, used through the backend's own store, which is closed after each step."""

    def __init__(self, running: Running, namespace: str) -> None:
        self._running = running
        self._namespace = namespace
        self._tokens: list[str] = []

    def do(self, step: str, *, expires_at: float | None = None) -> None:
        """Take the step N times."""
        expires_at = time.time() + 600 if expires_at is None else expires_at

        async def run() -> None:
            variant = discovery.parse(self._running.kind)
            store = variant.make_store(
                Settings(url=self._running.url, key=DATA[:32], namespace=self._namespace, sample=b"")
            )
            await store.open()
            try:
                if step == "sweep":
                    await store.sweep()
                elif step == "create":
                    self._tokens += [(await store.create(DATA, expires_at)).token for _ in range(N)]
                else:
                    for token in self._tokens:
                        await self._once(store, step, token, expires_at)
            finally:
                await store.close()

        asyncio.run(run())

    async def _once(self, store: Store, step: str, token: str, expires_at: float) -> None:
        match step:
            case "get":
                assert await store.get(token) is not None
            case "compare":
                assert isinstance(await store.update(token, DATA, expires_at, if_version=1), Record)
            case "update":
                assert isinstance(await store.update(token, DATA, expires_at), Record)
            case "touch":
                assert await store.touch(token, expires_at) is not None
            case "delete":
                await store.delete(token)
            case "update what is gone":
                assert await store.update(token, DATA, expires_at) is Refused.GONE


@pytest.fixture
def sessions(running: Running, namespace: str) -> Iterator[Sessions]:
    yield Sessions(running, namespace)
    running.drop(namespace)


def test_every_operation_is_counted_and_nothing_of_our_asking(
    running: Running, sessions: Sessions, namespace: str
) -> None:
    found = {}
    sessions.do("sweep")  # makes the table, whose index is built by a scan
    last = running.settled_counters()
    for step in STEPS:
        sessions.do(step)
        running.count(namespace)
        now = running.settled_counters()
        found[step], last = now - last, now
    assert {step: (done.reads / N, done.writes / N) for step, done in found.items()} == dict(
        zip(STEPS, COSTS[running.kind], strict=True)
    )
    assert found["get"].own[GETS[running.kind]] == N
    written_bytes = found["create"].written_bytes
    assert (written_bytes is not None) == (running.kind in LOGS)
    assert written_bytes is None or written_bytes >= N * len(DATA)


def test_the_append_only_file_is_what_redis_writes(processes: Processes) -> None:
    running = provide("redis", options={"aof": "everysec"}, mode="wheel", processes=processes, durable_ok_on_tmpfs=True)
    with redis.Redis.from_url(running.url) as client:
        before = running.counters()
        client.set("one:key", DATA)
        written_bytes = (running.counters() - before).written_bytes
        assert written_bytes is not None
        assert len(DATA) < written_bytes < len(DATA) + 200
        client.bgrewriteaof()
        patience = time.monotonic() + 60
        while not (info := client.info("persistence"))["aof_rewrites"] or info["aof_rewrite_in_progress"]:
            assert time.monotonic() < patience
            time.sleep(0.02)
    assert (running.counters() - before).written_bytes is None  # its length is no sum any more
    running.stop()


def test_a_namespace_is_counted_beside_its_neighbours(
    running: Running, sessions: Sessions, contents: Contents, namespace: str
) -> None:
    assert running.count(namespace) == 0
    sessions.do("create")
    neighbours = [f"{namespace}1", f"x{namespace}", namespace[:-1]]
    for neighbour in neighbours:
        contents.put(neighbour)
    assert running.count(namespace) == N
    put = {"redis": 2500, "postgres": 0, "mongodb": 1, "http": 1}[running.kind]  # Postgres: an empty table
    assert [running.count(neighbour) for neighbour in neighbours] == [put, put, put]
    for neighbour in neighbours:
        running.drop(neighbour)
    assert running.count(namespace) == N


def test_what_has_expired_is_counted_while_it_lies_there(running: Running, sessions: Sessions, namespace: str) -> None:
    sessions.do("create", expires_at=time.time() + 0.2)
    sessions.do("create")
    time.sleep(0.3)
    # Redis shows nobody what has expired; MongoDB's own deleter comes once a minute, and may have come just now.
    allowed = {"redis": {N}, "mongodb": {N, 2 * N}}.get(running.kind, {2 * N})
    assert running.count(namespace) in allowed
    sessions.do("sweep")
    assert running.count(namespace) == N


def test_postgres_is_waited_for_where_a_connection_stays_open(
    wheel_of: Callable[[str], Running], namespace: str
) -> None:
    """Two transactions within a second: the second one's figures stay in the connection while it idles."""
    running = wheel_of("postgres")
    before = running.settled_counters()
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(running.url))
        table = f"{namespace}_sessions"
        runner.run(connection.execute(f"CREATE TABLE {table} (n int)"))
        for _ in range(N):
            runner.run(connection.execute(f"INSERT INTO {table} VALUES (1)"))  # noqa: S608 - a name of ours
        assert discover()["postgres"].definition.late_s(running.url, 60) > 0
        assert (running.settled_counters() - before).writes == N
        transaction = connection.transaction()
        runner.run(transaction.start())
        with pytest.raises(ComponentError, match=r"did not come to rest within 0\.3 s: .* a transaction open"):
            running.settled_counters(patience_s=0.3)
        runner.run(transaction.rollback())
        runner.run(connection.close())
    running.drop(namespace)


def test_a_server_that_is_gone_or_began_anew_is_told(processes: Processes) -> None:
    running = provide("redis", options={}, mode="wheel", processes=processes)
    before = running.counters()
    with redis.Redis.from_url(running.url) as client:
        client.set("one:key", "value")
        after = running.counters()
        client.config_resetstat()
    assert (after - before).writes == 1
    with pytest.raises(ComponentError, match="stand lower than before"):
        running.counters() - after
    running.stop()
    with pytest.raises(ComponentError, match="did not say how many records the namespace one holds"):
        running.count("one")
    with pytest.raises(ComponentError, match="did not say what it has counted"):
        running.counters()
    with pytest.raises(ValueError, match="Nothing was counted"):
        running.count("*")


class Uncounting(BaseHTTPRequestHandler):
    """A session service that says what it is and no more, as the protocol allows."""

    def do_GET(self) -> None:
        body = json.dumps({"product": "another service", "version": "1"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        """Keep quiet."""


def test_a_session_service_need_not_count(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), Uncounting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("SESSION_BENCH_HTTP_URL", f"http://127.0.0.1:{server.server_port}")
        running = provide("http", options={}, mode="url", processes=processes)
        with pytest.raises(ComponentError, match=r"what it has counted: it counts nothing \(GET /v1 has no requests\)"):
            running.counters()
        server.shutdown()


def test_a_difference_knows_only_what_both_ends_know() -> None:
    earlier = Counters(reads=1, writes=2, written_bytes=10, own={"calls": 3})
    later = Counters(reads=5, writes=2, written_bytes=30, own={"calls": 7, "more": 1})
    assert later - earlier == Counters(reads=4, writes=0, written_bytes=20, own={"calls": 4, "more": 1})
    unlogged = Counters(reads=5, writes=2, written_bytes=None)
    assert (unlogged - earlier).written_bytes is None
    with pytest.raises(ComponentError, match="measure again"):
        earlier - later
