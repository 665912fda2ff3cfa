"""Small words for tests of stores."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from backends.store import Record

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from backends.store import Refused, Store

_PRECISION_S = 0.001
"""The coarsest store keeps an expiry to the millisecond."""


def soon() -> float:
    return time.time() + 60


def past() -> float:
    return time.time() - 1


async def read(store: Store, token: str) -> Record:
    record = await store.get(token)
    assert record is not None
    return record


async def written(update: Awaitable[Record | Refused]) -> Record:
    record = await update
    assert isinstance(record, Record)
    return record


def same(record: Record, data: bytes, version: int, expires_at: float) -> bool:
    close = abs(record.expires_at - expires_at) <= _PRECISION_S
    return close and record.data == data and record.version == version
