"""The contract of backends/store.py for a store as a whole, on every backend and its real server."""

from __future__ import annotations

import asyncio
import re
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from backends.store import Refused
from tests.backends.records import past, read, soon, written
from tests.backends.variants import has_server, holds_records, is_bounded, is_shared, keeps_sessions, on, revokes

if TYPE_CHECKING:
    from backends.store import Store
    from tests.backends.variants import Open

pytestmark = pytest.mark.anyio


# seed, count, sweep


@on(holds_records)
async def test_seeded_sessions_are_counted_and_live(store: Store) -> None:
    await store.seed([])
    assert await store.count() == 0
    await store.seed([(b"%d" % number, soon()) for number in range(2500)])
    await store.create(b"one more", soon())
    assert await store.count() == 2501
    await store.sweep()
    assert await store.count() == 2501


@on(holds_records)
async def test_sweep_removes_what_has_expired_and_says_how_many(store: Store) -> None:
    await store.seed([(b"expired", past())] * 1500 + [(b"live", soon())] * 30)
    live = await store.create(b"live", soon())
    before = await store.count()
    assert await store.sweep() == before - 31
    assert await store.count() == 31
    assert await store.get(live.token) is not None
    assert await store.sweep() == 0


# namespaces and workers


@on(keeps_sessions)
async def test_namespaces_share_nothing(open_store: Open, namespace: str) -> None:
    here, there = await open_store(), await open_store(inside=f"{namespace}_other")
    made = await here.create(b"here", soon())
    assert await there.get(made.token) is None
    assert await there.touch(made.token, soon()) is None
    assert await there.update(made.token, b"there", soon()) is Refused.GONE
    await there.delete(made.token)
    await there.sweep()
    assert (await read(here, made.token)).data == b"here"
    assert await there.count() == 0


@on(holds_records)
async def test_sweep_keeps_to_its_namespace(open_store: Open, namespace: str) -> None:
    here, there = await open_store(), await open_store(inside=f"{namespace}_other")
    await there.seed([(b"live", soon())] * 3)
    await there.create(b"about to expire", past())
    before = await there.count()
    await here.sweep()
    assert await there.count() == before


@on(is_shared)
async def test_workers_see_each_others_sessions(open_store: Open) -> None:
    one, other = await open_store(), await open_store()
    made = await one.create(b"made", soon())
    assert (await read(other, made.token)).data == b"made"
    updated = await written(other.update(made.token, b"updated", soon()))
    assert (await read(one, updated.token)).data == b"updated"


@on(has_server, revokes)
async def test_what_one_worker_revokes_is_dead_for_all(open_store: Open) -> None:
    one, other = await open_store(), await open_store()
    made = await one.create(b"made", soon())
    assert await other.get(made.token) is not None
    await one.delete(made.token)
    assert await other.get(made.token) is None


@on(has_server)
async def test_workers_may_open_at_the_same_time(open_store: Open) -> None:
    workers = await asyncio.gather(*(open_store() for _ in range(6)))
    made = await workers[0].create(b"made", soon())
    assert [(await read(worker, made.token)).data for worker in workers] == [b"made"] * 6


# the store itself


@on()
async def test_an_open_store_answers_and_may_be_opened_again(store: Store) -> None:
    await store.ping()
    await store.open()
    await store.ping()


@on()
async def test_a_store_tells_what_it_is(store: Store) -> None:
    assert store.traits.durability in {"none", "process restart", "every acknowledged write"} or re.fullmatch(
        r"power loss within \d+ ms", store.traits.durability
    )
    assert store.traits.max_bytes > 0
    driver = getattr(store, "driver")  # noqa: B009 - of every store, though not of the protocol
    assert driver is None or metadata.version(driver)


@on(has_server)
async def test_a_server_tells_its_version(store: Store) -> None:
    assert re.fullmatch(r"\w[\w ]* \d+\.\d+.*", getattr(store, "server_version"))  # noqa: B009 - the same


@on(has_server, is_bounded)
async def test_more_requests_than_connections_wait_their_turn(open_store: Open) -> None:
    store = await open_store(pool=2)
    made = await store.create(b"data", soon())
    found = await asyncio.gather(*(read(store, made.token) for _ in range(200)))
    assert {record.data for record in found} == {b"data"}
