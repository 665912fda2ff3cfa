"""The id in the cookie is the server's choice, is new at every login, and what it stands for is saved to the depth."""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING, Final

from harness.audit.check import Failed, Inexcusable, check

if TYPE_CHECKING:
    from harness.audit.agent import Agent
    from harness.audit.probe import Probe

_LOGINS: Final = 3
_CHANGES: Final = 3
_TEXT: Final = "chosen-by-somebody-else"
_HTTP_500: Final = 500
_LETTERS: Final = string.ascii_lowercase, string.ascii_uppercase, string.digits


@check(
    5,
    "fixation",
    "An id that the server did not issue is never adopted.",
    source="OWASP Session Management Cheat Sheet, strict session management: generate all ids; CWE-384",
    quick=True,
)
def fixation(probe: Probe) -> str:
    """Log in with ids of the client's choice: a text, one that looks like the server's own, one that was logged out."""
    model = probe.user().cookies
    if not model:
        raise Inexcusable("A login sets no cookie, so nobody stays logged in.")
    former = probe.user()
    ended = dict(former.cookies)
    former.logout().expected("The logout")
    chosen = {
        "a text of the client's choice": dict.fromkeys(model, _TEXT),
        "an id that looks like the server's own": {name: _alike(value) for name, value in model.items()},
        "the id of a session that was logged out": ended,
    }
    adopted = [what for what, cookies in chosen.items() if _adopted(probe, cookies, what)]
    probe.figures |= {"ids_tried": len(chosen), "ids_adopted": len(adopted)}
    if adopted:
        raise Failed(f"{len(adopted)} of {len(chosen)} chosen ids became that of a new session: {', '.join(adopted)}.")
    return f"Logins with {len(chosen)} chosen ids were each given another, and the chosen one opened nothing."


@check(
    6,
    "renewal",
    "The id changes at login, and the old one is dead.",
    source="OWASP Session Management Cheat Sheet, renew the session id after any privilege level change",
    quick=True,
)
def renewal(probe: Probe) -> str:
    """Log in again and again over the session that there is, as the same user and then as another."""
    user = probe.user()
    same = alive = 0
    for number in range(_LOGINS):
        before = user.twin()
        user.read().expected("A read before the login")
        successor = user if number < _LOGINS - 1 else _another(probe, user)
        successor.login().expected("A login over a session")
        same += successor.cookies == before.cookies
        alive += not before.read(what="with the cookie from before the login").anonymous
    probe.figures |= {"logins": _LOGINS, "ids_kept": same, "old_ids_alive": alive}
    if same:
        raise Failed(f"{same} of {_LOGINS} logins over a session kept its id.")
    if alive:
        raise Failed(f"The id changed at each of {_LOGINS} logins, and {alive} of the old ones still open a session.")
    return f"The id changed at each of {_LOGINS} logins over a session, and the old one was answered with 401."


@check(
    13,
    "nested",
    "A change inside a nested value is saved.",
    source="Django documentation, When sessions are saved: request.session['foo']['bar'] is not noticed; Starlette",
    quick=True,
)
def nested(probe: Probe) -> str:
    """Change something nested in place, and ask at the next change for what was there before."""
    probe.needs_route("POST", "/nested")
    user = probe.user()
    former: str | None = None
    for number in range(1, _CHANGES + 1):
        answer = user.ask("POST", "/nested", body={"note": f"nested {number}"}).expected("POST /nested")
        found = answer.body.get("former")
        if former is not None and found != former:
            raise Failed(f"After {former!r} was put into a nested value the next request found {found!r} there.")
        former = f"nested {number}"
    return f"{_CHANGES} changes inside a nested value, and each was there at the next."


def _adopted(probe: Probe, cookies: dict[str, str], what: str) -> bool:
    """Log in with a chosen cookie, and tell whether it became the new session's."""
    attacker, victim = probe.agent(), probe.agent()
    attacker.cookies = victim.cookies = cookies
    chosen = attacker.cookie
    attacker.read(cookie=chosen, what=f"with {what}")
    answer = victim.ask("POST", "/login", body={"user": victim.name}, what=f"with {what}")
    if not answer.status or answer.status >= _HTTP_500:
        raise Inexcusable(f"A login with {what} was answered with {answer.told}.")
    if not answer.ok:
        return False
    if victim.cookies == cookies:
        return True
    seen = attacker.read(cookie=chosen, what=f"with {what}, after another's login with it")
    # Whether what was logged out is still open to its former owner is for the check of revocation to say.
    return seen.ok and seen.user == victim.name


def _another(probe: Probe, holder: Agent) -> Agent:
    """Return another user at the same browser."""
    made = probe.agent()
    made.cookies = dict(holder.cookies)
    return made


def _alike(value: str) -> str:
    """Return something random of the same length and alphabet."""
    return "".join(_drawn(each) for each in value)


def _drawn(character: str) -> str:
    kind = next((letters for letters in _LETTERS if character in letters), character)
    return secrets.choice(kind)
