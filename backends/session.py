"""The session as a route sees it: a mapping that knows whether it may have changed."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backends.manager import SessionManager
    from backends.store import Record

_FLAT = frozenset({str, int, float, bool, bytes, type(None)})


class SessionNotLoaded(RuntimeError):  # noqa: N818 - says what the route forgot
    """A route used its session without awaiting `session.load()` under read=lazy."""

    def __init__(self) -> None:
        super().__init__("The session is not loaded; await session.load() first (its read policy is lazy).")


class Session(MutableMapping[str, Any]):
    """A client's session within one request; nothing is stored until the response starts.

    A session that is left empty is not kept: a new one is never stored, a stored one is revoked.
    Beside the mapping, `load`, `rotate` and `revoke`, its attributes are for the manager:

    token      what the client presented
    data       the content, None until it is loaded
    record     what the store has under the token
    deadline   the end of its life in Unix s, however much it is used
    cookie     a token that the client must be given, whatever else happens
    due        it must be written or extended, whatever the route does
    assigned   keys were set or deleted
    handed_out a route holds a value that it can change in place
    waited_s   how long this request has waited for the store
    """

    __slots__ = (
        "_manager", "assigned", "cookie", "data", "deadline", "due", "handed_out", "record", "revoked",
        "rotated", "token", "waited_s",
    )  # fmt: skip

    def __init__(self, manager: SessionManager, token: str | None, waited_s: float = 0.0) -> None:
        self._manager = manager
        self.token = token
        self.data: dict[str, Any] | None = None
        self.record: Record | None = None
        self.deadline = 0.0
        self.cookie: str | None = None
        self.due = self.assigned = self.handed_out = self.rotated = self.revoked = False
        self.waited_s = waited_s

    async def load(self) -> None:
        """Read the session from its store, once; what is unknown there is an empty session.

        Raises StoreUnavailable, which the middleware answers.
        """
        if self.data is None:
            await self._manager.load(self)

    def rotate(self) -> None:
        """Give the session a new id and a new absolute deadline when it is saved; the old id is dead by then.

        To be called whenever someone logs in, and then only: an id from before must not become theirs. What
        is saved is a new session, which a logout of the old one in the meantime does not end.
        """
        self._loaded()
        self.rotated = True

    def revoke(self) -> None:
        """Forget the session, here and in its store, and clear the client's cookie; needs no `load`.

        What is put into it afterwards begins a new session.
        """
        self.data = {}
        self.revoked = True

    @property
    def settled(self) -> bool:
        """Whether there is nothing to save: untouched, or read for values only that nobody can change."""
        return not (self.assigned or self.handed_out or self.due or self.rotated or self.revoked)

    def forget(self) -> None:
        """Leave the store as it is, whatever was done to the session."""
        self.due = self.assigned = self.handed_out = self.rotated = self.revoked = False

    def __getitem__(self, key: str) -> Any:
        value = self._loaded()[key]
        if value.__class__ not in _FLAT:
            self.handed_out = True
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._loaded()[key] = value
        self.assigned = True

    def __delitem__(self, key: str) -> None:
        del self._loaded()[key]
        self.assigned = True

    def __contains__(self, key: object) -> bool:
        return key in self._loaded()

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded())

    def __len__(self) -> int:
        return len(self._loaded())

    def clear(self) -> None:
        """Remove every key at once."""
        self._loaded().clear()
        self.assigned = True

    def __repr__(self) -> str:
        """Show the keys only: values may be secret, and logs live long."""
        return f"<Session {'not loaded' if self.data is None else sorted(self.data)}>"

    def _loaded(self) -> dict[str, Any]:
        if self.data is None:
            raise SessionNotLoaded
        return self.data
