"""starsessions: a session middleware on stores of its own, in memory or in Redis.

Our login asks for a new id, as its documentation advises against fixation, and the record under the old one stays;
`regenerate=false` shows what happens to those who do not ask: whatever id a client brings becomes theirs. Every
answer writes the session back, whatever was done to it: a read undoes what was written meanwhile, and a request in
flight brings back a session that has ended. The store in memory heeds no lifetime at all; Redis does, but with
`rolling=false` a session that is polled outlives its own. Where Redis does not answer, a request waits as long as
redis-py does by default, and ends in a 500.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from starsessions import (
    InMemoryStore,
    JsonSerializer,
    SessionAutoloadMiddleware,
    SessionMiddleware,
    SessionStore,
    generate_session_id,
    regenerate_session_id,
)

from backends import cookies
from backends.store import StoreUnavailable, Traits
from backends.subjects import subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

    from backends.store import Settings

SERVER: str | None = "redis"
SERVER_OPTIONS: frozenset[str] = frozenset()
_SESSION_PATHS = re.compile(r"/(profile|login|logout|nested)$")
_PING_S = 1.0
"""The library has no deadline, but whoever asks after its health shall have an answer."""
_BATCH = 1000


class Options(subject.Options):
    """What the middleware is given, and which of its stores."""

    store: Literal["memory", "redis"] = Field("memory", description="InMemoryStore or RedisStore")
    idle_s: int = Field(3600, ge=1, le=31_536_000, description="its lifetime: a session unused for so long is over")
    rolling: bool = Field(True, description="every answer begins the lifetime anew; otherwise it runs from creation")
    regenerate: bool = Field(True, description="call regenerate_session_id at login")

    @property
    def server(self) -> str | None:
        """Redis, if that is where it keeps sessions."""
        return SERVER if self.store == "redis" else None


class Subject(subject.Subject):
    """See `subject.Subject`; in Redis a session is `namespace:id`, and the client of redis-py is as it comes."""

    driver = "starsessions"

    def __init__(self, options: Options, settings: Settings) -> None:
        self._options = options
        self._prefix = f"{settings.namespace}:"
        self._redis: Any = None
        self._memory = InMemoryStore()
        self._store: SessionStore = self._memory
        if options.store == "redis":
            self._connect(settings.url or "redis://localhost")
        on_server = options.store == "redis"
        self.traits = Traits(
            keeps="server" if on_server else "process",
            revocable=True,
            compare_and_set=False,
            shared_between_workers=on_server,
            durability="none",
            max_bytes=2**29 if on_server else 2**30,
        )

    def _connect(self, url: str) -> None:
        from redis.asyncio import Redis  # noqa: PLC0415 - only this store needs the driver
        from starsessions.stores.redis import RedisStore  # noqa: PLC0415 - the same

        self.packages = ("redis",)
        self._redis = Redis.from_url(url)
        self._store = RedisStore(connection=self._redis, prefix=self._prefix)

    def add_to(self, app: FastAPI, *, audit: bool) -> None:
        """Add the two middlewares as the documentation does; no other path loads a session."""
        store = self._store
        if audit:
            self.writes = 0
            store = _Tallied(self)
        session = _Regenerating if self._options.regenerate else subject.Session
        subject.add_our_routes(app, session, audit=audit)
        app.add_middleware(SessionAutoloadMiddleware, paths=[_SESSION_PATHS])
        app.add_middleware(
            SessionMiddleware,
            store=store,
            lifetime=self._options.idle_s,
            rolling=self._options.rolling,
            cookie_name=cookies.NAME,
            cookie_https_only=self._options.secure,
        )

    async def open(self) -> None:
        """Learn the server's version; the client connects whenever it must."""
        if self._redis is not None:
            with _answering():
                async with asyncio.timeout(_PING_S):
                    info = await self._redis.info("server")
            name = "Valkey" if info.get("server_name") == "valkey" else "Redis"
            self.server_version = f"{name} {info.get('valkey_version', info['redis_version'])}"

    async def close(self) -> None:
        """Disconnect: the library leaves it to the application."""
        if self._redis is not None:
            await self._redis.aclose()

    async def ping(self) -> None:
        """PING."""
        if self._redis is not None:
            with _answering():
                async with asyncio.timeout(_PING_S):
                    await self._redis.ping()

    async def count(self) -> int:
        """Count the dictionary, or SCAN."""
        if self._redis is None:
            return len(self._memory.data)
        with _answering():
            return len({key async for key in self._redis.scan_iter(match=f"{self._prefix}*", count=_BATCH)})

    async def keep(self, content: dict[str, Any], lives_s: float) -> int:
        """Write it as the library would at the end of a request."""
        now, ttl = time.time(), max(1, round(lives_s))
        metadata = {"lifetime": self._options.idle_s, "created": now, "last_access": now}
        data = JsonSerializer().serialize({**content, "__metadata__": metadata})
        with _answering():
            await self._store.write(generate_session_id(), data, self._options.idle_s, ttl)
        return len(data)

    @property
    def store(self) -> SessionStore:
        """The library's store."""
        return self._store


class _Regenerating(subject.Session):
    """A session whose id changes when the documentation says that it should."""

    __slots__ = ()

    def rotate(self) -> None:
        """Ask for a new id."""
        regenerate_session_id(self._connection)


class _Tallied(SessionStore):
    """The store with a tally of what wrote to it."""

    def __init__(self, of: Subject) -> None:
        self._subject = of
        self._store = of.store

    async def read(self, session_id: str, lifetime: int) -> bytes:
        return await self._store.read(session_id, lifetime)

    async def write(self, session_id: str, data: bytes, lifetime: int, ttl: int) -> str:
        written = await self._store.write(session_id, data, lifetime, ttl)
        self._subject.writes = (self._subject.writes or 0) + 1
        return written

    async def remove(self, session_id: str) -> None:
        await self._store.remove(session_id)
        self._subject.writes = (self._subject.writes or 0) + 1


@contextmanager
def _answering() -> Iterator[None]:
    """Say of every error of redis-py's that the store is unavailable, for those who ask after the store itself."""
    from redis import RedisError  # noqa: PLC0415 - only this store needs the driver

    try:
        yield
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
