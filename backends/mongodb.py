"""MongoDB through Motor or PyMongo's own asyncio client: a document per session, with a TTL index."""

from __future__ import annotations

import contextlib
import inspect
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import pymongo
from pydantic import Field
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    OperationFailure,
    ProtocolError,
    PyMongoError,
)

from backends.network import BATCH, BULK_STEP_S, NetworkOptions, NetworkStore, bulk_step, request
from backends.store import Record, Refused, digest, mint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from backends.store import Settings

SERVER: str | None = "mongodb"
SERVER_OPTIONS: frozenset[str] = frozenset()

_DATABASE = "session_bench"
"""Where the URL names none."""

# Codes that blame the server and not the command, and for which PyMongo has no class: host unreachable, host
# not found, unauthorised, authentication failed, network timeout, shutdown, time limit exceeded, another
# authentication wanted, a refusal of Atlas, socket exception, interrupted by shutdown, disk full.
_TROUBLE_CODES = frozenset({6, 7, 13, 18, 89, 91, 262, 391, 8000, 9001, 11600, 14031})


class Options(NetworkOptions):
    """What a write waits for, and how the server is spoken to."""

    driver: Literal["motor", "pymongo"] = Field(
        "motor", description="Motor (out of support since May 2026), or its successor AsyncMongoClient"
    )
    journal: bool = Field(False, description="a write waits for the journal (w=1, j=true)")
    tuning: Literal["well", "stock"] = Field(
        "well",
        description="stock: the driver's 100 connections, 30 s to find a server, 20 s to connect, no timeout "
        "for an answer: only the app bounds the wait for a frozen store",
    )


class Store(NetworkStore):
    """Sessions in the collection `namespace_sessions` of the URL's database, or of `session_bench`.

    The server sweeps by the TTL index once a minute; reads filter what it has not come to yet. It keeps an
    expiry to the millisecond.
    """

    def __init__(self, options: Options, settings: Settings) -> None:
        durability = "every acknowledged write" if options.journal else "power loss within 100 ms"
        super().__init__(options, settings, schemes=("mongodb", "mongodb+srv"), durability=durability)
        self.driver: str | None = options.driver
        self._client = self._connect(options)
        self._sessions = self._client.get_default_database(_DATABASE).get_collection(
            f"{settings.namespace}_sessions", write_concern=pymongo.WriteConcern(w=1, j=options.journal)
        )

    def is_trouble(self, error: Exception) -> bool:
        """Go by PyMongo's classes, and by the server's code where it has none."""
        return isinstance(error, OSError | ConnectionFailure | ProtocolError) or (
            isinstance(error, PyMongoError)
            and (error.timeout or (isinstance(error, OperationFailure) and error.code in _TROUBLE_CODES))
        )

    @request
    async def open(self) -> None:
        """Connect and create the index."""
        self.server_version = f"MongoDB {(await self._client.server_info())['version']}"
        await self._create_index()

    async def close(self) -> None:
        """Close the client."""
        closing = self._client.close()
        if inspect.isawaitable(closing):  # Motor closes at once
            await closing

    @request
    async def ping(self) -> None:
        """Send a ping."""
        await self._client.admin.command("ping")

    @request
    async def get(self, token: str) -> Record | None:
        """Find the live document."""
        key = digest(token)
        return None if key is None else _record(token, await self._sessions.find_one(_live(key)))

    @request
    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        """Insert, after the delete of what it replaces: a standalone server has no transactions."""
        old = digest(replaces) if replaces is not None else None
        if old is not None:
            await self._sessions.delete_one({"_id": old})
        token = mint()
        await self._sessions.insert_one(_document(token, data, expires_at))
        return Record(token, data, 1, expires_at)

    @request
    async def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Record | Refused:
        """Update the live document; a second query tells GONE from CONFLICT."""
        key = digest(token)
        if key is None:
            return Refused.GONE
        wanted = _live(key) if if_version is None else _live(key) | {"version": if_version}
        written = await self._sessions.find_one_and_update(
            wanted,
            {"$set": {"data": data, "expires_at": _time(expires_at)}, "$inc": {"version": 1}},
            projection={"version": True},
            return_document=pymongo.ReturnDocument.AFTER,
        )
        if written is not None:
            return Record(token, data, written["version"], expires_at)
        if if_version is not None and await self._sessions.find_one(_live(key), {"_id": True}):
            return Refused.CONFLICT
        return Refused.GONE

    @request
    async def touch(self, token: str, expires_at: float) -> Record | None:
        """Update the live document's expiry."""
        key = digest(token)
        if key is None:
            return None
        return _record(
            token,
            await self._sessions.find_one_and_update(
                _live(key),
                {"$set": {"expires_at": _time(expires_at)}},
                return_document=pymongo.ReturnDocument.AFTER,
            ),
        )

    @request
    async def delete(self, token: str) -> None:
        """Delete the document."""
        key = digest(token)
        if key is not None:
            await self._sessions.delete_one({"_id": key})

    @bulk_step
    async def sweep(self) -> int:
        """Delete what the server has not come to yet; it may have lost the index by which it comes, with its disk."""
        async with self._patience():
            await self._create_index()
            result = await self._sessions.delete_many({"expires_at": {"$lte": datetime.now(UTC)}})
        return int(result.deleted_count)

    async def seed(self, sessions: list[tuple[bytes, float]]) -> None:
        """Insert in batches."""
        for start in range(0, len(sessions), BATCH):
            await self._seed_batch(sessions[start : start + BATCH])

    @bulk_step
    async def _seed_batch(self, sessions: list[tuple[bytes, float]]) -> None:
        documents = [_document(mint(), data, expires_at) for data, expires_at in sessions]
        async with self._patience():
            await self._sessions.insert_many(documents, ordered=False)

    @bulk_step
    async def count(self) -> int:
        """Count the documents."""
        async with self._patience():
            return int(await self._sessions.count_documents({}))

    async def _create_index(self) -> None:
        await self._sessions.create_index("expires_at", expireAfterSeconds=0)

    @contextlib.asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        """Give an answer more time than a request's, but not the search for a server."""
        await self._client.admin.command("ping")
        with pymongo.timeout(BULK_STEP_S):
            yield

    def _connect(self, options: Options) -> Any:
        """Return a client, which connects on first use; both drivers share the names that we use."""
        client: Any
        if options.driver == "motor":
            from motor.motor_asyncio import AsyncIOMotorClient as client  # noqa: N813, PLC0415 - an option
        else:
            from pymongo import AsyncMongoClient as client  # noqa: N813, PLC0415 - the same
        care: dict[str, Any] = {}
        if options.tuning == "well":
            wait_ms = 1000 * self.wait_s
            care = {
                "maxPoolSize": options.pool,
                "timeoutMS": wait_ms,
                "serverSelectionTimeoutMS": wait_ms,
                "connectTimeoutMS": wait_ms,
                "heartbeatFrequencyMS": 1000,  # so soon a store that is back is seen again
            }
        try:
            return client(self._url, tz_aware=True, **care)
        except ConfigurationError as error:
            raise ValueError(f"the store's URL cannot be used: {error}") from None


def _live(key: bytes) -> dict[str, Any]:
    return {"_id": key, "expires_at": {"$gt": datetime.now(UTC)}}


def _document(token: str, data: bytes, expires_at: float) -> dict[str, Any]:
    return {"_id": digest(token), "data": data, "version": 1, "expires_at": _time(expires_at)}


def _record(token: str, document: dict[str, Any] | None) -> Record | None:
    if document is None:
        return None
    return Record(token, document["data"], document["version"], document["expires_at"].timestamp())


def _time(expires_at: float) -> datetime:
    return datetime.fromtimestamp(expires_at, UTC)
