from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from backends.manager import SessionManager
from backends.memory import Options, Store
from backends.session import Session, SessionNotLoaded
from backends.store import Settings

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def session() -> Session:
    options = Options()
    manager = SessionManager(Store(options, Settings("", bytes(32), "test", b"")), options)
    session = Session(manager, None)
    session.data = {"user": "ann", "updates": 1, "notes": {"last": ""}}
    return session


def test_it_is_a_mapping_but_no_dict(session: Session) -> None:
    assert dict(session) == {"user": "ann", "updates": 1, "notes": {"last": ""}}
    assert session.get("absent", 7) == 7
    assert "user" in session
    assert len(session) == 3
    assert not isinstance(session, dict)
    assert not hasattr(session, "__dict__")


@pytest.mark.parametrize(
    "use",
    [
        lambda s: s["user"],
        lambda s: s.get("updates"),
        lambda s: "notes" in s,
        list,
        len,
        repr,
        lambda s: s.get("absent"),
    ],
)
def test_reading_flat_values_leaves_it_settled(session: Session, use: Callable[[Session], Any]) -> None:
    use(session)
    assert session.settled


@pytest.mark.parametrize(
    "use",
    [
        lambda s: s["notes"],
        lambda s: s.get("notes"),
        lambda s: list(s.values()),
        lambda s: list(s.items()),
        lambda s: s.update(x=1),
        lambda s: s.pop("user"),
        lambda s: s.setdefault("x", []),
        lambda s: s.popitem(),
        lambda s: s.clear(),
        lambda s: s.rotate(),
        lambda s: s.revoke(),
        lambda s: s.__delitem__("user"),
    ],
)
def test_whatever_may_change_it_unsettles_it(session: Session, use: Callable[[Session], Any]) -> None:
    use(session)
    assert not session.settled
    session.forget()
    assert session.settled


def test_its_repr_shows_no_values(session: Session) -> None:
    assert repr(session) == "<Session ['notes', 'updates', 'user']>"


@pytest.mark.parametrize("use", [len, list, lambda s: s["user"], lambda s: s.rotate(), lambda s: "x" in s])
def test_an_unloaded_session_says_what_to_do(session: Session, use: Callable[[Session], Any]) -> None:
    session.data = None
    assert repr(session) == "<Session not loaded>"
    with pytest.raises(SessionNotLoaded, match=r"await session\.load\(\)"):
        use(session)


def test_revoking_needs_no_load(session: Session) -> None:
    session.data = None
    session.revoke()
    assert dict(session) == {}
