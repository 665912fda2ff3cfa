"""The cookie itself: how large it may become, how it is guarded, and what it gives away."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final

from harness.audit.agent import Agent
from harness.audit.check import Failed, Skipped, check
from harness.audit.cookies import LIMIT_BYTES, grow, guessing_bits, parsed, sealed_bits, session_cookie, tells

if TYPE_CHECKING:
    import httpx

    from harness.audit.agent import Answer
    from harness.audit.cookies import SetCookie
    from harness.audit.probe import Probe

_LARGE_BYTES: Final = {"5 kB": 5_000, "1 MB": 1_000_000}
_ATTEMPTS: Final = 5
"""A store may take longer over a megabyte than its deadline allows on a busy machine."""
_UNAUTHORIZED, _REQUEST_TIMEOUT, _UNAVAILABLE = 401, 408, 503
_CLIENT_ERRORS: Final = range(400, 500)
_IDS: Final = 16
_LEAST_BITS: Final = 128
_TELLING: Final = re.compile(
    r"phpsess|jsession|asp\.?net|aspsession|^cfid$|^cftoken$|connect\.sid|laravel|ci_session|rails|rack\.|django|flask"
    r"|starlette|starsession|fastapi|litestar|quart|express|koa|next-?auth|symfony|wordpress|cakephp|sails|play_session"
    r"|grails|beaker|tomcat|redis|mongo|postgres",
    re.IGNORECASE,
)


@check(
    11,
    "size",
    "A session that is too large is refused with a clear error, and never lost without a word.",
    source="RFC 6265, section 6.1: browsers need not keep a cookie above 4096 bytes; starlette#2412",
    quick=True,
)
def size(probe: Probe) -> str:
    """Log in with 5 kB and 1 MB to keep, and write 1 MB: each is kept, as the next read says, or refused with a 4xx."""
    with probe.kept() as connection:
        small = Agent(connection, probe.trail, "small")
        if not small.login(payload_bytes=100).ok or small.read().body.get("payload_bytes") != 100:  # noqa: PLR2004 - what was asked for
            raise Skipped("Its login does not keep payload_bytes, so nothing can be made large.")
        ended = {what: _login(probe, connection, what, length) for what, length in _LARGE_BYTES.items()}
        ended["a note of 1 MB"] = _write(small, "x" * _LARGE_BYTES["1 MB"])
    wrong = [f"{what}: {fault}" for what, fault in ended.items() if fault not in {"kept", "refused"}]
    if wrong:
        raise Failed(f"{'; '.join(wrong)}.")
    return f"{'; '.join(f'{what}: {how}' for what, how in ended.items())}."


def _login(probe: Probe, connection: httpx.Client, what: str, length: int) -> str:
    """Log in, and say what became of the session: kept, refused, or what is wrong."""
    agent = Agent(connection, probe.trail, f"large-{length}")
    for _ in range(_ATTEMPTS):
        answer = agent.login(payload_bytes=length)
        if answer.status != _UNAVAILABLE:
            break
    if not answer.ok:
        return _refusal(answer)
    set_bytes = max((parsed(line).size_bytes for line in answer.set_cookies), default=0)
    probe.figures[f"cookie_bytes_at_{length // 1000}_kb"] = set_bytes
    if set_bytes > LIMIT_BYTES:
        return f"the login sets a cookie of {set_bytes} bytes without a warning, which a browser drops"
    found = _again(agent)
    if found.body.get("payload_bytes") != length:
        return f"the login was answered with 200, and {what} was not there when it was read ({found.status})"
    return "kept"


def _write(agent: Agent, note: str) -> str:
    """Write, and say what became of it."""
    for _ in range(_ATTEMPTS):
        before = _again(agent)
        answer = agent.write(note, what="of 1 MB")
        if answer.status != _UNAVAILABLE:
            break
    set_bytes = max((parsed(line).size_bytes for line in answer.set_cookies), default=0)
    if set_bytes > LIMIT_BYTES:
        return f"the write sets a cookie of {set_bytes} bytes without a warning, which a browser drops"
    found = _again(agent)
    if not found.ok or found.updates is None or before.updates is None:
        return f"the session was gone after a write that was answered with {answer.status}"
    kept = found.updates - before.updates
    if answer.ok:
        return "kept" if kept == 1 else "the write was answered with 200 and not kept"
    return _refusal(answer) if kept == 0 else f"the write was answered with {answer.status} and kept all the same"


def _again(agent: Agent) -> Answer:
    for _ in range(_ATTEMPTS):
        answer = agent.read()
        if answer.status != _UNAVAILABLE:
            break
    return answer


def _refusal(answer: Answer) -> str:
    clear = answer.status in _CLIENT_ERRORS and answer.status not in {_UNAUTHORIZED, _REQUEST_TIMEOUT}
    return "refused" if clear else f"no clear error but {answer.status or answer.text}"


@check(
    14,
    "cookie",
    "The session's cookie is guarded by its attributes, cannot be guessed, means nothing, and is kept by no cache.",
    source="OWASP Session Management Cheat Sheet; RFC 6265, section 4.1.2; RFC 9111, section 7.3; RFC 9110, 12.5.5",
    quick=True,
)
def cookie(probe: Probe) -> str:
    """Look at the headers of logins, a read, a write and a logout.

    What can be guessed is judged by the positions at which the ids of some logins differ. Where the client keeps the
    session its cookie may be read and grow by design; there the signature at its end must have the 128 bits. Secure
    needs an app that was asked for it: before a run nobody is, unless the variant itself asks.
    """
    name = f"marguerite-{secrets.token_hex(3)}"
    # What a client keeps is the same for the same user in the same second, and so is its signature.
    agents = [probe.agent(f"{name}-{number}") for number in range(_IDS)]
    answers = [agent.login(payload_bytes=0).expected("POST /login") for agent in agents]
    called, _ = session_cookie(agents[0])
    ids = [agent.cookies.get(called, "") for agent in agents]
    issued = [given for answer in answers for given in map(parsed, answer.set_cookies) if given.name == called]
    read, nobody = agents[0].read(), probe.agent("nobody").read()
    answers += [read, agents[0].write(), agents[0].logout()]
    missing = [*_attributes(issued), *_meaning(probe, called, ids, name), *_caching(answers, [read, nobody])]
    secure = _secure(probe, issued, called)
    if secure is not None:
        missing += [] if secure else ["Secure, though asked for"]
    if missing:
        raise Failed(f"The cookie {called} lacks: {'; '.join(missing)}.")
    asked = "Secure" if secure else "(nobody asked for Secure)"
    bits = probe.figures["guessing_bits"]
    return (
        f"The cookie {called} has HttpOnly, SameSite, {asked}, a path and no domain, at most {bits:.0f} bits to guess "
        "and no meaning; its answers say no-store and Vary."
    )


def _attributes(issued: list[SetCookie]) -> list[str]:
    """Name what is wrong with the attributes of any."""
    said = [each.attributes for each in issued]
    wrong = {
        "HttpOnly": any("httponly" not in each for each in said),
        "SameSite of Lax or Strict": any(each.get("samesite", "").lower() not in {"lax", "strict"} for each in said),
        "a Path": any(not each.get("path", "").startswith("/") for each in said),
        "no Domain, so that no sibling host gets it": any(each.get("domain") for each in said),
    }
    return [what for what, is_wrong in wrong.items() if is_wrong]


def _meaning(probe: Probe, called: str, ids: list[str], user: str) -> list[str]:
    """Name what the cookie gives away, or would let be guessed."""
    at_client = probe.traits.get("keeps") == "client"
    bits = probe.figures["guessing_bits"] = (sealed_bits if at_client else guessing_bits)(ids)
    wrong = {
        f"{_LEAST_BITS} bits that cannot be guessed (at most {bits:.0f})": bits < _LEAST_BITS,
        "a name that does not tell the technology": _TELLING.search(called) is not None,
        "a value without meaning (the user's name is in it)": not at_client and any(tells(each, user) for each in ids),
        "a value without order (each login's is greater than the last one's)": not at_client and grow(ids),
    }
    return [what for what, is_wrong in wrong.items() if is_wrong]


def _caching(answers: list[Answer], dependent: list[Answer]) -> list[str]:
    """Name the headers that keep caches from giving one user's cookie or profile to another."""
    setting = [each for each in answers if each.set_cookies]
    wrong = {
        "Cache-Control: no-store beside Set-Cookie": any(
            "no-store" not in _list(each, "cache-control") for each in setting
        ),
        "Vary: Cookie on what depends on it": any(not {"cookie", "*"} & _list(each, "vary") for each in dependent),
    }
    return [what for what, is_wrong in wrong.items() if is_wrong]


def _list(answer: Answer, header: str) -> set[str]:
    return {each.strip().lower() for each in answer.headers.get(header, "").split(",")}


def _secure(probe: Probe, issued: list[SetCookie], called: str) -> bool | None:
    """Tell whether cookies are Secure where that is asked for; None where nobody asked."""
    if probe.options.get("secure"):
        return all("secure" in each.attributes for each in issued)
    if probe.quick:
        return None
    try:
        with probe.other(workers=1, secure=True) as url:
            given = map(parsed, probe.agent(url=url).login().set_cookies)
            return any(each.name == called and "secure" in each.attributes for each in given)
    except Skipped:
        return None
