from __future__ import annotations

import time

import pytest

from backends.memory import Options, Store
from backends.store import Settings

pytestmark = pytest.mark.anyio


def store(max_sessions: int = 100) -> Store:
    return Store(Options(max_sessions=max_sessions), Settings("", bytes(32), "test", b""))


async def test_one_session_too_many_ends_the_oldest() -> None:
    memory = store(max_sessions=3)
    records = [await memory.create(b"x", time.time() + 60) for _ in range(3)]
    await memory.update(records[0].token, b"y", time.time() + 60)
    await memory.create(b"x", time.time() + 60)
    assert await memory.count() == 3
    assert await memory.get(records[0].token) is None
    assert await memory.get(records[1].token) is not None


async def test_seeding_is_bounded_too() -> None:
    memory = store(max_sessions=3)
    await memory.seed([(b"x", time.time() + 60)] * 5)
    assert await memory.count() == 3


async def test_a_sweep_takes_the_expired_alone() -> None:
    memory = store(max_sessions=10_000)
    await memory.seed([(b"x", time.time() - 1)] * 2500 + [(b"x", time.time() + 60)] * 2500)
    assert await memory.sweep() == 2500
    assert await memory.count() == 2500
    assert await memory.sweep() == 0


async def test_closing_forgets_everything() -> None:
    memory = store()
    record = await memory.create(b"x", time.time() + 60)
    await memory.close()
    assert await memory.get(record.token) is None
