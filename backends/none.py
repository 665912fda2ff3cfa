"""No store at all: one constant record for any token, so what a backend costs over it is the store."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from backends import store
from backends.store import Record, Traits, mint

if TYPE_CHECKING:
    from backends.store import Refused, Settings

SERVER: str | None = None
SERVER_OPTIONS: frozenset[str] = frozenset()


class Options(store.Options):
    """None of its own."""


class Store:
    """Answers at once and keeps nothing; every line of the app and of the middleware runs all the same."""

    driver: str | None = None

    def __init__(self, options: Options, settings: Settings) -> None:  # noqa: ARG002 - every store takes both
        self._sample = settings.sample
        self.traits = Traits(
            keeps="nothing",
            revocable=False,
            compare_and_set=False,
            shared_between_workers=True,
            durability="none",
            max_bytes=2**30,
        )

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def ping(self) -> None:
        """Answer at once."""

    async def get(self, token: str) -> Record | None:
        """Return the constant record, whoever asks."""
        return Record(token, self._sample, 1, math.inf)

    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:  # noqa: ARG002 - kept nowhere
        """Mint a token and forget the data."""
        return Record(mint(), data, 1, expires_at)

    async def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Record | Refused:
        """Forget the data."""
        return Record(token, data, (if_version or 1) + 1, expires_at)

    async def touch(self, token: str, expires_at: float) -> Record | None:
        """Return the constant record."""
        return Record(token, self._sample, 1, expires_at)

    async def delete(self, token: str) -> None:
        """Nothing to delete."""

    async def sweep(self) -> int:
        """Nothing to sweep."""
        return 0

    async def seed(self, sessions: list[tuple[bytes, float]]) -> None:
        """Forget them."""

    async def count(self) -> int:
        """Return 0."""
        return 0
