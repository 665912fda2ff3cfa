"""A dictionary in the app's own process: nothing is faster, nothing is lost more easily."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from pydantic import Field

from backends import store
from backends.store import Record, Refused, Traits, mint

if TYPE_CHECKING:
    from backends.store import Settings

SERVER: str | None = None
SERVER_OPTIONS: frozenset[str] = frozenset()
_SWEEP_SLICE = 1000


class Options(store.Options):
    """What bounds the process."""

    max_sessions: int = Field(
        2_000_000, ge=1, le=100_000_000, description="sessions kept at most; one more ends the oldest"
    )


class Store:
    """Keeps records by token; no method waits for anything, so each is atomic on the event loop.

    An OrderedDict gives up its oldest entry in constant time, a dict searches through the slots of all that
    were deleted before.
    """

    driver: str | None = None

    def __init__(self, options: Options, settings: Settings) -> None:  # noqa: ARG002 - every store takes both
        self._max_sessions = options.max_sessions
        self._records: OrderedDict[str, Record] = OrderedDict()
        self.traits = Traits(
            keeps="process",
            revocable=True,
            compare_and_set=True,
            shared_between_workers=False,
            durability="none",
            max_bytes=2**30,
        )

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Forget everything, as the process would."""
        self._records.clear()

    async def ping(self) -> None:
        """Answer at once."""

    async def get(self, token: str) -> Record | None:
        """Look it up."""
        return self._live(token)

    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        """Keep it under a new token."""
        if replaces is not None:
            self._records.pop(replaces, None)
        record = Record(mint(), data, 1, expires_at)
        self._keep(record)
        return record

    async def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Record | Refused:
        """Replace the record."""
        former = self._live(token)
        if former is None:
            return Refused.GONE
        if if_version is not None and former.version != if_version:
            return Refused.CONFLICT
        record = Record(token, data, former.version + 1, expires_at)
        self._records[token] = record
        return record

    async def touch(self, token: str, expires_at: float) -> Record | None:
        """Replace its expiry."""
        former = self._live(token)
        if former is None:
            return None
        record = Record(token, former.data, former.version, expires_at)
        self._records[token] = record
        return record

    async def delete(self, token: str) -> None:
        """Drop it."""
        self._records.pop(token, None)

    async def sweep(self) -> int:
        """Drop what has expired, in slices, so that requests get their turn between them."""
        removed = 0
        tokens = list(self._records)
        for begin in range(0, len(tokens), _SWEEP_SLICE):
            now = time.time()
            for token in tokens[begin : begin + _SWEEP_SLICE]:
                record = self._records.get(token)
                if record is not None and record.expires_at <= now:
                    del self._records[token]
                    removed += 1
            await asyncio.sleep(0)
        return removed

    async def seed(self, sessions: list[tuple[bytes, float]]) -> None:
        """Keep them all."""
        for data, expires_at in sessions:
            self._keep(Record(mint(), data, 1, expires_at))

    async def count(self) -> int:
        """Count the dictionary."""
        return len(self._records)

    def _live(self, token: str) -> Record | None:
        record = self._records.get(token)
        return record if record is not None and record.expires_at > time.time() else None

    def _keep(self, record: Record) -> None:
        self._records[record.token] = record
        if len(self._records) > self._max_sessions:
            self._records.popitem(last=False)
