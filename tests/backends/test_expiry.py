"""Sessions that cannot be saved any more, and when a session ends."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from backends import cookie, envelope, memory
from tests.backends.site import SETTINGS, Site, counting, putting, reading

if TYPE_CHECKING:
    from backends.session import Session
    from backends.store import Record
    from tests.backends.site import Action

pytestmark = pytest.mark.anyio


# Sessions that cannot be saved


async def test_a_session_that_ended_meanwhile_is_not_brought_back() -> None:
    async def straddle(session: Session) -> None:
        session["n"] = 99
        await memory.Store.delete(site.store, site.store.only.token)

    site = Site()
    await site.log_in()
    answer = await site.do(straddle)
    assert (answer.status_code, answer.json()["error"]) == (401, "session_gone")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert answer.headers["cache-control"] == "no-store"
    assert await site.store.count() == 0


async def test_a_read_that_straddles_a_logout_revives_nothing() -> None:
    async def straddle(session: Session) -> dict[str, Any]:
        await memory.Store.delete(site.store, site.store.only.token)
        return await reading(session)

    site = Site()
    await site.log_in(a=[1])
    answer = await site.do(straddle)
    assert (answer.status_code, answer.json()) == (200, {"a": [1]})
    assert await site.store.count() == 0


async def test_a_read_never_writes_over_a_write() -> None:
    async def straddle(session: Session) -> dict[str, Any]:
        seen = await reading(session)
        record = site.store.only
        await memory.Store.update(
            site.store, record.token, envelope.repack(record.data, b'{"a":[2]}'), record.expires_at
        )
        return seen

    site = Site()
    await site.log_in(a=[1])
    assert (await site.do(straddle)).json() == {"a": [1]}
    assert (await site.do(reading)).json() == {"a": [2]}


async def test_too_large_a_session_is_413_and_never_reaches_the_store() -> None:
    site = Site()
    site.store.traits = replace(site.store.traits, max_bytes=100)
    answer = await site.do(putting(x="y" * 100))
    assert (answer.status_code, answer.json()["error"]) == (413, "session_too_large")
    assert "create" not in site.store.calls
    await site.log_in()
    answer = await site.do(putting(x="y" * 100))
    assert answer.status_code == 413
    assert site.store.calls == ["get"]
    assert (await site.do(reading)).json() == {"n": 0}


# Expiry


def left(record: Record) -> float:
    return record.expires_at - time.time()


async def aged(site: Site, left_s: float) -> None:
    await memory.Store.touch(site.store, site.store.only.token, time.time() + left_s)


@pytest.mark.parametrize(
    ("slide", "left_s", "calls", "then_s"),
    [
        ("never", 10, ["get"], 10),
        ("threshold", 60, ["get"], 60),
        ("threshold", 40, ["get", "touch"], 100),
        ("always", 90, ["touch"], 100),
    ],
)
async def test_use_extends_idle_expiry(slide: str, left_s: float, calls: list[str], then_s: float) -> None:
    site = Site(slide=slide, idle_s=100)
    await site.log_in()
    await aged(site, left_s)
    await site.do(reading)
    assert site.store.calls == calls
    assert left(site.store.only) == pytest.approx(then_s, abs=2)


@pytest.mark.parametrize(("slide", "then_s"), [("never", 10), ("threshold", 100), ("always", 100)])
async def test_a_write_extends_idle_expiry_too(slide: str, then_s: float) -> None:
    site = Site(slide=slide, idle_s=100)
    await site.log_in()
    await aged(site, 10)
    await site.do(counting)
    assert left(site.store.only) == pytest.approx(then_s, abs=2)


@pytest.mark.parametrize("slide", ["never", "threshold", "always"])
@pytest.mark.parametrize("action", [reading, counting], ids=["read", "write"])
async def test_no_use_passes_the_absolute_deadline(slide: str, action: Action) -> None:
    site = Site(slide=slide, idle_s=100, absolute_s=20)
    await site.log_in()
    deadline = envelope.unpack(site.store.only.data)
    assert deadline is not None
    for _ in range(3):
        await site.do(action)
        assert site.store.only.expires_at <= deadline[0]
        assert left(site.store.only) == pytest.approx(20, abs=2)
    assert "touch" not in site.store.calls or slide == "always"


@pytest.mark.parametrize("slide", ["never", "threshold", "always"])
async def test_a_session_past_its_absolute_deadline_is_over(slide: str) -> None:
    site = Site(slide=slide)
    await site.log_in()
    record = site.store.only
    past = envelope.pack(time.time() - 1, record.data[envelope.HEADER_BYTES :])
    await memory.Store.update(site.store, record.token, past, time.time() + 60)
    assert (await site.do(reading)).json() == {}


async def test_rotating_begins_a_new_absolute_deadline() -> None:
    async def rotate(session: Session) -> None:
        session.rotate()

    site = Site(absolute_s=1000)
    await site.log_in()
    record = site.store.only
    nearly = envelope.pack(time.time() + 5, record.data[envelope.HEADER_BYTES :])
    await memory.Store.update(site.store, record.token, nearly, record.expires_at)
    await site.do(rotate)
    opened = envelope.unpack(site.store.only.data)
    assert opened is not None
    assert opened[0] == pytest.approx(time.time() + 1000, abs=2)


async def test_a_token_that_the_store_exchanged_is_sent_on() -> None:
    store = cookie.Store(cookie.Options(), SETTINGS)
    site = Site(store, slide="always")
    await site.log_in()
    former = site.cookie
    answer = await site.do(reading)
    assert "set-cookie" in answer.headers
    assert site.cookie != former
    assert (await site.do(counting)).json() == 1
    assert (await site.do(reading)).json() == {"n": 1}
