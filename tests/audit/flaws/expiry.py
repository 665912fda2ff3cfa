"""Sessions that live too long, not long enough, or leave their remains behind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.audit.broken import Around, Flaw

if TYPE_CHECKING:
    from backends.environment import Environment
    from backends.store import Record, Refused, Store


class OutlivesItsIdleTime(Flaw):
    """Every expiry is kept in the store 900 ms too late."""

    breaks = 7
    later_s = 0.9

    def store(self, store: Store) -> Any:
        return _Shifted(store, self.later_s)


class EndsTooEarly(OutlivesItsIdleTime):
    """Every expiry is kept in the store 500 ms too early."""

    later_s = -0.5


class _Shifted(Around):
    def __init__(self, inner: Any, later_s: float) -> None:
        super().__init__(inner)
        self._later_s = later_s

    async def create(self, data: bytes, expires_at: float, **options: Any) -> Record:
        made: Record = await self.inner.create(data, expires_at + self._later_s, **options)
        return replace(made, expires_at=expires_at)

    async def update(self, token: str, data: bytes, expires_at: float, **options: Any) -> Record | Refused:
        saved: Record | Refused = await self.inner.update(token, data, expires_at + self._later_s, **options)
        return saved

    async def touch(self, token: str, expires_at: float) -> Record | None:
        found: Record | None = await self.inner.touch(token, expires_at + self._later_s)
        return found


class LivesForAsLongAsItIsUsed(Flaw):
    """There is an absolute age in the settings, and nobody reads it."""

    breaks = 7

    def configure(self, configured: Environment) -> Environment:
        options = configured.variant.options.model_copy(update={"absolute_s": 86_400.0})
        return replace(configured, variant=replace(configured.variant, options=options))


class NeverSweeps(Flaw):
    """Who is expired is not let in, and stays in memory for good."""

    breaks = 18

    def store(self, store: Store) -> Any:
        return _NeverSweeping(store)


class _NeverSweeping(Around):
    async def sweep(self) -> int:
        return 0
