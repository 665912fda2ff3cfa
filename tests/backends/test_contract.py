"""The contract of backends/store.py for one session, clause by clause, on every backend and its real server."""

from __future__ import annotations

import asyncio
import re
import string
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backends.store import Record, Refused, mint
from tests.backends.records import past, read, same, soon, written
from tests.backends.variants import compares, holds_records, keeps_sessions, on, revokes

if TYPE_CHECKING:
    from backends.store import Store

pytestmark = pytest.mark.anyio

ALPHABET = string.ascii_letters + string.digits + "-_"
LARGEST = 16_000_000
"""Where a backend takes more, trying it would only test this machine's memory."""

anything = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# get


@on(keeps_sessions)
async def test_get_returns_what_create_kept(store: Store) -> None:
    expires_at = soon()
    made = await store.create(b"data", expires_at)
    assert same(made, b"data", 1, expires_at)
    found = await read(store, made.token)
    assert same(found, b"data", 1, expires_at)
    assert found.token == made.token


@on(keeps_sessions)
async def test_a_token_that_was_never_minted_is_none(store: Store) -> None:
    assert await store.get(mint()) is None


@on(keeps_sessions)
@anything
@given(token=st.text(max_size=6000))
@example(token="")
@example(token="*")
@example(token="../" * 20)
@example(token="x" * 43)
@example(token="x" * 5000)
@example(token="\x00\r\n")
async def test_garbage_is_none_everywhere(store: Store, token: str) -> None:
    assert await store.get(token) is None
    assert await store.touch(token, soon()) is None
    assert await store.update(token, b"data", soon()) is Refused.GONE
    assert await store.update(token, b"data", soon(), if_version=1) is Refused.GONE
    await store.delete(token)


@on(keeps_sessions)
async def test_a_token_changed_at_any_position_is_none(store: Store) -> None:
    token = (await store.create(b"data", soon())).token
    for position, character in enumerate(token):
        other = ALPHABET[(ALPHABET.index(character) + 1) % len(ALPHABET)]
        assert await store.get(token[:position] + other + token[position + 1 :]) is None
    for changed in (token[:-1], token[1:], token + "A", token + "=", token.swapcase()):
        assert await store.get(changed) is None
    assert await store.get(token) is not None


@on(keeps_sessions)
async def test_a_session_ends_at_its_expiry(store: Store) -> None:
    expires_at = time.time() + 0.3
    token = (await store.create(b"data", expires_at)).token
    found = await store.get(token)
    assert found is not None or time.time() >= expires_at
    await asyncio.sleep(expires_at - time.time() + 0.01)
    assert await store.get(token) is None


@on(keeps_sessions)
async def test_an_expired_session_stays_over(store: Store) -> None:
    token = (await store.create(b"data", past())).token
    assert await store.get(token) is None
    assert await store.touch(token, soon()) is None
    assert await store.update(token, b"new", soon()) is Refused.GONE
    assert await store.update(token, b"new", soon(), if_version=1) is Refused.GONE
    assert await store.get(token) is None


# create


@on(keeps_sessions)
async def test_every_token_is_new_and_its_own_sessions(store: Store) -> None:
    made = [await store.create(b"%d" % number, soon()) for number in range(10)]
    assert len({record.token for record in made}) == len(made)
    for number, record in enumerate(made):
        assert (await read(store, record.token)).data == b"%d" % number


@on(holds_records)
async def test_a_token_holds_256_bits(store: Store) -> None:
    tokens = [(await store.create(b"data", soon())).token for _ in range(20)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)
    # Each of 42 characters varies: 20 equal ones by chance come once in 64**19.
    assert all(len(set(column)) > 1 for column in list(zip(*tokens, strict=True))[:42])


@on(revokes)
async def test_what_is_replaced_is_dead(store: Store) -> None:
    old = await store.create(b"old", soon())
    bystander = await store.create(b"bystander", soon())
    new = await store.create(b"new", soon(), replaces=old.token)
    assert new.token != old.token
    assert await store.get(old.token) is None
    assert await store.update(old.token, b"back", soon()) is Refused.GONE
    assert (await read(store, new.token)).data == b"new"
    assert (await read(store, bystander.token)).data == b"bystander"


@on(keeps_sessions)
@pytest.mark.parametrize("replaces", [mint(), "garbage", ""], ids=["minted", "garbage", "empty"])
async def test_replacing_what_is_absent_is_fine(store: Store, replaces: str) -> None:
    made = await store.create(b"data", soon(), replaces=replaces)
    assert (await read(store, made.token)).data == b"data"


# update


@on(keeps_sessions)
async def test_update_replaces_data_and_expiry_and_the_version_grows(store: Store) -> None:
    record = await store.create(b"longer at first", soon())
    for data in (b"short", b"", b"longer than ever before"):
        expires_at = soon() + 30
        updated = await written(store.update(record.token, data, expires_at))
        assert updated.version > record.version
        record = await read(store, updated.token)
        assert same(record, data, updated.version, expires_at)


@on(compares)
async def test_update_at_its_version_counts_by_one(store: Store) -> None:
    record = await store.create(b"0", soon())
    for number in (b"1", b"2", b"3"):
        expires_at = soon() + 30
        updated = await written(store.update(record.token, number, expires_at, if_version=record.version))
        assert updated.version == record.version + 1
        record = await read(store, updated.token)
        assert same(record, number, updated.version, expires_at)


@on(compares)
@pytest.mark.parametrize("by_version", [True, False])
async def test_update_at_a_former_version_conflicts_and_changes_nothing(
    store: Store,
    by_version: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    made = await store.create(b"made", soon())
    expires_at = soon()
    winner = await written(
        store.update(made.token, b"winner", expires_at, if_version=made.version if by_version else None)
    )
    assert await store.update(made.token, b"loser", soon() + 30, if_version=made.version) is Refused.CONFLICT
    assert same(await read(store, made.token), b"winner", winner.version, expires_at)


@on(keeps_sessions)
async def test_update_never_creates(store: Store) -> None:
    token = mint()
    assert await store.update(token, b"data", soon()) is Refused.GONE
    assert await store.update(token, b"data", soon(), if_version=1) is Refused.GONE
    assert await store.get(token) is None
    assert await store.count() == 0


@on(revokes)
async def test_update_never_brings_back_what_was_deleted(store: Store) -> None:
    made = await store.create(b"data", soon())
    await store.delete(made.token)
    assert await store.update(made.token, b"back", soon()) is Refused.GONE
    assert await store.update(made.token, b"back", soon(), if_version=made.version) is Refused.GONE
    assert await store.get(made.token) is None


@on(revokes)
async def test_writers_in_flight_do_not_bring_back_what_is_deleted_meanwhile(store: Store) -> None:
    for _ in range(5):
        token = (await store.create(b"data", soon())).token
        writers = (
            work for _ in range(10) for work in (store.update(token, b"in flight", soon()), store.touch(token, soon()))
        )
        await asyncio.gather(*writers, store.delete(token), *(store.update(token, b"late", soon()) for _ in range(10)))
        assert await store.get(token) is None


@on(compares)
async def test_concurrent_compare_and_set_increments_lose_none(store: Store) -> None:
    token = (await store.create(b"0", soon())).token

    async def increment() -> None:
        while True:
            record = await read(store, token)
            data = b"%d" % (int(record.data) + 1)
            if isinstance(await store.update(token, data, soon(), if_version=record.version), Record):
                return

    # Touches among them take nothing back.
    await asyncio.gather(*(work for _ in range(30) for work in (increment(), store.touch(token, soon()))))
    record = await read(store, token)
    assert (record.data, record.version) == (b"30", 31)


# touch


@on(keeps_sessions)
async def test_touch_moves_the_expiry_and_nothing_else(store: Store) -> None:
    made = await store.create(b"data", soon())
    record = await written(store.update(made.token, b"updated", soon()))
    for expires_at in (soon() + 600, soon() - 30):
        touched = await store.touch(record.token, expires_at)
        assert touched is not None
        assert same(touched, b"updated", record.version, expires_at)
        record = await read(store, touched.token)
        assert same(record, b"updated", touched.version, expires_at)


@on(keeps_sessions)
async def test_touch_takes_effect(store: Store) -> None:
    expires_at = time.time() + 0.3
    made = await store.create(b"data", expires_at)
    touched = await store.touch(made.token, soon())
    assert touched is not None or time.time() >= expires_at
    await asyncio.sleep(expires_at - time.time() + 0.01)
    assert touched is None or (await read(store, touched.token)).data == b"data"


@on(compares)
async def test_touch_does_not_disturb_a_writer(store: Store) -> None:
    made = await store.create(b"data", soon())
    assert await store.touch(made.token, soon()) is not None
    await written(store.update(made.token, b"updated", soon(), if_version=made.version))


@on(revokes)
async def test_touch_never_revives(store: Store) -> None:
    token = (await store.create(b"data", soon())).token
    await store.delete(token)
    assert await store.touch(token, soon()) is None
    assert await store.touch(mint(), soon()) is None
    assert await store.get(token) is None
    assert await store.count() == 0


@on(holds_records)
async def test_touch_into_the_past_ends_a_session_for_good(store: Store) -> None:
    token = (await store.create(b"data", soon())).token
    await store.touch(token, past())
    assert await store.get(token) is None
    assert await store.touch(token, soon()) is None
    await store.sweep()
    assert await store.count() == 0


# delete


@on(revokes)
async def test_delete_revokes_one_session_and_may_be_repeated(store: Store) -> None:
    doomed, other = await store.create(b"doomed", soon()), await store.create(b"other", soon())
    for _ in range(2):
        await store.delete(doomed.token)
        assert await store.get(doomed.token) is None
    assert (await read(store, other.token)).data == b"other"
    assert await store.count() == 1


@on(keeps_sessions)
async def test_delete_of_what_is_absent_is_fine(store: Store) -> None:
    await store.delete(mint())


# data


@on(keeps_sessions)
@anything
@given(data=st.binary(max_size=2000))
@example(data=b"")
@example(data=bytes(range(256)))
@example(data=b"\x00" * 100)
@example(data=b"\r\n\r\n")
async def test_any_bytes_come_back_as_they_were(store: Store, data: bytes) -> None:
    made = await store.create(data, soon())
    assert (await read(store, made.token)).data == data
    touched = await store.touch(made.token, soon())
    assert touched is not None
    assert touched.data == data
    updated = await written(store.update(touched.token, data[::-1], soon()))
    assert (await read(store, updated.token)).data == data[::-1]


@on(keeps_sessions)
async def test_the_largest_session_fits(store: Store) -> None:
    largest = bytes(range(256)) * (min(store.traits.max_bytes, LARGEST) // 256 + 1)
    largest = largest[: min(store.traits.max_bytes, LARGEST)]
    made = await store.create(largest, soon())
    assert (await read(store, made.token)).data == largest
    updated = await written(store.update(made.token, largest[::-1], soon()))
    assert (await read(store, updated.token)).data == largest[::-1]
    if store.traits.compare_and_set:
        await written(store.update(updated.token, largest, soon(), if_version=updated.version))
        assert (await read(store, updated.token)).data == largest
