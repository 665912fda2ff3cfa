"""Cookies as an auditor looks at them: what a Set-Cookie header says, and how much of an id could be guessed."""

from __future__ import annotations

import base64
import binascii
import math
import re
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Final

from harness.audit.check import Skipped
from harness.hand import kept_cookies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.audit.agent import Agent

LIMIT_BYTES: Final = 4096
"""A browser need not keep a larger one: name, value and attributes together (RFC 6265, section 6.1)."""
_ALPHABETS: Final = (
    ("[0-9]", 10),
    ("[0-9a-f]", 16),
    ("[0-9A-F]", 16),
    ("[A-Z2-7]", 32),
    ("[0-9a-z]", 36),
    ("[0-9A-Za-z]", 62),
    (".", 64),
)


@dataclass(frozen=True)
class SetCookie:
    """One Set-Cookie header; the attributes' names are in lower case."""

    line: str
    name: str
    value: str
    attributes: dict[str, str]

    @property
    def gives(self) -> bool:
        """Whether a browser has the cookie afterwards; else the header takes it away."""
        return bool(kept_cookies({}, [self.line]).get(self.name))

    @property
    def size_bytes(self) -> int:
        """Name, value and attributes."""
        return len(self.line.encode())


def parsed(line: str) -> SetCookie:
    """Take a Set-Cookie header apart (RFC 6265, section 5.2)."""
    pair, *attributes = (part.strip() for part in line.split(";"))
    name, _, value = pair.partition("=")
    said = (each.partition("=") for each in attributes)
    return SetCookie(line, name, value, {key.strip().lower(): text.strip() for key, _, text in said})


def session_cookie(agent: Agent) -> tuple[str, str]:
    """Return name and value of the cookie that a logged-in user's session hangs on: of several the longest."""
    if not agent.cookies:
        raise Skipped("Its login sets no cookie, so whatever its sessions hang on is not tried here.")
    name = max(agent.cookies, key=lambda each: len(agent.cookies[each]))
    return name, agent.cookies[name]


def guessing_bits(values: Sequence[str]) -> float:
    """Return how many bits of an id an attacker has to guess, at most, judged by some ids of the same length or so.

    A position at which all of them agree is known. One at which they differ is worth the logarithm of the smallest
    usual alphabet that has all of the characters seen: hexadecimal 4 bits, base64 6. That is an upper bound: it finds
    ids that are too short or mostly fixed, and cannot tell a good generator from a bad one.
    """
    varying = [set(place) for place in zip_longest(*values, fillvalue="") if len(set(place)) > 1]
    seen = "".join(sorted({character for place in varying for character in place}))
    size = next(size for alphabet, size in _ALPHABETS if re.fullmatch(f"{alphabet}*", seen))
    return len(varying) * math.log2(size)


def sealed_bits(values: Sequence[str]) -> float:
    """Return the same of the end alone, from the last position at which all agree: there a client's cookie is signed.

    The ids are of one length, or a signature of one length ends them.
    """
    backwards = [value[::-1] for value in values]
    varying = 0
    for place in zip(*backwards, strict=False):
        if len(set(place)) == 1:
            break
        varying += 1
    return guessing_bits([value[:varying] for value in backwards])


def grow(values: Sequence[str]) -> bool:
    """Tell whether each is greater than the one before it: they begin with a counter or a clock."""
    numbers = all(value.isdecimal() for value in values)
    ranks = [(len(value) if numbers else 0, value) for value in values]
    return all(one < later for one, later in pairwise(ranks))


def tells(value: str, secret: str) -> bool:
    """Tell whether a value has the secret in it, plainly, in hexadecimal or in base64 at whatever offset."""
    return any(secret.encode() in reading for reading in _readings(value))


def _readings(value: str) -> list[bytes]:
    readings = [value.encode()]
    for part in re.split(r"[^A-Za-z0-9_+/-]", value.replace("%2B", "+").replace("%2F", "/")):
        standard = part.replace("-", "+").replace("_", "/")
        for offset in range(4):
            whole = standard[offset : len(standard) - (len(standard) - offset) % 4]
            readings.append(base64.b64decode(whole))
        try:
            readings.append(bytes.fromhex(part))
        except (ValueError, binascii.Error):
            continue
    return readings
