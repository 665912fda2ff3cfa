"""Sessions that outlive their logout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.audit.broken import Around, Flaw

if TYPE_CHECKING:
    from backends.store import Store


class OnlyClearsTheCookie(Flaw):
    """The logout tells the browser to forget the cookie, and the store nothing."""

    breaks = 3

    def store(self, store: Store) -> Any:
        return _NeverDeletes(store)


class _NeverDeletes(Around):
    async def delete(self, token: str) -> None:
        pass
