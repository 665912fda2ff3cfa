"""Histograms of requests, their layers, store operations and event-loop lag, by second, one file per process."""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import backends
from backends import lag
from backends.errors import ConfigurationError
from backends.stopwatch import SESSION, STORE, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Coroutine
    from pathlib import Path

    from backends.stopwatch import Stopwatch
    from backends.store import Record, Refused, Store

T = TypeVar("T")

_PER_OCTAVE = 8
"""Buckets for each doubling of the duration: a bucket is 9 % wide."""
_WRITE_EVERY_S = 2.0
_SECONDS_KEPT = 3600
_SERVER_ERROR = 500


class Counters:
    """What one process has counted, kept for an hour, in `<pid>.json` of a folder.

    The file is {"contract", "pid", "clock", "buckets_per_octave", "seconds": {second: {name: {"count",
    "failed", "total_us", "buckets": {index: count}}}}}. Bucket `i` holds the durations from 2^(i/8) to
    2^((i+1)/8) µs, bucket 0 also what is shorter. Names are

    get, create, …    a store operation, whoever asked for it
    request           a request with a session, from its first bytes to the last of its answer; the operator's
                      paths are none, nor is one that was answered with a 5xx or not at all
    framework, session, store    its time in each of these layers, in sum only; what the three leave of
                      `request` is its waiting for the event loop to begin with it
    loop_lag          how late the event loop woke

    A duration belongs to the second of CLOCK_MONOTONIC in which it ended, all of a request to the one in which
    that did: the means of its layers add up, second by second.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{os.getpid()}.json"
        self._seconds: dict[int, _Second] = {}
        self._written: dict[int, str] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._write()
        except OSError as error:
            raise ConfigurationError(
                f"SESSION_APP_COUNTERS names {folder}, where nothing can be written: {error.strerror}."
            ) from None

    def add(self, name: str, took_s: float, *, failed: bool = False) -> None:
        """Count what took so long and ends now."""
        self._now().durations(name).add(took_s, failed)

    def add_request(self, watch: Stopwatch) -> None:
        """Count a request and its store operations; only those of one that nobody answered, or with an error."""
        second = self._now()
        for name, took_s, failed in watch.operations:
            second.durations(name).add(took_s, failed)
        watch.counted = True
        if watch.took_s is not None and watch.status < _SERVER_ERROR:
            request_s, framework_s, session_s, store_s = watch.took_s
            second.requests.add(request_s, False)
            second.framework_s += framework_s
            second.session_s += session_s
            second.store_s += store_s

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch the event loop and write the file every two seconds, and once more at the end."""
        writing = asyncio.create_task(self._keep_writing())
        try:
            async with lag.watched(partial(self.add, "loop_lag")):
                yield
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            self._write()

    def _now(self) -> _Second:
        second = int(time.monotonic())
        found = self._seconds.get(second)
        if found is None:
            found = self._seconds[second] = _Second()
        return found

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(_WRITE_EVERY_S)
            self._write()

    def _write(self) -> None:
        """Replace the file; a second that is over is turned into text once, for the loop waits meanwhile."""
        now = int(time.monotonic())
        for second in [second for second in self._seconds if second < now]:
            self._written[second] = self._seconds.pop(second).text(second)
        for second in [second for second in self._written if second < now - _SECONDS_KEPT]:
            del self._written[second]
        begun = [each.text(second) for second, each in self._seconds.items()]
        about = {
            "contract": backends.CONTRACT,
            "pid": os.getpid(),
            "clock": "CLOCK_MONOTONIC",
            "buckets_per_octave": _PER_OCTAVE,
        }
        seconds = ", ".join([*self._written.values(), *begun])
        fresh = self._path.with_suffix(".new")
        fresh.write_text(f'{json.dumps(about)[:-1]}, "seconds": {{{seconds}}}}}')
        fresh.replace(self._path)


class _Durations:
    """A histogram of durations."""

    __slots__ = ("buckets", "count", "failed", "total_s")

    def __init__(self) -> None:
        self.count = self.failed = 0
        self.total_s = 0.0
        self.buckets: dict[int, int] = {}

    def add(self, took_s: float, failed: bool) -> None:  # noqa: FBT001 - a keyword costs as much as the rest
        self.count += 1
        self.failed += failed
        self.total_s += took_s
        took_us = took_s * 1e6
        bucket = int(math.log2(took_us) * _PER_OCTAVE) if took_us > 1 else 0
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def content(self) -> dict[str, Any]:
        return _content(self.count, self.failed, self.total_s, self.buckets)


class _Second:
    """What was counted in one second. The layers' percentiles would not add up: their sums are enough."""

    __slots__ = ("_others", "framework_s", "requests", "session_s", "store_s")

    def __init__(self) -> None:
        self.requests = _Durations()
        self.framework_s = self.session_s = self.store_s = 0.0
        self._others: dict[str, _Durations] = {}

    def durations(self, name: str) -> _Durations:
        """Return the histogram of this name."""
        found = self._others.get(name)
        if found is None:
            found = self._others[name] = _Durations()
        return found

    def text(self, second: int) -> str:
        """Return it as an entry of a JSON object."""
        content = {name: each.content() for name, each in self._others.items()}
        if requests := self.requests.count:
            layers = {"framework": self.framework_s, "session": self.session_s, "store": self.store_s}
            content |= {name: _content(requests, 0, total_s, {}) for name, total_s in layers.items()}
            content["request"] = self.requests.content()
        return f'"{second}": {json.dumps(content)}'


def _content(count: int, failed: int, total_s: float, buckets: dict[int, int]) -> dict[str, Any]:
    return {"count": count, "failed": failed, "total_us": total_s * 1e6, "buckets": buckets}


class CountedStore:
    """A store that counts how long each of its operations takes.

    Its methods hand on one coroutine instead of awaiting it in another: half the price.
    """

    def __init__(self, store: Store, counters: Counters) -> None:
        self._store = store
        self._counters = counters
        self.traits, self.driver = store.traits, store.driver

    def open(self) -> Coroutine[Any, Any, None]:
        """Count an opening."""
        return self._timed("open", self._store.open())

    async def close(self) -> None:
        """Close, uncounted: nobody waits for it."""
        await self._store.close()

    def ping(self) -> Coroutine[Any, Any, None]:
        """Count a ping."""
        return self._timed("ping", self._store.ping())

    def get(self, token: str) -> Coroutine[Any, Any, Record | None]:
        """Count a read."""
        return self._timed("get", self._store.get(token))

    def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Coroutine[Any, Any, Record]:
        """Count a creation."""
        return self._timed("create", self._store.create(data, expires_at, replaces=replaces))

    def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Coroutine[Any, Any, Record | Refused]:
        """Count an update; one that was refused did not fail."""
        return self._timed("update", self._store.update(token, data, expires_at, if_version=if_version))

    def touch(self, token: str, expires_at: float) -> Coroutine[Any, Any, Record | None]:
        """Count an extension."""
        return self._timed("touch", self._store.touch(token, expires_at))

    def delete(self, token: str) -> Coroutine[Any, Any, None]:
        """Count a revocation."""
        return self._timed("delete", self._store.delete(token))

    def sweep(self) -> Coroutine[Any, Any, int]:
        """Count a sweep."""
        return self._timed("sweep", self._store.sweep())

    async def seed(self, sessions: list[tuple[bytes, float]]) -> None:
        """Seed, uncounted: nobody waits for it."""
        await self._store.seed(sessions)

    async def count(self) -> int:
        """Count the records, uncounted: nobody waits for it."""
        return await self._store.count()

    async def _timed(self, operation: str, call: Awaitable[T]) -> T:
        watch = running.get()
        began = time.monotonic() if watch is None else watch.enter(STORE)
        failed = True
        try:
            answer = await call
            failed = False
        finally:
            ended = time.monotonic() if watch is None else watch.enter(SESSION)
            if watch is None or watch.counted:
                self._counters.add(operation, ended - began, failed=failed)
            else:
                # To count is work too, and nobody waits for it once the answer is sent.
                watch.operations.append((operation, ended - began, failed))
        return answer
