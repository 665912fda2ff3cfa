"""The end of a session's life: when it comes, and what is left of it in the store."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from harness.audit.check import Failed, Skipped, check

if TYPE_CHECKING:
    from harness.audit.agent import Agent
    from harness.audit.probe import Probe

_IDLE_S, _ABSOLUTE_S = 1.0, 2.0
_ASKED_MS: Final = (-300, -100, 25, 75, 125, 175, 225, 275, 400, 550, 700, 1000)
"""When sessions that nobody used are asked for, each once, counted from when they are due."""
_MOST_SLACK_MS: Final = 250
_ROUNDING_S: Final = 0.02
"""Stores and apps round their clocks, so a session that ends so little early does not."""
_POLL_S: Final = 0.025
_TOO_LATE_S: Final = 1.5
"""A session that outlives its end by so much is not waited for."""
_ATTEMPTS: Final = 3
_SESSIONS: Final = 20
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


@check(
    7,
    "expiry",
    "A session ends when it was unused for its idle time, and at its absolute age however much it is used.",
    source="OWASP Session Management Cheat Sheet, session expiration; NIST SP 800-63B, section 7.2",
)
def expiry(probe: Probe) -> str:
    """Log in to an app with an idle time of 1 s and an absolute age of 2 s.

    Idle: sessions are each asked for once, before or after they are due, for asking may extend. Absolute: a session is
    polled every 25 ms. The slack is how long after it was due a session was still good, counted from the login's
    answer to the sending of the request: whoever is slow makes it shorter, never longer. Logins follow upon a full
    second, where clocks that count whole ones are the most generous.
    """
    known = {"idle_s": _IDLE_S, "absolute_s": _ABSOLUTE_S}
    known = {name: lives_s for name, lives_s in known.items() if name in probe.options}
    tried = {"idle_s": _idle, "absolute_s": _absolute}
    if not known:
        raise Skipped("It has neither an idle time nor an absolute age that could be set.")
    with ExitStack() as stack:
        if probe.options.get("slide") == "never":
            # Use extends nothing there, so a session that is polled would end at its idle time.
            apps = {name: stack.enter_context(probe.other(workers=1, **{name: s})) for name, s in known.items()}
        else:
            apps = dict.fromkeys(known, stack.enter_context(probe.other(workers=1, **known)))
        time.sleep(1 - time.time() % 1)
        found = probe.together([partial(tried[name], probe, url) for name, url in apps.items()])
    if not all(each.holds for each in found):
        raise Failed(" ".join(each.text for each in found if not each.holds))
    left_out = [f"It has no {name} to be tried." for name in tried if name not in known]
    return " ".join([*(each.text for each in found), *left_out])


def _begun(probe: Probe, url: str, name: str) -> _Life:
    asked = time.monotonic()
    return _Life(probe.user(name, url), asked, time.monotonic())


def _idle(probe: Probe, url: str) -> _Found:
    """Ask for each of some sessions once."""
    lives = [(asked_ms, _begun(probe, url, f"idle-{asked_ms}-ms")) for asked_ms in _ASKED_MS]
    slack_s, early_s = 0.0, 0.0
    for asked_ms, life in sorted(lives, key=lambda each: each[0] / 1000 + each[1].answered):
        due = life.answered + _IDLE_S
        time.sleep(max(0.0, due + asked_ms / 1000 - time.monotonic()))
        sent = time.monotonic()
        answer = life.user.read(what="once, after no use")
        if answer.ok:
            slack_s = max(slack_s, sent - due)
        elif answer.anonymous:
            early_s = max(early_s, life.asked + _IDLE_S - time.monotonic())
    return _judged(probe, "idle", _IDLE_S, slack_s, early_s)


def _absolute(probe: Probe, url: str) -> _Found:
    """Poll a session; another one where a busy machine left it unused for too long."""
    slides = probe.options.get("slide_at", 0.5) * _IDLE_S
    longest_s = slides / 2 if "idle_s" in probe.options else _ABSOLUTE_S
    for _ in range(_ATTEMPTS):
        life = _begun(probe, url, "polling")
        due = life.answered + _ABSOLUTE_S
        used, slack_s, early_s, gap_s = life.answered, 0.0, 0.0, 0.0
        while (sent := time.monotonic()) < due + _TOO_LATE_S:
            answer = life.user.read(what="every 25 ms")
            if answer.anonymous:
                early_s = max(0.0, life.asked + _ABSOLUTE_S - time.monotonic())
                break
            if answer.ok:
                slack_s = max(0.0, sent - due)
                gap_s, used = max(gap_s, time.monotonic() - used), sent
            time.sleep(_POLL_S)
        if early_s <= _ROUNDING_S or gap_s < longest_s:
            break
    return _judged(probe, "absolute", _ABSOLUTE_S, slack_s, early_s)


def _judged(probe: Probe, kind: str, lives_s: float, slack_s: float, early_s: float) -> _Found:
    """Say how it was kept."""
    slack_ms = probe.figures[f"{kind}_slack_ms"] = round(slack_s * 1000, 1)
    what = {"idle": f"A session unused for {lives_s:g} s", "absolute": f"A session used until it was {lives_s:g} s old"}
    if early_s > _ROUNDING_S:
        return _Found(False, f"{what[kind]} had ended {early_s * 1000:.0f} ms before that.")
    if slack_ms > _MOST_SLACK_MS:
        return _Found(False, f"{what[kind]} was still good {slack_ms:.0f} ms later.")
    return _Found(True, f"{what[kind]} was over: the slack is {slack_ms:.0f} ms.")


@check(
    18,
    "sweeping",
    "Expired sessions leave the store.",
    source="OWASP Session Management Cheat Sheet; CWE-401, CWE-613: what is over must not pile up",
)
def sweeping(probe: Probe) -> str:
    """Log in to an app with an idle time of 1 s, and count the store's records until those of the logins are gone."""
    with probe.other(workers=1, idle_s=_IDLE_S) as url:
        before = probe.records(url)
        for number in range(_SESSIONS):
            probe.user(f"expiring-{number + 1}", url)
        due = time.monotonic() + _IDLE_S
        most = probe.records(url)
        if most <= before:
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
