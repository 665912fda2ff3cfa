"""A session that was logged out stays so, whoever kept the cookie and whatever was under way meanwhile."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from harness.audit.check import Failed, Skipped, check
from harness.audit.probe import HOLD_MS

if TYPE_CHECKING:
    from harness.audit.agent import Agent, Answer
    from harness.audit.probe import Probe

_TRIES: Final = 5
_EACH: Final = 2


@check(
    3,
    "revocation",
    "After a logout the old cookie opens nothing.",
    source="OWASP Session Management Cheat Sheet, session expiration: the server must invalidate the session",
    quick=True,
)
def revocation(probe: Probe) -> str:
    """Log out, and go on with the old cookie: read, write, and log out once more and read."""
    user = probe.user()
    user.read().expected("A read before the logout")
    user.write().expected("A write before the logout")
    thief = user.twin()
    user.logout().expected("The logout")
    old = thief.cookie
    read = thief.read(cookie=old, what="with the old cookie")
    write = thief.write(cookie=old, what="with the old cookie")
    logout = thief.ask("POST", "/logout", cookie=old, what="with the old cookie")
    last = thief.read(cookie=old, what="after the second logout")
    replays = [
        _refused(read, "a read") or _given(thief, read, "a read"),
        _refused(write, "a write") or _given(thief, write, "a write"),
        _given(thief, logout, "a second logout"),
        _refused(last, "a read after a second logout") or _given(thief, last, "a read after a second logout"),
    ]
    opened = [replay for replay in replays if replay is not None]
    probe.figures |= {"replays": len(replays), "opened": len(opened)}
    if opened:
        raise Failed(f"{len(opened)} of {len(replays)} requests with the old cookie got in: {opened[0]}.")
    but = "" if logout.ok else f" The second logout itself was answered with {logout.told}."
    return f"The old cookie opened nothing in {len(replays)} requests: to read, write, log out again and read.{but}"


@check(
    4,
    "revival",
    "A request in flight does not bring a logged-out session back.",
    source="expressjs/session#632, auth0/nextjs-auth0#2335, tj/connect-redis#328: a slow request saves it once more",
)
def revival(probe: Probe) -> str:
    """Log out while a slow read or write is under way, also where every use extends the session."""
    with probe.renewing() as url:
        urls = [None] if url is None else [None, url]
        kinds = [(each, write) for each in urls for write in (False, True) for _ in range(_EACH)]
        ended = probe.together([partial(_straddle, probe, each, write=write) for each, write in kinds])
    revived = [how for how in ended if how]
    probe.figures |= {"tries": len(ended), "revived": len(revived)}
    if revived:
        raise Failed(f"{len(revived)} of {len(ended)} slow requests brought the session back: first {revived[0]}.")
    also = " Half of them had to extend the session." if url else ""
    return f"{len(ended)} slow requests, reads and writes, straddled a logout, and none brought the session back.{also}"


def _refused(answer: Answer, what: str) -> str | None:
    """Return how a replay was answered that should have been refused, in words, or None."""
    return None if answer.anonymous else f"{what} was answered with {answer.told}"


def _given(thief: Agent, answer: Answer, what: str) -> str | None:
    """Return None, unless an answer to a replay brought a cookie that opens a session."""
    given = thief.given(answer)
    if not given.cookies or given.read(what=f"with the cookie that {what} was given").anonymous:
        return None
    return f"{what} was given a cookie that opens a session"


def _straddle(probe: Probe, url: str | None, *, write: bool) -> str | None:
    """Log out while a slow request is under way; returns what was open afterwards, in words, or None."""
    what = "a slow write" if write else "a slow read"
    for _ in range(_TRIES):
        looks = _looks(probe, probe.user(url=url), what, write=write)
        if looks is not None:
            opened = [look for look in looks if not look.anonymous]
            return f"{what}, after which a read was answered with {opened[0].told}" if opened else None
    raise Skipped("/profile?hold_ms=… does not pause there, so requests cannot be made to overlap.")


def _looks(probe: Probe, user: Agent, what: str, *, write: bool) -> list[Answer] | None:
    """Return the reads after both, with every cookie that there was; None where the two did not overlap."""
    old, slow = user.cookie, user.twin()
    request = partial(slow.write if write else slow.read, hold_ms=HOLD_MS, what="begun before the logout")
    if probe.overtaken(request, lambda: user.logout().expected("A logout during a slow request")) is None:
        return None
    # The second look tells whether the first one has extended what should not be there.
    looks = [user.read(cookie=old, what=f"with the old cookie after {what}") for _ in range(2)]
    return [*looks, slow.read(what=f"with the cookie that {what} left")] if slow.cookies else looks
