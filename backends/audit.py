"""What an auditor asks of a store besides: how many of its operations have written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.store import Refused

if TYPE_CHECKING:
    from backends.store import Record, Store

_UNKNOWN = {"nothing", "client"}
"""What keeps no records has written none, whatever it was asked."""


class TalliedStore:
    """A store that counts which of its operations wrote: what was refused, or failed, is not one of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writes = 0
        self.traits, self.driver = store.traits, store.driver

    @property
    def writes(self) -> int | None:
        """How many records were created, updated, touched and deleted; None where there are none."""
        return None if self.traits.keeps in _UNKNOWN else self._writes

    async def open(self) -> None:
        """Open it."""
        await self._store.open()

    async def close(self) -> None:
        """Close it."""
        await self._store.close()

    async def ping(self) -> None:
        """Ask it."""
        await self._store.ping()

    async def get(self, token: str) -> Record | None:
        """Read, which writes nothing."""
        return await self._store.get(token)

    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        """Tally a creation."""
        record = await self._store.create(data, expires_at, replaces=replaces)
        self._writes += 1
        return record

    async def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Record | Refused:
        """Tally an update."""
        saved = await self._store.update(token, data, expires_at, if_version=if_version)
        self._writes += not isinstance(saved, Refused)
        return saved

    async def touch(self, token: str, expires_at: float) -> Record | None:
        """Tally an extension."""
        record = await self._store.touch(token, expires_at)
        self._writes += record is not None
        return record

    async def delete(self, token: str) -> None:
        """Tally a revocation."""
        await self._store.delete(token)
        self._writes += 1

    async def sweep(self) -> int:
        """Sweep: no request asked for it."""
        return await self._store.sweep()

    async def seed(self, sessions: list[tuple[bytes, float]]) -> None:
        """Seed: no request asked for it."""
        await self._store.seed(sessions)

    async def count(self) -> int:
        """Count the records."""
        return await self._store.count()
