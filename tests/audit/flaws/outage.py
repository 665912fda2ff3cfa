"""Answers that should have been 503."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backends.store import StoreUnavailable
from tests.audit.broken import Around, Flaw

if TYPE_CHECKING:
    from backends.store import Record, Store


class TakesAnOutageForStrangers(Flaw):
    """A session that cannot be asked for is none, so that whoever comes during an outage is logged out."""

    breaks = 15
    variant = "redis"

    def store(self, store: Store) -> Any:
        return _Estranging(store)


class _Estranging(Around):
    async def get(self, token: str) -> Record | None:
        try:
            found: Record | None = await self.inner.get(token)
        except StoreUnavailable:
            return None
        return found
