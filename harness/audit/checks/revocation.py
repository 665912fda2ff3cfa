"""A session that is over stays over: after its logout, and when a slow request was under way meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.check import Failed, check

if TYPE_CHECKING:
    from harness.audit.probe import Probe


@check(
    3,
    "revocation",
    "After a logout the old cookie opens nothing.",
    source="OWASP Session Management Cheat Sheet, session expiration: invalidate on the server",
    quick=True,
)
def revocation(probe: Probe) -> str:
    """Log out and go on with the old cookie: read, write, and log out once more and read."""
    user = probe.user()
    old = user.cookie
    user.logout()
    answers = [
        user.read(cookie=old, what="with the cookie from before the logout"),
        user.write(cookie=old, what="with the cookie from before the logout"),
    ]
    user.ask("POST", "/logout", cookie=old, what="once more")
    answers.append(user.read(cookie=old, what="with the cookie from before both logouts"))
    opened = [answer.status for answer in answers if not answer.anonymous]
    if opened:
        raise Failed(f"{len(opened)} of {len(answers)} requests with the old cookie were answered with {opened}.")
    return f"The old cookie was answered with 401 in all {len(answers)} requests."
