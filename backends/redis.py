"""Redis or Valkey through redis-py: a string per session, which the server expires."""

from __future__ import annotations

import asyncio
import struct
import time
from typing import TYPE_CHECKING, Any, Literal

import redis
import redis.asyncio
import redis.backoff
from pydantic import Field

from backends.network import BATCH, NetworkOptions, NetworkStore, bulk_step, request
from backends.store import Record, Refused, digest, mint

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.store import Settings

SERVER: str | None = "redis"
SERVER_OPTIONS: frozenset[str] = frozenset({"aof"})

_HEAD = struct.Struct(">Qd")
"""Version and Unix expiry; the data follow, so that one GET brings everything."""
_VERSION_BYTES = 8

# Check and write in one step. The new value comes whole from us: Lua need not know how it is packed.
_UPDATE_IF_VERSION = """
local version = redis.call('GETRANGE', KEYS[1], 0, 7)
if version == '' then return 'gone' end
if version ~= ARGV[1] then return 'conflict' end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 'done'
"""
# SETRANGE would create what is absent, and GETEX drops what it makes expire in the past: hence this order.
_TOUCH = """
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
redis.call('SETRANGE', KEYS[1], 8, ARGV[1])
return redis.call('GETEX', KEYS[1], 'PXAT', ARGV[2])
"""

_TROUBLE = (
    OSError,
    redis.ConnectionError,
    redis.TimeoutError,
    redis.InvalidResponse,
    redis.OutOfMemoryError,
    redis.ReadOnlyError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.ExecAbortError,
)
# What redis-py has no class for: a full disk, a script that blocks the server, too few replicas.
_TROUBLE_CODES = ("MISCONF ", "BUSY ", "NOREPLICAS ")
_CLOSED = "the handler is closed"
"""What uvloop says, in a RuntimeError, of a write to a connection that the other side has reset."""

_DURABILITY = {
    "no": "none",
    "everysec": "power loss within 1000 ms",
    "always": "every acknowledged write",
}


class Options(NetworkOptions):
    """How the server persists, and how it is spoken to."""

    aof: Literal["no", "everysec", "always"] = Field(
        "no", description="the server's append-only file: none, flushed every second, or at every write"
    )
    driver: Literal["async", "sync", "threads"] = Field(
        "async",
        description="redis.asyncio, or the blocking client on the event loop, or in asyncio.to_thread",
    )
    tuning: Literal["well", "stock"] = Field(
        "well",
        description="stock: redis-py's 100 connections and an error beyond, 5 s timeouts, 10 retries; "
        "only the app bounds the wait for a frozen store, and nobody does under driver=sync",
    )


class Store(NetworkStore):
    """Sessions under `namespace:SHA-256(token)`.

    A `SET XX` cannot count: an update without `if_version` stamps the version with the clock in µs.
    """

    driver: str | None = "redis"

    def __init__(self, options: Options, settings: Settings) -> None:
        schemes = ("redis", "rediss", "unix")
        super().__init__(options, settings, schemes=schemes, durability=_DURABILITY[options.aof])
        self._prefix = f"{settings.namespace}:"
        self._flavour = options.driver
        self._drops_idle = options.tuning == "well"
        self._client = self._connect(options)
        self._update_if_version = self._client.register_script(_UPDATE_IF_VERSION)
        self._touch = self._client.register_script(_TOUCH)

    def is_trouble(self, error: Exception) -> bool:
        """Go by redis-py's classes, and by the server's code where it has none; the event loop's error it passes on."""
        return (
            isinstance(error, _TROUBLE)
            or (isinstance(error, redis.ResponseError) and str(error).startswith(_TROUBLE_CODES))
            or (isinstance(error, RuntimeError) and str(error).endswith(_CLOSED))
        )

    @request
    async def open(self) -> None:
        """Connect; there is nothing to create."""
        await self._ask(self._client.ping)
        try:
            info = await self._ask(lambda: self._client.info("server"))
        except redis.exceptions.NoPermissionError:  # keeping sessions takes no right to INFO
            return
        version = info["redis_version"]
        self.server_version = f"Redis {version}"
        if info.get("server_name") == "valkey":
            self.server_version = f"Valkey {info['valkey_version']} (redis_version {version})"

    async def close(self) -> None:
        """Disconnect the pool."""
        await self._ask(self._client.aclose if self._flavour == "async" else self._client.close)

    @request
    async def ping(self) -> None:
        """PING."""
        await self._ask(self._client.ping)

    @request
    async def get(self, token: str) -> Record | None:
        """GET."""
        key = self._key(token)
        return None if key is None else _record(token, await self._ask(lambda: self._client.get(key)))

    @request
    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        """SET, in one MULTI with the DEL of what it replaces."""
        token = mint()
        key, value, ms = self._key(token), _HEAD.pack(1, expires_at) + data, _ms(expires_at)
        old = self._key(replaces) if replaces is not None else None
        if old is None:
            await self._ask(lambda: self._client.set(key, value, pxat=ms))
        else:
            both = self._client.pipeline(transaction=True).delete(old).set(key, value, pxat=ms)
            await self._ask(both.execute)
        return Record(token, data, 1, expires_at)

    @request
    async def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Record | Refused:
        """SET XX, or a script where the version matters."""
        key, ms = self._key(token), _ms(expires_at)
        if key is None:
            return Refused.GONE
        version = time.time_ns() // 1000 if if_version is None else if_version + 1
        value = _HEAD.pack(version, expires_at) + data
        if if_version is None:
            if not await self._ask(lambda: self._client.set(key, value, xx=True, pxat=ms)):
                return Refused.GONE
        else:
            expected = if_version.to_bytes(_VERSION_BYTES, "big")
            answer = await self._ask(lambda: self._update_if_version([key], [expected, value, ms]))
            if answer != b"done":
                return Refused(answer.decode())
        return Record(token, data, version, expires_at)

    @request
    async def touch(self, token: str, expires_at: float) -> Record | None:
        """GETEX and the expiry inside the value, in a script."""
        key = self._key(token)
        if key is None:
            return None
        expiry = _HEAD.pack(0, expires_at)[_VERSION_BYTES:]
        return _record(token, await self._ask(lambda: self._touch([key], [expiry, _ms(expires_at)])))

    @request
    async def delete(self, token: str) -> None:
        """DEL."""
        key = self._key(token)
        if key is not None:
            await self._ask(lambda: self._client.delete(key))

    async def sweep(self) -> int:
        """Leave it to the server."""
        return 0

    async def seed(self, sessions: list[tuple[bytes, float]]) -> None:
        """SET in pipelines."""
        for start in range(0, len(sessions), BATCH):
            await self._seed_batch(sessions[start : start + BATCH])

    @bulk_step
    async def _seed_batch(self, sessions: list[tuple[bytes, float]]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for data, expires_at in sessions:
            pipeline.set(self._key(mint()), _HEAD.pack(1, expires_at) + data, pxat=_ms(expires_at))
        await self._ask(pipeline.execute)

    async def count(self) -> int:
        """SCAN, which may name a key twice."""
        keys: set[bytes] = set()
        cursor = await self._scan(0, keys)
        while cursor:
            cursor = await self._scan(cursor, keys)
        return len(keys)

    @bulk_step
    async def _scan(self, cursor: int, keys: set[bytes]) -> int:
        pattern = f"{self._prefix}*"
        after, found = await self._ask(lambda: self._client.scan(cursor, match=pattern, count=BATCH))
        keys.update(found)
        return int(after)

    def _connect(self, options: Options) -> Any:
        """Return a client, which connects on first use; redis-py's flavours share the names that we use."""
        flavour: Any = redis.asyncio if options.driver == "async" else redis
        if options.tuning == "stock":
            return flavour.Redis.from_url(self._url)
        pool = flavour.BlockingConnectionPool.from_url(
            self._url,
            max_connections=options.pool,
            timeout=self.wait_s,
            socket_timeout=self.wait_s,
            socket_connect_timeout=self.wait_s,
            # A write without an answer may have been carried out: who asked may try again, not the driver.
            retry=flavour.retry.Retry(redis.backoff.NoBackoff(), 0),
        )
        return flavour.Redis.from_pool(pool)

    def _key(self, token: str) -> str | None:
        hashed = digest(token)
        return None if hashed is None else self._prefix + hashed.hex()

    async def _ask(self, command: Callable[[], Any]) -> Any:
        """Run a command, and let go of idle connections when its own is lost.

        redis-py 8 hands those out unseen, so each of them would cost somebody an error long after the server is back.
        """
        try:
            return await self._run(command)
        except (redis.ConnectionError, RuntimeError) as error:
            if self._drops_idle and self.is_trouble(error):
                await self._run(lambda: self._client.connection_pool.disconnect(inuse_connections=False))
            raise

    async def _run(self, command: Callable[[], Any]) -> Any:
        """Run a command in the way that the driver option tells."""
        if self._flavour == "threads":
            return await asyncio.to_thread(command)
        answer = command()
        return await answer if self._flavour == "async" else answer


def _record(token: str, value: bytes | None) -> Record | None:
    if value is None:
        return None
    version, expires_at = _HEAD.unpack_from(value)
    return Record(token, value[_HEAD.size :], version, expires_at) if expires_at > time.time() else None


def _ms(expires_at: float) -> int:
    return int(expires_at * 1000)
