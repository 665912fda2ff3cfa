"""A session that was logged out stays so, whoever kept the cookie and whatever was under way meanwhile."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from harness.audit.check import Failed, Skipped, check
from harness.audit.probe import HOLD_MS

if TYPE_CHECKING:
    from collections.abc import Callable

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
    replays = [
        _replayed(thief, thief.read(cookie=old, what="with the old cookie")),
        _replayed(thief, thief.write(cookie=old, what="with the old cookie")),
    ]
    again = thief.ask("POST", "/logout", cookie=old, what="with the old cookie").expected("A second logout")
    replays += [
        _replayed(thief, again, opens=False),
        _replayed(thief, thief.read(cookie=old, what="after the second logout")),
    ]
    opened = [replay for replay in replays if replay is not None]
    probe.figures |= {"replays": len(replays), "opened": len(opened)}
    if opened:
        raise Failed(f"{len(opened)} of {len(replays)} requests with the old cookie got in: first {opened[0]}.")
    return f"The old cookie opened nothing in {len(replays)} requests: to read, to write, and to log out once more."


@check(
    4,
    "revival",
    "A request in flight does not bring a logged-out session back.",
    source="expressjs/session#632, auth0/nextjs-auth0#2335, tj/connect-redis#328: a slow request saves it once more",
)
def revival(probe: Probe) -> str:
    """Log out while a slow read or write is under way, also where every use extends the session."""
    calls = [_straddle(probe, None, write=write) for write in (False, True) for _ in range(_EACH)]
    with probe.renewing() as url:
        if url is not None:
            calls += [_straddle(probe, url, write=write) for write in (False, True) for _ in range(_EACH)]
        ended = probe.together(calls)
    revived = [how for how in ended if how]
    probe.figures |= {"tries": len(ended), "revived": len(revived)}
    if revived:
        raise Failed(f"{len(revived)} of {len(ended)} slow requests brought the session back: first {revived[0]}.")
    also = " Half of them had to extend the session." if url else ""
    return f"{len(ended)} slow requests, reads and writes, straddled a logout, and none brought the session back.{also}"


def _replayed(thief: Agent, answer: Answer, *, opens: bool = True) -> str | None:
    """Return how a replay got in, in words, or None; what its answer gave as a cookie must open nothing either."""
    if opens and not answer.anonymous:
        return f"it was answered with {answer.told}"
    given = thief.given(answer)
    if given.cookies and not given.read(what="with the cookie that a replay was given").anonymous:
        return "it was given a cookie that opens a session"
    return None


def _straddle(probe: Probe, url: str | None, *, write: bool) -> Callable[[], str | None]:
    """Return a try; it returns what was open after the logout, in words, or None."""
    what = "a slow write" if write else "a slow read"

    def attempt() -> str | None:
        for _ in range(_TRIES):
            user = probe.user(url=url)
            old, slow = user.cookie, user.twin()
            request = slow.write if write else slow.read
            if probe.overtaken(partial(request, hold_ms=HOLD_MS, what="begun before the logout"), user.logout) is None:
                continue
            # The second look tells whether the first one has extended what should not be there.
            looks = [user.read(cookie=old, what=f"with the old cookie after {what}") for _ in range(2)]
            if slow.cookies:
                looks.append(slow.read(what=f"with the cookie that {what} left"))
            opened = [look for look in looks if not look.anonymous]
            return f"{what}, after which a read was answered with {opened[0].told}" if opened else None
        raise Skipped("/profile?hold_ms=… does not pause there, so requests cannot be made to overlap.")

    return attempt
