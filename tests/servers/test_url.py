"""Servers of the user's own: reached or told why not, checked, never changed; passwords stay with us."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import asyncpg
import psutil
import pytest
import redis

from harness.errors import ComponentError, UsageError
from harness.servers import url as given
from harness.servers import wheel
from harness.servers.redis import Redis
from harness.servers.server import discover, provide
from tests.servers.conftest import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.processes import Processes
    from harness.servers.kind import Running
    from tests.servers.conftest import Contents

SECRET = "hunter2"


def reach(processes: Processes, kind: str, url: str, **options: Any) -> Running:
    return provide(kind, options=options, mode="auto", processes=processes, url=url)


def refusal(processes: Processes, kind: str, url: str, **options: Any) -> str:
    """Fail to reach a server; return the message, which is one paragraph and holds no secret."""
    with pytest.raises((ComponentError, UsageError)) as caught:
        reach(processes, kind, url, **options)
    message = str(caught.value)
    assert SECRET not in message
    assert "\n" not in message
    return f"{caught.value.exit.value}: {message}"


def test_a_server_is_reached_and_described(processes: Processes, running: Running) -> None:
    found = reach(processes, running.kind, running.url)
    assert found.record.source == "url"
    expected = running.record.model_dump(exclude={"source", "build"})
    assert found.record.model_dump(exclude={"source", "build"}) == expected
    assert found.url == running.url
    assert not found.children
    assert not found.pids()


def test_a_server_that_is_not_ours_is_neither_frozen_nor_stopped(processes: Processes, running: Running) -> None:
    found = reach(processes, running.kind, running.url)
    assert (found.ours, running.ours) == (False, True)
    found.suspend()
    assert psutil.Process(running.children[0].pid).status() != psutil.STATUS_STOPPED
    found.resume()
    found.stop()
    assert running.children[0].poll() is None


def test_only_the_namespace_is_dropped(processes: Processes, running: Running, contents: Contents) -> None:
    contents.put("users")
    contents.put("run")
    reach(processes, running.kind, running.url).drop("run")
    assert contents.names() == {"users"}
    running.drop("users")


@pytest.mark.parametrize("mode", ["auto", "url"])
def test_the_environment_may_hold_the_url(
    processes: Processes, running: Running, monkeypatch: pytest.MonkeyPatch, mode: Any
) -> None:
    monkeypatch.setenv(f"SESSION_BENCH_{running.kind.upper()}_URL", running.url)
    found = provide(running.kind, options={}, mode=mode, processes=processes)
    assert (found.record.source, found.url) == ("url", running.url)
    available = discover()[running.kind].available("auto")
    assert available.ok
    assert running.record.address in available.detail


def test_a_wheel_that_is_asked_for_passes_the_environment_by(
    processes: Processes, wheel_of: Callable[[str], Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSION_BENCH_REDIS_URL", wheel_of("redis").url)
    found = provide("redis", options={}, mode="wheel", processes=processes)
    assert found.record.source == "wheel"
    found.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_url_mode_without_a_url_says_where_to_put_one(processes: Processes, kind: str) -> None:
    with pytest.raises(ComponentError, match=f"Set SESSION_BENCH_{kind.upper()}_URL"):
        provide(kind, options={}, mode="url", processes=processes)
    assert not discover()[kind].available("url").ok


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up sooner on whom nobody will hear."""
    monkeypatch.setattr(given, "ASK_S", 0.5)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_there(processes: Processes, kind: str) -> None:
    scheme = discover()[kind].definition.schemes[0]
    port = wheel.free_port()
    message = refusal(processes, kind, f"{scheme}://bench:{SECRET}@127.0.0.1:{port}/x")
    assert message.startswith(f"4: No {kind} server answers at 127.0.0.1:{port}: ")
    assert "refused" in message.lower() or "connect" in message.lower()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", KINDS)
def test_no_such_host(processes: Processes, kind: str) -> None:
    scheme = discover()[kind].definition.schemes[0]
    message = refusal(processes, kind, f"{scheme}://bench:{SECRET}@no-such-host.invalid:1/x")
    assert message.startswith(f"4: No {kind} server answers at no-such-host.invalid:1: ")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"ftp://bench:{SECRET}@127.0.0.1/x", "begins with ftp://, which is none of"),
        (f"127.0.0.1:{SECRET}", "which is none of|has no scheme"),
        ("", "has no scheme"),
        (f"SCHEME://bench:{SECRET}@", "names no host"),
        (f"SCHEME://bench:{SECRET}@host:port/x", "is malformed"),
        (f"SCHEME://bench:{SECRET}/5@host/x", "malformed|has an @ after its host"),
        (f"SCHEME://bench/{SECRET}@host/x", "has an @ after its host"),
    ],
)
def test_what_is_no_url_of_this_kind(processes: Processes, kind: str, url: str, reason: str) -> None:
    scheme = discover()[kind].definition.schemes[0]
    with pytest.raises(UsageError, match=reason) as caught:
        reach(processes, kind, url.replace("SCHEME", scheme))
    assert f"it should read {scheme}://[user:password@]host" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "url", "address"),
    [
        ("redis", "rediss://:p@h:1/0", "h:1"),
        ("mongodb", "mongodb://u:p@a:1,b:2/db?replicaSet=r", "a:1,b:2"),
        ("mongodb", "mongodb+srv://u:p@cluster.example.org/db", "cluster.example.org"),
        ("postgres", "postgres://u@[::1]:5432/db", "[::1]:5432"),
        ("http", "https://h/prefix", "h"),
    ],
)
def test_addresses(kind: str, url: str, address: str) -> None:
    assert given.address_of(discover()[kind].definition, url) == address


@pytest.fixture
def locked_redis(processes: Processes) -> Iterator[Running]:
    running = provide("redis", options={}, mode="wheel", processes=processes)
    with redis.Redis.from_url(running.url) as client:
        client.config_set("requirepass", SECRET)
    yield running
    running.stop()


def test_redis_with_a_password(processes: Processes, locked_redis: Running) -> None:
    address = locked_redis.record.address
    assert reach(processes, "redis", f"redis://:{SECRET}@{address}").record.address == address
    for user in ("", ":wrong@", f"nobody:{SECRET}@"):
        message = refusal(processes, "redis", f"redis://{user}{address}")
        assert message.startswith(f"4: The redis server at {address} refused us: wrong or missing user or password")


def test_mongodb_with_a_wrong_password(processes: Processes, wheel_of: Callable[[str], Running]) -> None:
    address = wheel_of("mongodb").record.address
    message = refusal(processes, "mongodb", f"mongodb://bench:{SECRET}@{address}/x?authSource=admin")
    assert message.startswith(f"4: The mongodb server at {address} refused us: wrong or missing user or password")


@pytest.fixture
def locked_postgres(processes: Processes) -> Iterator[Running]:
    running = provide("postgres", options={}, mode="wheel", processes=processes)

    async def lock() -> None:
        connection = await asyncpg.connect(running.url)
        await connection.execute(f"CREATE ROLE app LOGIN PASSWORD '{SECRET}'")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()

    rules = running.children[0].log.with_name("data") / "pg_hba.conf"
    rules.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    asyncio.run(lock())
    yield running
    running.stop()


def test_postgres_with_a_password(processes: Processes, locked_postgres: Running) -> None:
    address = locked_postgres.record.address
    found = reach(processes, "postgres", f"postgresql://app:{SECRET}@{address}/postgres")
    assert found.record.product == "PostgreSQL"
    assert SECRET not in found.record.model_dump_json()
    for user in ("app:wrong", f"nobody:{SECRET}"):
        message = refusal(processes, "postgres", f"postgresql://{user}@{address}/postgres")
        assert message.startswith(f"4: The postgres server at {address} refused us: wrong or missing user or password")


@pytest.mark.parametrize(
    ("kind", "database", "reason"),
    [("postgres", "nosuch", 'database "nosuch" does not exist'), ("redis", "99", "DB index is out of range")],
)
def test_an_unknown_database(
    processes: Processes, wheel_of: Callable[[str], Running], kind: str, database: str, reason: str
) -> None:
    url = wheel_of(kind).url.rpartition("/")[0] + f"/{database}"
    message = refusal(processes, kind, url)
    assert message.startswith("4: ")
    assert reason in message


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Serve the same answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with closing(server.socket):
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, b"", "wrong or missing user or password"),
        (404, b"", "answers GET /v1 with status 404"),
        (200, b"<html>", "does not speak the session service's protocol"),
        (200, b"[]", "does not speak the session service's protocol"),
        (200, b"{}", "does not speak the session service's protocol"),
    ],
)
def test_some_other_web_server(processes: Processes, status: int, body: bytes, reason: str) -> None:
    with answering(status, body) as url:
        message = refusal(processes, "http", url)
    assert message.startswith("4: The http server at ")
    assert reason in message


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_of_another_kind(processes: Processes, kind: str) -> None:
    """A web server understands none of the others, and the drivers say so each in its own way."""
    scheme = discover()[kind].definition.schemes[0]
    with answering(400, b"") as url:
        message = refusal(processes, kind, url.replace("http://", f"{scheme}://bench:{SECRET}@"))
    assert message.startswith("4: ")


def test_a_missing_driver_names_its_extra(wheel_of: Callable[[str], Running]) -> None:
    class WithoutDriver(Redis):
        driver = "session_bench_has_no_such_driver"

    with pytest.raises(ComponentError, match=r"pip install 'session-bench\[redis\]'"):
        given.start(WithoutDriver(), wheel_of("redis").url, options={})


def test_server_options_are_checked_and_never_set(processes: Processes, wheel_of: Callable[[str], Running]) -> None:
    url = wheel_of("redis").url
    assert reach(processes, "redis", url, aof="no").record.durability == "none"
    message = refusal(processes, "redis", url, aof="always")
    assert message.startswith("2: The variant asks for appendonly = yes, but the redis server at ")
    with redis.Redis.from_url(url, decode_responses=True) as client:
        assert client.config_get("appendonly") == {"appendonly": "no"}
        client.config_set("appendonly", "yes")
        try:
            assert "2: The variant asks for appendfsync = always" in refusal(processes, "redis", url, aof="always")
            assert reach(processes, "redis", url, aof="everysec").record.durability == "power loss within 1000 ms"
        finally:
            client.config_set("appendonly", "no")


def test_a_redis_that_keeps_its_configuration_to_itself(processes: Processes) -> None:
    """As managed services do: what INFO says is believed, and what nobody says is not."""
    running = provide("redis", options={"aof": "always"}, mode="wheel", processes=processes)
    with redis.Redis.from_url(running.url) as client:
        client.acl_setuser("app", enabled=True, passwords=[f"+{SECRET}"], keys="*", commands=["+@all", "-config"])
    url = running.url.replace("://", f"://app:{SECRET}@")
    assert reach(processes, "redis", url).record.durability == "process restart"
    assert "appendfsync = unknown" in refusal(processes, "redis", url, aof="always")
    running.stop()


def test_a_redis_that_evicts_is_marked(processes: Processes, wheel_of: Callable[[str], Running]) -> None:
    url = wheel_of("redis").url
    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert reach(processes, "redis", url).record.note == "evicts sessions when full"
        finally:
            client.config_set("maxmemory", "0")
            client.config_set("maxmemory-policy", "noeviction")


def test_a_server_that_went_away_cannot_be_cleaned(processes: Processes) -> None:
    running = provide("redis", options={}, mode="wheel", processes=processes)
    found = reach(processes, "redis", running.url)
    running.stop()
    with pytest.raises(ComponentError, match=r"could not be cleaned of the namespace run: .* remove it by hand"):
        found.drop("run")
