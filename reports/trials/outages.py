"""What a fault did, from a trial's requests: how the app failed, how soon it recovered, what was lost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from reports.format import FAILURES, OUTCOMES
from reports.record.columns import CENSORED, NULL, RIGHT, among, ints, one_of, outcomes, start_us
from reports.record.outage import SLACK_MS, Outage, Stage
from reports.trials.outage_verdict import judged
from reports.trials.quantiles import percentiles
from reports.verdict import ERROR_SHARE_LIMIT

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from reports.record.columns import Ints, Mask

__all__ = ["SESSIONLESS", "STRAY_QUIET_S", "STRAY_SHARE", "judged", "outage"]

SESSIONLESS: Final = frozenset({"GET /ping"})
"""Requests that need neither a session nor a store, by name."""
STRAY_SHARE: Final = ERROR_SHARE_LIMIT
"""Of the requests that end behind the store's answer; no more than any trial may have."""
STRAY_QUIET_S: Final = 0.5
"""Strays come so long behind the failure before them: what comes sooner is a recovery that takes its time."""

_UNAVAILABLE: Final = 503
_SERVER_ERROR: Final = 500
_LOGGED_OUT: Final = 401
_OK: Final = 200
_NEVER: Final = np.iinfo(np.int64).max
_Span = tuple[Literal["before", "during", "after"], int, int]


@dataclass(frozen=True, slots=True)
class _Asked:
    """Some requests of a trial, each with its time and the moments from which and until when that counts."""

    from_us: Ints
    took_us: Ints
    end_us: Ints
    kinds: npt.NDArray[np.int8]
    status: Ints

    def of(self, rows: Mask) -> _Asked:
        """Return those of these rows."""
        return _Asked(self.from_us[rows], self.took_us[rows], self.end_us[rows], self.kinds[rows], self.status[rows])

    @property
    def spoilt(self) -> Mask:
        """Which failed for want of a store, or of an app."""
        broken = one_of({"http_error"})[self.kinds] & (self.status >= _SERVER_ERROR)
        return np.asarray(broken | one_of({"transport_error", *CENSORED})[self.kinds], dtype=np.bool_)


def outage(
    requests: pa.Table,
    *,
    through: Literal["process", "relay"],
    began_us: int,
    lifted_us: int,
    answered_us: int | None,
    window_s: float,
    deadline_ms: float | None,
    connections_before: int | None,
    connections_after: int | None,
    arm: int = 0,
) -> Outage:
    """Return what the requests of one arm saw of a fault in the window, which begins at 0 µs and lasts `window_s`.

    `requests` are as in `reports.record.tables`, under open load, warm-up and drain included. The store is away from
    `began_us` until it answers the harness again: that it was let go on at `lifted_us` helps nobody before it answers.
    Where it never does, it is away to the window's end, and there is no stage after. `deadline_ms` is what the app
    promises to refuse within; null: it promises nothing. Connections are counted by the harness.

    Recovery ends with the last failure behind the store's answer; what was never answered counts only where it was sent
    behind it too, for else it hangs from the outage itself. Up to `STRAY_SHARE` of the requests that end behind
    that answer are left out of this, the last ones, where they come `STRAY_QUIET_S` behind all others: a pool that
    hands out a dead connection once, seconds later, has a flaw, and has recovered. They are counted as strays.
    """
    to_us = round(window_s * 1e6)
    mine = (ints(requests, "arm") == arm) & ~among(requests, "phase", ("closed",))
    bare = among(requests, "name", SESSIONLESS)
    start, response, kinds = start_us(requests), ints(requests, "response_us"), outcomes(requests)
    sent, service, status = (ints(requests, name) for name in ("sent_us", "service_us", "status"))
    known = mine & (start != NULL) & (response != NULL)
    asked = _Asked(start, response, start + response, kinds, status)
    served = _Asked(sent, service, sent + service, kinds, status)
    # A request of the warm-up that is still under way when the window begins is not in the window, nor is its failure.
    counted = known & (start >= 0) & (start < to_us)
    with_session, service_of = asked.of(counted & ~bare), served.of(counted & ~bare)
    away = min(to_us, to_us if answered_us is None else answered_us)
    spans = _spans(began_us, away, to_us)
    hit = with_session.spoilt & (with_session.end_us >= began_us)
    found = Outage(
        through=through,
        began_us=began_us,
        lifted_us=lifted_us,
        answered_us=answered_us,
        stages=[_stage(with_session, span) for span in spans],
        connections_before=connections_before,
        connections_after=connections_after,
    )
    without = served.of(known & bare & (sent != NULL) & (service != NULL) & (sent < to_us))
    if ((without.from_us >= 0) & (without.from_us < to_us)).any():
        found.sessionless = [_stage(without, span) for span in spans]
    found.hung = int(one_of({"timeout", "cut"})[kinds[counted]].sum())
    found.failed_before = int((one_of(FAILURES)[with_session.kinds] & (with_session.end_us < began_us)).sum())
    _errors(found, with_session.of(hit), service_of.of(hit), deadline_ms)
    wrong = one_of({"wrong_answer"})[with_session.kinds] & (with_session.end_us >= began_us)
    found.sessions_lost = int((wrong & (with_session.status == _LOGGED_OUT)).sum())
    found.updates_lost = int((wrong & (with_session.status == _OK)).sum())
    if answered_us is not None:
        _recovery(found, with_session, service_of.from_us, answered_us)
    return found


def _spans(began_us: int, away_us: int, to_us: int) -> list[_Span]:
    spans: list[_Span] = [("before", 0, min(began_us, to_us)), ("during", began_us, away_us), ("after", away_us, to_us)]
    return [span for span in spans if span[2] > span[1]]


def _stage(asked: _Asked, span: _Span) -> Stage:
    name, from_us, to_us = span
    right_then = one_of(RIGHT)[asked.kinds] & (asked.end_us >= from_us) & (asked.end_us < to_us)
    of = asked.of((asked.from_us >= from_us) & (asked.from_us < to_us))
    p50, p99 = percentiles(of.took_us, (50, 99))
    longest = int(of.took_us.max()) if len(of.took_us) else None
    unended = one_of(CENSORED)[of.kinds]
    at_least = []
    if unended.any():
        # As long as can be: where a percentile stays what it was, it is exact.
        most = percentiles(np.where(unended, _NEVER, of.took_us), (50, 99))
        at_least = [
            name for name, low, high in zip(("p50_us", "p99_us"), (p50, p99), most, strict=True) if low != high
        ] + ["longest_us"]
    return Stage(
        name=name, from_us=from_us, to_us=to_us, arrivals=len(of.kinds),
        goodput_per_s=float(right_then.sum()) / (to_us - from_us) * 1e6,
        p50_us=p50, p99_us=p99, longest_us=longest, at_least=at_least, errors=_kinds(of),
    )  # fmt: skip


def _kinds(of: _Asked) -> dict[str, int]:
    """Return the errors by kind, the most frequent first; a wrong answer is an answer."""
    failed = one_of({*FAILURES, *CENSORED} - {"wrong_answer"})[of.kinds]
    counts: dict[str, int] = {}
    for kind, status in zip(of.kinds[failed].tolist(), of.status[failed].tolist(), strict=True):
        name = str(status) if OUTCOMES[kind] == "http_error" else OUTCOMES[kind]
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _errors(found: Outage, spoilt: _Asked, served: _Asked, deadline_ms: float | None) -> None:
    """Fill in when the first error came, how long the slowest took, and how many refusals came late."""
    if not len(spoilt.kinds):
        return
    answered = np.flatnonzero(~one_of(CENSORED)[spoilt.kinds])
    if len(answered):
        first = answered[np.argmin(spoilt.end_us[answered])]
        found.first_error_us = int(spoilt.end_us[first])
        status = int(spoilt.status[first])
        found.first_error_status = None if status == NULL else status
    took = served.took_us[served.took_us != NULL]
    found.slowest_error_us = int(took.max()) if len(took) else None
    refused = spoilt.status == _UNAVAILABLE
    found.refused = int(refused.sum())
    if deadline_ms is not None:
        found.refused_late = int((served.took_us[refused] > (deadline_ms + SLACK_MS) * 1e3).sum())


def _recovery(found: Outage, asked: _Asked, sent_us: Ints, answered_us: int) -> None:
    behind = asked.end_us >= answered_us
    hung = one_of(CENSORED)[asked.kinds] & (np.where(sent_us == NULL, asked.from_us, sent_us) < answered_us)
    failed = np.sort(asked.end_us[behind & asked.spoilt & ~hung])
    tolerated = math.floor(STRAY_SHARE * int(behind.sum()))
    kept = len(failed)
    # From the last failure back to the quiet before it: what lies between is left out together or not at all.
    for quiet in np.flatnonzero(np.diff(failed, prepend=answered_us) >= STRAY_QUIET_S * 1e6)[::-1].tolist():
        if len(failed) - quiet > tolerated:
            break
        kept = quiet
    found.failed_after, found.strays = kept, len(failed) - kept
    recovered_us = int(failed[kept - 1]) if kept else answered_us
    if (one_of(RIGHT)[asked.kinds] & (sent_us >= recovered_us)).any():
        found.recovered_us = recovered_us
        found.recovery_ms = (recovered_us - answered_us) / 1e3
