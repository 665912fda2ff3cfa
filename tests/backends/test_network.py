"""What is peculiar to each store behind a network: how it keeps sessions, and what it takes for trouble."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

import asyncpg
import pymongo
import pymongo.errors
import pytest
import redis

from backends import discovery
from backends.errors import ConfigurationError
from backends.store import Record, StoreUnavailable, mint
from harness.servers.server import provide
from tests.backends.records import soon
from tests.backends.variants import has_server, make, on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from harness.processes import Processes

pytestmark = pytest.mark.anyio

SECRET = "s3cr3t"


@pytest.fixture
def own_url(name: str, processes: Processes) -> Iterator[str]:
    """Give a server of our own, to set up badly."""
    kind = str(discovery.parse(name).backend.server)
    running = provide(kind, options={}, mode="wheel", processes=processes, durable_ok_on_tmpfs=True)
    yield running.url
    running.stop()


@contextlib.asynccontextmanager
async def opened(name: str, url: str, namespace: str) -> AsyncIterator[Any]:
    _, store = make(name, url=url, namespace=namespace, deadline_ms=20_000)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


# options and URLs


@on(has_server)
def test_stock_has_the_pool_of_its_driver(name: str) -> None:
    backend = discovery.parse(name).backend.name
    with pytest.raises(ConfigurationError, match="driver's own pool"):
        discovery.parse(f"{backend}:tuning=stock,pool=50")


@on(has_server)
@pytest.mark.parametrize(
    "url",
    [
        f"ftp://user:{SECRET}@localhost/0",
        SECRET,
        f"{{scheme}}://user:{SECRET}/more@localhost/0",
        f"{{scheme}}://user@localhost:{SECRET}/0",
    ],
)
def test_a_url_of_another_kind_is_refused_and_not_quoted(name: str, url: str) -> None:
    scheme = {"redis": "redis", "mongodb": "mongodb", "postgres": "postgresql", "http": "http"}
    server = str(discovery.parse(name).backend.server)
    with pytest.raises(ConfigurationError) as caught:
        make(name, url=url.replace("{scheme}", scheme.get(server, server)))
    assert SECRET not in str(caught.value)


# what a leaked store tells


@pytest.mark.parametrize("name", ["redis"])
async def test_redis_keeps_a_hash_of_the_token_and_lets_the_server_expire_it(
    store: Any, url: str, namespace: str
) -> None:
    made = await store.create(b"data", soon())
    await store.update(made.token, b"updated", soon())
    with redis.Redis.from_url(url) as client:
        [key] = client.keys(f"{namespace}:*")
        assert key == f"{namespace}:{hashlib.sha256(made.token.encode()).hexdigest()}".encode()
        assert 50_000 < client.pttl(key) <= 60_000
        assert made.token.encode() not in client.get(key)


@pytest.mark.parametrize("name", ["redis", "redis:driver=sync", "redis:driver=threads"])
async def test_redis_loads_its_scripts_again_after_a_restart(store: Any, url: str) -> None:
    made = await store.create(b"0", soon())
    for version in (1, 2):
        with redis.Redis.from_url(url) as client:
            client.script_flush()
        assert isinstance(await store.update(made.token, b"1", soon(), if_version=version), Record)
        assert await store.touch(made.token, soon()) is not None


@pytest.mark.parametrize("name", ["mongodb", "mongodb:driver=pymongo"])
async def test_mongodb_keeps_a_hash_of_the_token_and_a_ttl_index(store: Any, url: str, namespace: str) -> None:
    made = await store.create(b"data", soon())
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(url)
    with client:
        sessions: Any = client.get_default_database("session_bench")[f"{namespace}_sessions"]
        [document] = sessions.find()
        assert document["_id"] == hashlib.sha256(made.token.encode()).digest()
        [index] = [each for each in sessions.index_information().values() if "expireAfterSeconds" in each]
        assert index["key"] == [("expires_at", 1)]
        assert index["expireAfterSeconds"] == 0


@pytest.mark.parametrize("name", ["mongodb", "mongodb:driver=pymongo"])
async def test_mongodb_makes_its_index_again_after_a_restart_with_an_empty_disk(
    store: Any, url: str, namespace: str
) -> None:
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(url)
    with client:
        sessions: Any = client.get_default_database("session_bench")[f"{namespace}_sessions"]
        sessions.drop()
        await store.create(b"data", soon())
        assert "expires_at_1" not in sessions.index_information()
        assert await store.sweep() == 0
        assert sessions.index_information()["expires_at_1"]["expireAfterSeconds"] == 0


@pytest.mark.parametrize(("name", "persistence"), [("postgres", b"p"), ("postgres:durability=unlogged", b"u")])
async def test_postgres_updates_in_place_in_a_table_of_the_right_kind(
    store: Any, url: str, namespace: str, persistence: bytes
) -> None:
    tokens = [(await store.create(b"x" * 1000, soon())).token for _ in range(100)]
    for token in tokens:
        await store.update(token, b"y" * 1000, soon())
        await store.touch(token, soon())
    await store.close()  # connections hand in their statistics at the latest when they end
    connection = await asyncpg.connect(url)
    try:
        facts = await connection.fetchrow(
            "SELECT relpersistence, n_tup_upd, n_tup_hot_upd "
            "FROM pg_class JOIN pg_stat_user_tables ON pg_class.oid = relid WHERE pg_class.relname = $1",
            f"{namespace}_sessions",
        )
        keys = await connection.fetch(f"SELECT key FROM {namespace}_sessions")  # noqa: S608 - our own
    finally:
        await connection.close()
    assert facts is not None
    assert facts["relpersistence"] == persistence
    assert facts["n_tup_upd"] == 200
    assert facts["n_tup_hot_upd"] > 180
    assert {key for (key,) in keys} == {hashlib.sha256(token.encode()).digest() for token in tokens}


@pytest.mark.parametrize(
    ("name", "setting"),
    [("postgres", "on"), ("postgres:durability=async", "off"), ("postgres:tuning=stock", "on")],
)
async def test_postgres_commits_as_its_durability_says(store: Any, setting: str) -> None:
    connections = [store._value("SHOW synchronous_commit") for _ in range(5)]  # noqa: SLF001 - a client's own setting
    assert set(await asyncio.gather(*connections)) == {setting}


# trouble


@on(has_server)
async def test_a_crowd_gets_answers_or_hears_that_there_are_none(store: Any) -> None:
    made = await store.create(b"data", soon())
    crowd = await asyncio.gather(*(store.get(made.token) for _ in range(150)), return_exceptions=True)
    assert Record in {type(each) for each in crowd}
    assert {type(each) for each in crowd} <= {Record, StoreUnavailable}


@pytest.mark.parametrize("name", ["redis"])
@pytest.mark.parametrize("trouble", ["memory", "replica", "password", "rights"])
async def test_a_redis_that_takes_no_writes_is_unavailable(
    name: str, own_url: str, namespace: str, trouble: str
) -> None:
    async with opened(name, own_url, namespace) as store:
        with redis.Redis.from_url(own_url) as client:
            if trouble == "memory":
                client.config_set("maxmemory", 1)
            elif trouble == "replica":
                client.replicaof("127.0.0.1", 1)
            elif trouble == "password":
                client.config_set("requirepass", SECRET)
                client.client_kill_filter(_type="normal", skipme=True)
            else:
                client.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["-set"])
        for replaces in (None, mint()):
            with pytest.raises(StoreUnavailable):
                await store.create(b"data", soon(), replaces=replaces)


@pytest.mark.parametrize("name", ["postgres"])
async def test_a_postgres_that_ends_connections_or_takes_no_writes_is_unavailable(
    name: str, own_url: str, namespace: str
) -> None:
    async with opened(name, own_url, namespace) as store:
        made = await store.create(b"data", soon())
        connection = await asyncpg.connect(own_url)
        try:
            await connection.execute("ALTER ROLE bench SET default_transaction_read_only = on")
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            )
            with contextlib.suppress(StoreUnavailable):  # from a connection that has not heard of its end
                await store.ping()
            with pytest.raises(StoreUnavailable, match="ReadOnlySQLTransactionError"):
                await store.update(made.token, b"new", soon())
            assert await store.get(made.token) is not None
        finally:
            await connection.close()


@pytest.mark.parametrize("name", ["http"])
async def test_what_is_no_session_service_is_unavailable(name: str, url: str, namespace: str) -> None:
    with pytest.raises(StoreUnavailable, match="404"):
        async with opened(name, f"{url}/elsewhere", namespace):
            pass


@pytest.mark.parametrize("name", ["postgres"])
async def test_a_mistake_of_ours_stays_what_it_is(store: Any) -> None:
    with pytest.raises(asyncpg.DataError):
        await store.create("not bytes", soon())
