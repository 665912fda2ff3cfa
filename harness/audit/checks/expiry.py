"""The end of a session's life: when it comes, and what is left of it in the store."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from harness.audit.check import Failed, Skipped, check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.audit.agent import Agent
    from harness.audit.probe import Probe

_LIVES_S: Final = {"idle_s": 0.9, "absolute_s": 1.9}
_WHOLE_S: Final = {"idle_s": 1, "absolute_s": 2}
_ASKED_MS: Final = (-300, -100, 25, 75, 125, 175, 225, 275, 400, 550, 700, 1000, 1300)
"""When sessions that nobody used are asked for, each once, counted from when they are due."""
_MOST_SLACK_MS: Final = 250
_WHOLE_MS: Final = 1000
"""Who counts whole seconds, and says so by taking no others, may be late by one."""
_ROUNDING_S: Final = 0.02
"""Stores and apps round their clocks, so a session that ends so little early does not."""
_POLL_S: Final = 0.025
_TOO_LATE_S: Final = 1.5
"""A session that outlives its end by so much is not waited for."""
_ATTEMPTS: Final = 3
"""A busy machine may pause for longer than a session lives."""
_SESSIONS: Final = 20
_SWEPT_S: Final = 1
_ASK_S: Final = 0.1
patience_s = 20.0
"""A sweep comes at the latest after so long."""


@dataclass(frozen=True)
class _Found:
    """How one kind of expiry was kept, in a sentence."""

    holds: bool
    text: str


@dataclass(frozen=True)
class _Life:
    """A session's life as it was seen from outside: it began between these two moments (s, monotonic)."""

    user: Agent
    asked: float
    answered: float


class _Busy(Skipped):
    """The machine is too busy for what takes milliseconds."""


@check(
    7,
    "expiry",
    "A session ends when it was unused for its idle time, and at its absolute age however much it is used.",
    source="OWASP Session Management Cheat Sheet, session expiration; NIST SP 800-63B, section 7.2",
)
def expiry(probe: Probe) -> str:
    """Log in to an app with an idle time of 0.9 s and an absolute age of 1.9 s; or 1 s and 2 s where it must be.

    Idle: sessions are each asked for once, before or after they are due, for asking may extend. Absolute: a session is
    polled every 25 ms. The slack is how long after it was due a session was still good, counted from the login's
    answer to the sending of the request: whoever is slow makes it shorter, never longer. Logins follow upon a full
    second, where clocks that count whole ones are the most generous.
    """
    known = [name for name in _LIVES_S if name in probe.options]
    if not known:
        raise Skipped("It has neither an idle time nor an absolute age that could be set.")
    try:
        found = _tried(probe, {name: _LIVES_S[name] for name in known}, _MOST_SLACK_MS)
        whole = ""
    except _Busy:
        raise
    except Skipped:
        found = _tried(probe, {name: _WHOLE_S[name] for name in known}, _MOST_SLACK_MS + _WHOLE_MS)
        whole = " It takes whole seconds only, so one more is allowed."
    if not all(each.holds for each in found):
        raise Failed(" ".join(each.text for each in found if not each.holds) + whole)
    left_out = "".join(f" It has no {name} to be tried." for name in _LIVES_S if name not in known)
    return " ".join(each.text for each in found) + whole + left_out


def _tried(probe: Probe, lives: dict[str, Any], most_ms: float) -> list[_Found]:
    """Try these lifetimes; raises Skipped where no app can be had with them."""
    kinds = {"idle_s": _idle, "absolute_s": _absolute}
    with ExitStack() as stack:
        if probe.options.get("slide") == "never":
            # Use extends nothing there, so a session that is polled would end at its idle time.
            apps = {name: stack.enter_context(probe.other(workers=1, **{name: s})) for name, s in lives.items()}
        else:
            apps = dict.fromkeys(lives, stack.enter_context(probe.other(workers=1, **lives)))
        time.sleep(1 - time.time() % 1)
        return probe.together([partial(kinds[name], probe, url, lives, most_ms) for name, url in apps.items()])


def _begun(probe: Probe, url: str, name: str) -> _Life:
    asked = time.monotonic()
    return _Life(probe.user(name, url), asked, time.monotonic())


def _idle(probe: Probe, url: str, lives: Mapping[str, Any], most_ms: float) -> _Found:
    """Ask for each of some sessions once."""
    idle_s = lives["idle_s"]
    begun = [(asked_ms, _begun(probe, url, f"idle-{asked_ms}-ms")) for asked_ms in _ASKED_MS]
    slack_s, early_s = 0.0, 0.0
    for asked_ms, life in sorted(begun, key=lambda each: each[0] / 1000 + each[1].answered):
        due = life.answered + idle_s
        time.sleep(max(0.0, due + asked_ms / 1000 - time.monotonic()))
        sent = time.monotonic()
        answer = life.user.read(what="once, after no use")
        if answer.ok:
            slack_s = max(slack_s, sent - due)
        elif answer.anonymous:
            early_s = max(early_s, life.asked + idle_s - time.monotonic())
    probe.figures["idle_slack_ms"] = round(slack_s * 1000, 1)
    return _judged(f"A session unused for {idle_s:g} s", slack_s, early_s, most_ms)


def _absolute(probe: Probe, url: str, lives: Mapping[str, Any], most_ms: float) -> _Found:
    """Poll a session; another one where a busy machine left it unused for too long."""
    absolute_s = lives["absolute_s"]
    longest_s = lives.get("idle_s", 2 * absolute_s) * probe.options.get("slide_at", 0.5) / 2
    for _ in range(_ATTEMPTS):
        life = _begun(probe, url, "polling")
        due = life.answered + absolute_s
        used, slack_s, early_s, gap_s = life.answered, 0.0, 0.0, 0.0
        while (sent := time.monotonic()) < due + _TOO_LATE_S:
            answer = life.user.read(what="every 25 ms")
            gap_s = max(gap_s, time.monotonic() - used)
            if answer.anonymous:
                early_s = max(0.0, life.asked + absolute_s - time.monotonic())
                break
            if answer.ok:
                slack_s, used = max(0.0, sent - due), sent
            time.sleep(_POLL_S)
        if early_s <= _ROUNDING_S or gap_s < longest_s:
            break
    else:
        raise _Busy(f"No session could be used often enough: the machine left one alone for {gap_s:.1f} s.")
    probe.figures["absolute_slack_ms"] = round(slack_s * 1000, 1)
    return _judged(f"A session used until it was {absolute_s:g} s old", slack_s, early_s, most_ms)


def _judged(what: str, slack_s: float, early_s: float, most_ms: float) -> _Found:
    """Say how it was kept."""
    if early_s > _ROUNDING_S:
        return _Found(False, f"{what} had ended {early_s * 1000:.0f} ms before that.")
    if slack_s * 1000 > most_ms:
        return _Found(False, f"{what} was still good {slack_s * 1000:.0f} ms later.")
    return _Found(True, f"{what} was over: the slack is {slack_s * 1000:.0f} ms.")


@check(
    18,
    "sweeping",
    "Expired sessions leave the store.",
    source="OWASP Session Management Cheat Sheet; CWE-401, CWE-613: what is over must not pile up",
)
def sweeping(probe: Probe) -> str:
    """Log in to an app with an idle time of 1 s, and count the store's records until those of the logins are gone.

    Where it has no idle time its absolute age will do.
    """
    name = "absolute_s" if "absolute_s" in probe.options and "idle_s" not in probe.options else "idle_s"
    lives: dict[str, Any] = {name: _SWEPT_S}
    with probe.other(workers=1, **lives) as url:
        for _ in range(_ATTEMPTS):
            before = probe.records(url)
            for number in range(_SESSIONS):
                probe.user(f"expiring-{number + 1}", url)
            due = time.monotonic() + _SWEPT_S
            most = probe.records(url)
            if most > before:
                break
        else:
            raise Failed(f"{_SESSIONS} logins left the store with {most} records, after {before} before them.")
        while (left := probe.records(url)) > before and time.monotonic() < due + patience_s:
            time.sleep(_ASK_S)
    gone_s = max(0.0, time.monotonic() - due)
    probe.figures |= {"records_before": before, "records_at_most": most, "records_left": left}
    if left > before:
        raise Failed(
            f"{left - before} of {_SESSIONS} sessions still lay in the store {patience_s:.0f} s after they had expired."
        )
    probe.figures["gone_after_s"] = round(gone_s, 2)
    return f"{_SESSIONS} sessions were gone from the store {gone_s:.1f} s after they had expired."
