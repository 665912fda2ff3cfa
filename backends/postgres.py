"""PostgreSQL through asyncpg: a row per session, updated in place (HOT)."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import asyncpg
from pydantic import Field

from backends.network import BATCH, BULK_STEP_S, NetworkOptions, NetworkStore, bulk_step, request
from backends.store import Record, Refused, digest, mint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from backends.store import Settings

SERVER: str | None = "postgres"
SERVER_OPTIONS: frozenset[str] = frozenset()

_R = TypeVar("_R")

_STATEMENTS = {
    # IF NOT EXISTS can collide with itself when workers start together. The lock, held until both statements
    # are done, lets them in one by one.
    "prepare": """
        SELECT pg_advisory_xact_lock(hashtextextended('{table}', 0));
        CREATE {unlogged} TABLE IF NOT EXISTS {table} (
            version bigint NOT NULL,
            expires_at timestamptz NOT NULL,
            key bytea PRIMARY KEY,
            data bytea NOT NULL
        ) {room}
    """,
    "get": "SELECT data, version, expires_at FROM {table} WHERE key = $1 AND expires_at > now()",
    "create": "INSERT INTO {table} (key, data, version, expires_at) VALUES ($1, $2, 1, $3)",
    "replace": """
        WITH replaced AS (DELETE FROM {table} WHERE key = $4)
        INSERT INTO {table} (key, data, version, expires_at) VALUES ($1, $2, 1, $3)
    """,
    "update": """
        UPDATE {table} SET data = $2, version = version + 1, expires_at = $3
        WHERE key = $1 AND expires_at > now() RETURNING version
    """,
    "update_if_version": """
        UPDATE {table} SET data = $2, version = version + 1, expires_at = $3
        WHERE key = $1 AND expires_at > now() AND version = $4 RETURNING version
    """,
    "lives": "SELECT true FROM {table} WHERE key = $1 AND expires_at > now()",
    "touch": """
        UPDATE {table} SET expires_at = $2
        WHERE key = $1 AND expires_at > now() RETURNING data, version
    """,
    "delete": "DELETE FROM {table} WHERE key = $1",
    "sweep": """
        WITH removed AS (
            DELETE FROM {table} WHERE key = ANY (ARRAY(
                SELECT key FROM {table} WHERE expires_at <= now() LIMIT $1 FOR UPDATE SKIP LOCKED
            )) RETURNING 1
        ) SELECT count(*) FROM removed
    """,
    "count": "SELECT count(*) FROM {table}",
}

# Classes of SQLSTATE (PostgreSQL manual, appendix A) that blame the server and not the statement: connection,
# authorisation, no such database, resources, operator intervention, system error, internal error.
_TROUBLE_CLASSES = frozenset({"08", "28", "3D", "53", "57", "58", "XX"})
# A read-only standby, a lost privilege, and our table gone, as after a restart with an empty disk.
_TROUBLE_STATES = frozenset({"25006", "42501", "42P01"})

_DURABILITY = {
    "sync": "every acknowledged write",
    "async": "power loss within 600 ms",
    "unlogged": "none",
}


class Options(NetworkOptions):
    """What a commit waits for, and how the server is spoken to."""

    durability: Literal["sync", "async", "unlogged"] = Field(
        "sync",
        description="a commit waits for the disk, or not (synchronous_commit=off), or an UNLOGGED table",
    )
    tuning: Literal["well", "stock"] = Field(
        "well",
        description="stock: asyncpg's 10 connections, each reset after use, no timeouts: only the app bounds "
        "the wait for a frozen store; a table that leaves no room for HOT updates",
    )


class Store(NetworkStore):
    """Sessions in the table `namespace_sessions`.

    The expiry has no index: each update would have to enter it, and none be HOT. A sweep reads the table.
    """

    driver: str | None = "asyncpg"

    def __init__(self, options: Options, settings: Settings) -> None:
        schemes = ("postgresql", "postgres")
        super().__init__(options, settings, schemes=schemes, durability=_DURABILITY[options.durability])
        self._options = options
        self._table = f"{settings.namespace}_sessions"
        self._sql = {
            name: statement.replace("{table}", self._table)
            .replace("{unlogged}", "UNLOGGED" if options.durability == "unlogged" else "")
            .replace("{room}", "WITH (fillfactor = 70)" if options.tuning == "well" else "")
            for name, statement in _STATEMENTS.items()
        }
        self._pool: asyncpg.Pool | None = None
        self._prepared = False
        self._preparing = asyncio.Lock()

    def is_trouble(self, error: Exception) -> bool:
        """Go by SQLSTATE where the server spoke."""
        if isinstance(error, asyncpg.PostgresError):
            state = error.sqlstate or "XX000"
            return state in _TROUBLE_STATES or state[:2] in _TROUBLE_CLASSES
        if isinstance(error, asyncpg.InterfaceError):
            return not isinstance(error, ValueError)  # which says that an argument was wrong
        return isinstance(error, OSError | asyncpg.InternalClientError)

    @request
    async def open(self) -> None:
        """Connect and create the table."""
        self._prepared = False
        await self._prepare()

    async def close(self) -> None:
        """Close the pool; by force what does not end within the deadline."""
        pool, self._pool, self._prepared = self._pool, None, False
        if pool is not None:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                async with asyncio.timeout(self.deadline_s):
                    await pool.close()

    @request
    async def ping(self) -> None:
        """SELECT 1."""
        await self._value("SELECT 1")

    @request
    async def get(self, token: str) -> Record | None:
        """Select the live row."""
        key = digest(token)
        row = None if key is None else await self._row(self._sql["get"], key)
        return None if row is None else Record(token, row[0], row[1], row[2].timestamp())

    @request
    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        """Insert, in one statement with the delete of what it replaces."""
        token = mint()
        row = digest(token), data, _time(expires_at)
        old = digest(replaces) if replaces is not None else None
        if old is None:
            await self._value(self._sql["create"], *row)
        else:
            await self._value(self._sql["replace"], *row, old)
        return Record(token, data, 1, expires_at)

    @request
    async def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Record | Refused:
        """Update the live row; a second query tells GONE from CONFLICT."""
        key = digest(token)
        if key is None:
            return Refused.GONE
        if if_version is None:
            version = await self._value(self._sql["update"], key, data, _time(expires_at))
        else:
            statement = self._sql["update_if_version"]
            version = await self._value(statement, key, data, _time(expires_at), if_version)
        if version is not None:
            return Record(token, data, version, expires_at)
        conflict = if_version is not None and await self._value(self._sql["lives"], key)
        return Refused.CONFLICT if conflict else Refused.GONE

    @request
    async def touch(self, token: str, expires_at: float) -> Record | None:
        """Update the live row's expiry."""
        key = digest(token)
        row = None if key is None else await self._row(self._sql["touch"], key, _time(expires_at))
        return None if row is None else Record(token, row[0], row[1], expires_at)

    @request
    async def delete(self, token: str) -> None:
        """Delete the row."""
        key = digest(token)
        if key is not None:
            await self._value(self._sql["delete"], key)

    async def sweep(self) -> int:
        """Delete in batches, so that no transaction is long."""
        removed = batch = await self._sweep_batch()
        while batch == BATCH:
            batch = await self._sweep_batch()
            removed += batch
        return removed

    @bulk_step
    async def _sweep_batch(self) -> int:
        return int(await self._value(self._sql["sweep"], BATCH, limit_s=BULK_STEP_S))

    async def seed(self, sessions: list[tuple[bytes, float]]) -> None:
        """COPY."""
        for start in range(0, len(sessions), BATCH):
            await self._seed_batch(sessions[start : start + BATCH])

    @bulk_step
    async def _seed_batch(self, sessions: list[tuple[bytes, float]]) -> None:
        columns = ("key", "data", "version", "expires_at")
        rows = [(digest(mint()), data, 1, _time(expires_at)) for data, expires_at in sessions]

        async def copy(connection: Any) -> None:
            await connection.copy_records_to_table(self._table, columns=columns, records=rows, timeout=BULK_STEP_S)

        await self._use(copy)

    @bulk_step
    async def count(self) -> int:
        """Count the rows."""
        return int(await self._value(self._sql["count"], limit_s=BULK_STEP_S))

    async def _row(self, statement: str, *args: Any) -> asyncpg.Record | None:
        return await self._use(lambda connection: connection.fetchrow(statement, *args))

    async def _value(self, statement: str, *args: Any, limit_s: float | None = None) -> Any:
        return await self._use(lambda connection: connection.fetchval(statement, *args, timeout=limit_s))

    async def _use(self, work: Callable[[Any], Awaitable[_R]]) -> _R:
        """Do it on a connection, after what `open` could not do or an empty disk has undone."""
        if not self._prepared:
            await self._prepare()
        try:
            return await self._on_connection(work)
        except asyncpg.UndefinedTableError:
            self._prepared = False
            await self._prepare()
            return await self._on_connection(work)

    async def _prepare(self) -> None:
        async with self._preparing:
            if not self._prepared:
                self._pool = self._pool or await self._connect()
                await self._on_connection(self._create_table)
                self._prepared = True

    async def _connect(self) -> asyncpg.Pool:
        settings = {"synchronous_commit": "off" if self._options.durability == "async" else "on"}
        if self.deadline_s is None:
            return await asyncpg.create_pool(self._url, server_settings=settings)
        return await asyncpg.create_pool(
            self._url,
            server_settings=settings,
            min_size=0,
            max_size=self._options.pool,
            timeout=self.wait_s,
            command_timeout=self.wait_s,
            reset=_leave_as_it_is,
        )

    async def _create_table(self, connection: Any) -> None:
        await connection.execute(self._sql["prepare"])
        self.server_version = f"PostgreSQL {connection.get_settings().server_version}"

    async def _on_connection(self, work: Callable[[Any], Awaitable[_R]]) -> _R:
        pool = self._pool
        if pool is None:
            raise ConnectionError("the store is closed")
        connection = await pool.acquire()
        try:
            return await work(connection)
        except (TimeoutError, asyncio.CancelledError):
            # The pool would ask the server to cancel the query and wait for it; a frozen one never does.
            connection.terminate()
            raise
        finally:
            await pool.release(connection)


async def _leave_as_it_is(_connection: Any) -> None:
    """Reset nothing: no statement of ours changes a connection, and the pool's own reset is a round trip."""


def _time(expires_at: float) -> datetime:
    return datetime.fromtimestamp(expires_at, UTC)
