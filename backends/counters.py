"""Histograms of store operations and event-loop lag per second of CLOCK_MONOTONIC, one file per process."""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import backends
from backends.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path

    from backends.store import Record, Refused, Store

T = TypeVar("T")

_PER_OCTAVE = 8
"""Buckets for each doubling of the duration: a bucket is 9 % wide."""
_WRITE_EVERY_S = 2.0
_LAG_EVERY_S = 0.02
_SECONDS_KEPT = 3600


class Counters:
    """What one process has counted, kept for an hour, in `<pid>.json` of a folder.

    The file is {"contract", "pid", "clock", "buckets_per_octave", "seconds": {second: {operation: {"count",
    "failed", "total_us", "buckets": {index: count}}}}}. Bucket `i` holds the durations from 2^(i/8) to
    2^((i+1)/8) µs, bucket 0 also what is shorter; `loop_lag` is an operation like the store's; a duration
    belongs to the second in which it ended.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{os.getpid()}.json"
        self._seconds: dict[int, dict[str, dict[str, Any]]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._write()
        except OSError as error:
            raise ConfigurationError(
                f"SESSION_APP_COUNTERS names {folder}, where nothing can be written: {error.strerror}."
            ) from None

    def add(self, operation: str, began: float, *, failed: bool = False) -> None:
        """Count an operation that began at this second of `time.monotonic` and ends now."""
        ended = time.monotonic()
        took_us = (ended - began) * 1e6
        second = int(ended)
        operations = self._seconds.get(second)
        if operations is None:
            operations = self._seconds[second] = {}
            self._seconds.pop(second - _SECONDS_KEPT, None)
        counted = operations.get(operation)
        if counted is None:
            counted = operations[operation] = {"count": 0, "failed": 0, "total_us": 0.0, "buckets": {}}
        counted["count"] += 1
        counted["failed"] += failed
        counted["total_us"] += took_us
        bucket = int(math.log2(took_us) * _PER_OCTAVE) if took_us > 1 else 0
        counted["buckets"][bucket] = counted["buckets"].get(bucket, 0) + 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch the event loop and write the file every two seconds, and once more at the end."""
        tasks = [asyncio.create_task(self._watch_loop()), asyncio.create_task(self._keep_writing())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._write()

    async def _watch_loop(self) -> None:
        while True:
            due = time.monotonic() + _LAG_EVERY_S
            await asyncio.sleep(_LAG_EVERY_S)
            self.add("loop_lag", min(due, time.monotonic()))

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(_WRITE_EVERY_S)
            self._write()

    def _write(self) -> None:
        content = {
            "contract": backends.CONTRACT,
            "pid": os.getpid(),
            "clock": "CLOCK_MONOTONIC",
            "buckets_per_octave": _PER_OCTAVE,
            "seconds": self._seconds,
        }
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(content))
        fresh.replace(self._path)


class CountedStore:
    """A store that counts how long each of its operations takes."""

    def __init__(self, store: Store, counters: Counters) -> None:
        self._store = store
        self._counters = counters
        self.traits, self.driver = store.traits, store.driver

    async def open(self) -> None:
        """Count an opening."""
        await self._timed("open", self._store.open())

    async def close(self) -> None:
        """Close, uncounted: nobody waits for it."""
        await self._store.close()

    async def ping(self) -> None:
        """Count a ping."""
        await self._timed("ping", self._store.ping())

    async def get(self, token: str) -> Record | None:
        """Count a read."""
        return await self._timed("get", self._store.get(token))

    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        """Count a creation."""
        return await self._timed("create", self._store.create(data, expires_at, replaces=replaces))

    async def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Record | Refused:
        """Count an update; one that was refused did not fail."""
        return await self._timed("update", self._store.update(token, data, expires_at, if_version=if_version))

    async def touch(self, token: str, expires_at: float) -> Record | None:
        """Count an extension."""
        return await self._timed("touch", self._store.touch(token, expires_at))

    async def delete(self, token: str) -> None:
        """Count a revocation."""
        await self._timed("delete", self._store.delete(token))

    async def sweep(self) -> int:
        """Count a sweep."""
        return await self._timed("sweep", self._store.sweep())

    async def seed(self, sessions: list[tuple[bytes, float]]) -> None:
        """Seed, uncounted: nobody waits for it."""
        await self._store.seed(sessions)

    async def count(self) -> int:
        """Count the records, uncounted: nobody waits for it."""
        return await self._store.count()

    async def _timed(self, operation: str, call: Awaitable[T]) -> T:
        began = time.monotonic()
        try:
            answer = await call
        except BaseException:
            self._counters.add(operation, began, failed=True)
            raise
        self._counters.add(operation, began)
        return answer
