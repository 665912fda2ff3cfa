"""Cookies that were not issued as they come: changed, cut, put together from two, or never cookies at all."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Final

from harness.audit.agent import Agent
from harness.audit.check import Failed, check
from harness.audit.cookies import session_cookie

if TYPE_CHECKING:
    import httpx

    from harness.audit.probe import Probe

_QUICK: Final = 48
"""So many positions and lengths of a cookie are tried before a run; a longer cookie's are spread evenly."""
_UNUSED: Final = 15 / 63
"""The last character of base64 without padding carries up to 4 bits that mean nothing: 15 others may say the same."""
_SERVER_ERROR, _UNAVAILABLE = 500, 503
_ATTEMPTS: Final = 3
"""A store that does not answer in time on a busy machine is no fault of the cookie's."""
_ALPHABET: Final = string.ascii_letters + string.digits + "-_"
_GARBAGE: Final[dict[str, bytes]] = {
    "an empty value": b"",
    "one character": b"x",
    "43 characters that nobody issued": b"A" * 43,
    "quotation marks": b'"',
    "two quotation marks": b'""',
    "equals signs": b"====",
    "bytes that are not ASCII": bytes(range(0x80, 0x100)),
    "control characters": b"\x01\x02\x1b\x7f",
    "text in UTF-8": "säsßion-€-😀".encode(),
    "broken UTF-8": b"\xc3\x28\xa0\xa1\xe2\x28",
    "escaped NULs": b"%00%00\\0\\x00",
    "a JSON object": b"{}",
    "null": b"null",
    "a path": b"../../../../etc/passwd",
    "a wildcard": b"*",
    "SQL": b"'%20OR%201=1--",
    "dots": b"...",
    "8 kB": b"a" * 8192,
    "64 kB": b"a" * 65536,
}


class _Tries:
    """Sends a user's requests with other cookies, and keeps what must not be: who was let in, and what broke."""

    def __init__(self, user: Agent, name: str) -> None:
        self.made = 0
        self.faults: list[str] = []
        self.others = 0
        self.other = ""
        self._user = user
        self._name = name.encode()

    def opened(self, what: str, value: str | bytes) -> bool:
        """Read with this value, and tell whether it was taken for the user's own."""
        sent = value.encode() if isinstance(value, str) else value
        return self.header_opened(what, self._name + b"=" + sent)

    def header_opened(self, what: str, header: bytes) -> bool:
        """Read with this Cookie header."""
        self.made += 1
        for _ in range(_ATTEMPTS):
            answer = self._user.read(cookie=header, what=f"with {what}")
            if answer.status != _UNAVAILABLE:
                break
        if answer.status == 0 or answer.status >= _SERVER_ERROR:
            self.fault(f"{what} got {f'the status {answer.status}' if answer.status else answer.text}")
        elif answer.ok and answer.user not in {None, self._user.name}:
            self.others += 1
            self.other = f"{answer.user}, by {what}"
        return answer.ok and answer.user == self._user.name

    def fault(self, what: str) -> None:
        """Keep what must not be, once."""
        if what not in self.faults:
            self.faults.append(what)


@check(
    10,
    "tampering",
    "A cookie that was not issued as it comes opens nobody's session, and breaks nothing.",
    source="OWASP Session Management Cheat Sheet, session IDs are untrusted input; CWE-565, CWE-20",
    quick=True,
)
def tampering(probe: Probe) -> str:
    """Read with the cookie changed at every position, cut at every length, joined with another's, and with garbage.

    A server that takes another spelling of the same value (quotation marks around it, padding, hexadecimal in the
    other case, the bits of base64's last character that mean nothing) gives nothing away by it: such are counted as
    `malleable`. Any other changed value that opens the session is one that nobody issued.
    """
    with probe.kept() as connection:
        user, neighbour = (_logged_in(probe, connection, name) for name in ("tampering-one", "tampering-two"))
        name, value = session_cookie(user)
        tries = _Tries(user, name)
        malleable = _changed(tries, value, quick=probe.quick)
        _joined(tries, value, session_cookie(neighbour)[1])
        malleable += _respelled(tries, value)
        for what, garbage in _GARBAGE.items():
            if tries.opened(what, garbage):
                tries.fault(f"{what} opened the session")
        _headers(tries, name.encode(), value.encode())
        if not user.read(what="with the cookie as it was issued").ok:
            tries.fault("the genuine cookie was no longer good afterwards")
    if tries.others:
        tries.fault(f"{tries.others} opened a session of somebody else's (the last one that of {tries.other})")
    probe.figures |= {"cookies_tried": tries.made, "malleable": malleable, "others_opened": tries.others}
    if tries.faults:
        raise Failed(f"Of {tries.made} cookies that nobody issued: {'; '.join(tries.faults)}.")
    spelled = f" {malleable} other spellings of the same value are taken for it." if malleable else ""
    return f"None of {tries.made} cookies that nobody issued opened a session or caused an error.{spelled}"


def _logged_in(probe: Probe, connection: httpx.Client, name: str) -> Agent:
    """Log in with as little in the session as may be: the cookie may be all of it."""
    agent = Agent(connection, probe.trail, name)
    agent.login(payload_bytes=0).expected("POST /login")
    agent.read().expected("GET /profile after it")
    return agent


def _changed(tries: _Tries, value: str, *, quick: bool) -> int:
    """Change it and cut it; returns how many other spellings were taken for it."""
    at_most = _QUICK if quick else len(value)
    core = value.rstrip("=")
    last = len(core) - 1
    flipped = [place for place in _spread(last, at_most) if tries.opened("one character changed", _flip(core, place))]
    if flipped:
        places = ", ".join(str(place + 1) for place in flipped[:10]) + (", …" if len(flipped) > 10 else "")  # noqa: PLR2004 - enough of them
        tries.fault(f"one changed character was overlooked at {len(flipped)} places of {last + 1} ({places})")
    others = [each for each in _ALPHABET[:: 4 if quick else 1] if each != core[last:]]
    unused = sum(tries.opened("the last character changed", core[:last] + each) for each in others)
    if unused > _UNUSED * len(others):
        tries.fault(f"{unused} of {len(others)} other last characters were taken for the right one")
    cut = [length for length in _spread(last, at_most) if tries.opened("its end cut off", core[:length])]
    if cut:
        tries.fault(f"it may be cut to {min(cut)} of {len(value)} characters")
    return unused


def _joined(tries: _Tries, value: str, other: str) -> None:
    half = len(value) // 2
    joined = {
        "its first half and another's second": value[:half] + other[half:],
        "another's first half and its second": other[:half] + value[half:],
        "its value and another's in one": value + other,
        "a character too many": value + "A",
        "a character before it": "A" + value,
        "its value backwards": value[::-1],
    }
    for what, each in joined.items():
        if each not in {value, other} and tries.opened(what, each):
            tries.fault(f"{what} opened the session")


def _respelled(tries: _Tries, value: str) -> int:
    """Spell it in other ways that may mean the same; returns how many of them do."""
    other_case = value.swapcase()
    taken = 0
    if value in {value.lower(), value.upper()}:
        taken += other_case != value and tries.opened("its letters in the other case", other_case)
    elif tries.opened("its letters in the other case", other_case):
        tries.fault("upper and lower case were taken for the same")
    taken += tries.opened("quotation marks around it", f'"{value}"')
    taken += tries.opened("padding behind it", f"{value}=")
    taken += value.endswith("=") and tries.opened("its padding cut off", value.rstrip("="))
    return taken + tries.opened("its first character escaped", f"%{ord(value[0]):02x}{value[1:]}")


def _headers(tries: _Tries, name: bytes, value: bytes) -> None:
    """Send headers that no browser would; a genuine cookie among them may be taken, so only errors count."""
    for what, header in {
        "a Cookie header without a value": name,
        "a Cookie header of separators": b";;=;=;,",
        "the cookie twice, the second garbage": name + b"=" + value + b"; " + name + b"=garbage",
        "the cookie twice, the first garbage": name + b"=garbage; " + name + b"=" + value,
        "a hundred cookies besides": b"; ".join(b"c%d=%d" % (each, each) for each in range(100)),
    }.items():
        tries.header_opened(what, header)


def _spread(length: int, at_most: int) -> list[int]:
    """Return the places below a length, at most so many, evenly spread."""
    return sorted({round(each * length / min(length, at_most)) for each in range(min(length, at_most))})


def _flip(value: str, place: int) -> str:
    return value[:place] + ("B" if value[place] in "aA" else "A") + value[place + 1 :]
