from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from backends import counters as module
from backends import memory
from backends.app import build
from backends.counters import CountedStore, Counters
from backends.stopwatch import STORE, Stopwatch
from backends.store import Settings, StoreUnavailable
from tests.backends.apps import configured

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

SETTINGS = Settings("", bytes(32), "test", b"")


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / f"{os.getpid()}.json").read_bytes())
    return content


def total(content: dict[str, Any], operation: str, field: str) -> float:
    return float(sum(each[operation][field] for each in content["seconds"].values() if operation in each))


async def written(counters: Counters, folder: Path) -> dict[str, Any]:
    async with counters.running():
        pass
    return read(folder)


async def test_every_operation_is_counted_in_its_second(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    store = CountedStore(memory.Store(memory.Options(), SETTINGS), counters)
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
    assert not any("request" in each for each in content["seconds"].values())
    assert os.listdir(tmp_path) == [f"{os.getpid()}.json"]  # noqa: PTH208 - pathlib's would be blocking I/O too


async def test_failures_are_counted_with_the_time_they_took(tmp_path: Path) -> None:
    class Refusing(memory.Store):
        async def get(self, token: str) -> None:
            await asyncio.sleep(0.01)
            raise StoreUnavailable(token)

    counters = Counters(tmp_path)
    store = CountedStore(Refusing(memory.Options(), SETTINGS), counters)
    with pytest.raises(StoreUnavailable):
        await store.get("token")
    content = await written(counters, tmp_path)
    assert total(content, "get", "failed") == 1
    assert total(content, "get", "total_us") > 5_000  # uvloop rounds 10 ms to its own clock


@pytest.mark.parametrize("took_us", [0.2, 3.0, 100.0, 12_345.0])
async def test_a_duration_falls_into_its_bucket(took_us: float, tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    counters.add("op", took_us / 1e6)
    content = await written(counters, tmp_path)
    (counted,) = (each["op"] for each in content["seconds"].values() if "op" in each)
    ((bucket, count),) = counted["buckets"].items()
    assert (counted["count"], count) == (1, 1)
    assert counted["total_us"] == pytest.approx(took_us)
    assert 2 ** (int(bucket) / 8) <= max(took_us, 1) < 2 ** ((int(bucket) + 1) / 8)


async def test_the_file_is_replaced_while_the_app_runs(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    async with counters.running():
        async with asyncio.timeout(10):
            while not read(tmp_path)["seconds"]:  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.05)


async def test_every_second_is_written_whole_and_kept_for_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        now = 5_000.0

        @classmethod
        def monotonic(cls) -> float:
            return cls.now

    with monkeypatch.context() as patched:
        patched.setattr(module, "time", Clock)
        counters = Counters(tmp_path)
        for Clock.now, operation in ((5_000.0, "a"), (5_000.9, "a"), (5_002.5, "b"), (5_003.0, "a")):
            counters.add(operation, 1e-4)
            counters._write()  # noqa: SLF001 - as it is every two seconds
        seen = {
            number: {name: each["count"] for name, each in operations.items()}
            for number, operations in read(tmp_path)["seconds"].items()
        }
        assert seen == {"5000": {"a": 2}, "5002": {"b": 1}, "5003": {"a": 1}}
        Clock.now = 5_001.0 + 3600
        counters._write()  # noqa: SLF001
        assert read(tmp_path)["seconds"].keys() == {"5002", "5003"}


def request(status: int | None, received: tuple[float, float] | None = None) -> Stopwatch:
    """Return the stopwatch of a request with one store operation; None is one that nobody answered."""
    watch = Stopwatch(received)
    watch.operations.append(("get", 0.25, False))
    if status is not None:
        watch.status = status
        watch.stop()
    return watch


async def test_only_requests_that_were_answered_are_counted_and_all_store_operations(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    for status in (200, 401, 409, 500, 503, None):
        counters.add_request(request(status))
    content = await written(counters, tmp_path)
    for name in ("request", "framework", "session", "store"):
        assert total(content, name, "count") == 3
    assert total(content, "get", "count") == 6
    assert sum(sum(each["request"]["buckets"].values()) for each in content["seconds"].values() if each) == 3


async def test_a_request_begins_when_the_server_had_its_first_bytes(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    now = time.monotonic()
    watch = request(200, (now - 10, now - 7))
    watch.enter(STORE)
    counters.add_request(watch)
    content = await written(counters, tmp_path)
    assert 10e6 <= total(content, "request", "total_us") < 11e6
    assert 3e6 <= total(content, "framework", "total_us") < 4e6


async def test_without_counters_nothing_stands_in_a_requests_way() -> None:
    app = build(configured())
    assert type(app).__module__ == "fastapi.applications"
    app.middleware_stack = app.build_middleware_stack()
    kinds = set()
    inner: Any = app.middleware_stack
    while inner is not None:
        kinds.add(type(inner).__module__)
        if type(inner).__module__ == "backends.middleware":
            manager = inner._manager  # noqa: SLF001 - to look at what it is
            assert type(manager).__module__ == "backends.manager"
            assert type(manager.store).__module__ == "backends.memory"
        inner = getattr(inner, "app", None)
    assert "backends.middleware" in kinds
    assert not kinds & {"backends.layers", "backends.counters"}
