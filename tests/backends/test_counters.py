from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from backends import memory
from backends.counters import CountedStore, Counters
from backends.store import Settings, StoreUnavailable

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / f"{os.getpid()}.json").read_bytes())
    return content


def total(content: dict[str, Any], operation: str, field: str) -> float:
    return float(sum(each[operation][field] for each in content["seconds"].values() if operation in each))


async def test_every_operation_is_counted_in_its_second(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    settings = Settings("", bytes(32), "test", b"")
    store = CountedStore(memory.Store(memory.Options(), settings), counters)
    first = int(time.monotonic())
    async with counters.running():
        await store.open()
        await store.ping()
        record = await store.create(b"x", time.time() + 60)
        for _ in range(7):
            assert await store.get(record.token) == record
        await store.update(record.token, b"y", time.time() + 60, if_version=1)
        await store.touch(record.token, time.time() + 60)
        await store.delete(record.token)
        await store.seed([(b"x", 1.0)])
        assert await store.count() == 1
        assert await store.sweep() == 1
        await asyncio.sleep(0.1)
    await store.close()
    content = read(tmp_path)
    assert {key: content[key] for key in ("contract", "pid", "clock", "buckets_per_octave")} == {
        "contract": 1,
        "pid": os.getpid(),
        "clock": "CLOCK_MONOTONIC",
        "buckets_per_octave": 8,
    }
    assert set(map(int, content["seconds"])) <= set(range(first, int(time.monotonic()) + 1))
    assert total(content, "get", "count") == 7
    for operation in ("open", "ping", "create", "update", "touch", "delete", "sweep"):
        assert total(content, operation, "count") == 1
        assert total(content, operation, "failed") == 0
        assert total(content, operation, "total_us") > 0
    assert total(content, "loop_lag", "count") >= 3
    assert os.listdir(tmp_path) == [f"{os.getpid()}.json"]  # noqa: PTH208 - pathlib's would be blocking I/O too


async def test_failures_are_counted_with_the_time_they_took(tmp_path: Path) -> None:
    class Refusing(memory.Store):
        async def get(self, token: str) -> None:
            await asyncio.sleep(0.01)
            raise StoreUnavailable(token)

    counters = Counters(tmp_path)
    store = CountedStore(Refusing(memory.Options(), Settings("", bytes(32), "test", b"")), counters)
    with pytest.raises(StoreUnavailable):
        await store.get("token")
    async with counters.running():
        pass
    content = read(tmp_path)
    assert total(content, "get", "failed") == 1
    assert total(content, "get", "total_us") > 5_000  # uvloop rounds 10 ms to its own clock


async def test_a_blocked_event_loop_shows_as_lag(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    async with counters.running():
        await asyncio.sleep(0.05)
        time.sleep(0.2)  # noqa: ASYNC251 - this is what the test is about
        await asyncio.sleep(0.05)
    content = read(tmp_path)
    longest = max(int(b) for each in content["seconds"].values() for b in each["loop_lag"]["buckets"])
    assert 150_000 < 2 ** ((longest + 1) / 8) < 2_000_000


@pytest.mark.parametrize("took_us", [3.0, 100.0, 12_345.0])
def test_a_duration_falls_into_its_bucket(took_us: float, tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    counters.add("op", time.monotonic() - took_us / 1e6)
    (operations,) = counters._seconds.values()  # noqa: SLF001 - before it is written
    (bucket,) = operations["op"]["buckets"]
    actual_us = operations["op"]["total_us"]
    assert 2 ** (bucket / 8) <= actual_us < 2 ** ((bucket + 1) / 8)


async def test_the_file_is_replaced_while_the_app_runs(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    async with counters.running():
        async with asyncio.timeout(10):
            while not read(tmp_path)["seconds"]:  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.05)
