"""What a kind of backend cannot do, and what a policy gives up by choice: both decided before anything is tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.record.audited import State

_STATELESS: Final = "It keeps nothing, so there is nothing to get right."
_WITH_THE_CLIENT: Final[dict[int, str]] = {
    3: "The session is the client's own cookie: whoever kept it still has it.",
    4: "The session is the client's own cookie, and a slow request's answer brings it back.",
    6: "The session is the client's own cookie: nobody keeps a list of what was replaced.",
    8: "The session is the client's own cookie: every concurrent request begins with the same one.",
    9: "The session is the client's own cookie, and the last answer wins.",
}
_NO_STORE: Final[dict[int, str]] = {
    12: "There is no store that could hold records.",
    15: "There is no store that could fail.",
    17: "There is no store that could be written to.",
    18: "There is no store that could hold expired sessions.",
}


@dataclass(frozen=True)
class Excuse:
    """The state that a check ends with in place of FAIL, and why; SKIPPED means that it is not even tried."""

    state: State
    why: str


def excuse(number: int, traits: Mapping[str, Any], options: Mapping[str, Any]) -> Excuse | None:
    """Return what excuses a variant from a check, or None.

    CANNOT and WAIVED only stand in for a FAIL, whose evidence is kept: a variant that does better is told so.
    """
    keeps = traits.get("keeps")
    if keeps == "nothing":
        return Excuse("SKIPPED", _STATELESS)
    if keeps == "client":
        if number in _NO_STORE:
            return Excuse("SKIPPED", _NO_STORE[number])
        if number in _WITH_THE_CLIENT:
            return Excuse("CANNOT", _WITH_THE_CLIENT[number])
    if keeps == "process" and number == 15:  # noqa: PLR2004 - the outage
        return Excuse("SKIPPED", "It has no store apart from its own process, which could fail without it.")
    return _waived(number, options)


def _waived(number: int, options: Mapping[str, Any]) -> Excuse | None:
    last_wins = options.get("conflict") == "last-wins"
    match number:
        case 8 if last_wins:
            return Excuse("WAIVED", "conflict=last-wins gives up concurrent updates by choice.")
        case 9 if last_wins and options.get("write") == "always":
            return Excuse("WAIVED", "write=always with conflict=last-wins lets a read write back what it has read.")
        case 17 if options.get("write") == "always" or options.get("slide") == "always":
            policy = "write=always" if options.get("write") == "always" else "slide=always"
            return Excuse("WAIVED", f"{policy} writes on every read by choice.")
    return None
