"""Whether an app bore a fault as it should: refused in time, came back soon, kept what it had promised to keep."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from reports.format import Verdict
from reports.record.outage import SLACK_MS, errors, listed, stage
from reports.verdict import ERROR_SHARE_LIMIT
from reports.words.units import ms, plural, significant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reports.record.audited import Checked
    from reports.record.faulted import Fault
    from reports.record.outage import Outage, Stage

LATE_SHARE: Final = 0.01
"""Of the refusals: on a machine that others load, a loop may sleep through any moment."""
RECOVERY_LIMIT_S: Final = 2.0
"""Within it no request may fail any more, counted from the store's first answer: a driver that waits longer between
its attempts to connect keeps an app down whose store is up."""
SUFFERING: Final = 10.0
SUFFERING_US: Final = 50_000
"""A route without a session suffers when it takes so many times as long as before, and so long at all: what the
scheduler and a machine's other guests do reaches tens of ms, a blocked loop the deadline."""
LEAK_TIMES: Final = 2
LEAK_MORE: Final = 4
"""Connections leak when there are more than so many times those before, and by more than so many, and more than the
pool may have and so many over it: one that was not at its full size before grows into it as requests wait."""
FELT_SHARE: Final = 0.5
"""A fault was felt when somebody was refused, or waited this share of it."""

_UNAVAILABLE: Final = "503"
_UNANSWERED: Final = frozenset({"timeout", "cut", "unsent"})
_WORSE_THAN_LOST: Final = ("isolation", "well_formed", "payload")
"""Properties that no fault excuses."""


def judged(
    found: Outage,
    *,
    fault: Fault,
    deadline_ms: float | None,
    durability: str,
    checked: Mapping[str, Checked] | None = None,
    pooled: int = 0,
) -> Verdict:
    """Judge how an app bore a fault; what the plan asked for is no error, and times here are no latency measurement.

    A 503 within the deadline is right while the store is away, and until `RECOVERY_LIMIT_S` after it answers.
    `durability` is what the variant's acknowledged writes survive, as `Variant.durability`: a freeze takes nothing
    away, a kill what that does not cover, an empty restart everything. `checked` are the trial's, if it has them, and
    `pooled` the connections that the app's pools may hold in all, where that is known.
    """
    failed = [
        *_wrongly_failed(found, deadline_ms),
        *_unrecovered(found),
        *_bystanders(found.sessionless),
        *_lost(found, fault, durability),
        *(
            f"{plural(each.wrong, 'answer')} broke {name}"
            for name in _WORSE_THAN_LOST
            if (each := (checked or {}).get(name)) is not None and each.wrong
        ),
    ]
    before, after = found.connections_before, found.connections_after
    most = max(LEAK_TIMES * (before or 0), (before or 0) + LEAK_MORE, pooled + LEAK_MORE)
    if before is not None and after is not None and after > most:
        failed.append(f"connections to the store leaked: {before} before the fault, {after} at the end")
    invalid, suspect = _unmeasured(found), _unfelt(found, fault)
    reasons = [*failed, *invalid, *suspect]
    return Verdict(
        state="FAILED" if failed else "INVALID" if invalid else "SUSPECT" if suspect else "VALID", reasons=reasons
    )


def _wrongly_failed(found: Outage, deadline_ms: float | None) -> list[str]:
    """Return what failed otherwise than with a timely 503, or failed before there was a fault."""
    reasons = []
    counts = errors([*found.stages, *found.sessionless])
    if found.hung:
        reasons.append(
            f"{plural(found.hung, 'request')} hung: no answer came until the client gave up or the trial ended"
        )
    if unsent := counts.get("unsent", 0):
        reasons.append(f"{plural(unsent, 'arrival')} never found a free user, for as long as the trial lasted")
    if others := {kind: count for kind, count in counts.items() if kind not in {_UNAVAILABLE, *_UNANSWERED}}:
        reasons.append(f"errors other than {_UNAVAILABLE}: {listed(others)}")
    if deadline_ms is not None and found.refused_late > LATE_SHARE * found.refused:
        slowest = "" if found.slowest_error_us is None else f"; the slowest error took {ms(found.slowest_error_us)} ms"
        reasons.append(
            f"{found.refused_late:,} of {plural(found.refused, 'refusal')} came later than the deadline of "
            f"{deadline_ms:,.10g} ms and {SLACK_MS:g} ms of slack{slowest}"
        )
    before = stage(found.stages, "before")
    if before is not None and found.failed_before > ERROR_SHARE_LIMIT * before.arrivals:
        reasons.append(
            f"{found.failed_before:,} of {plural(before.arrivals, 'request')} failed before there was a fault"
        )
    return reasons


def _unrecovered(found: Outage) -> list[str]:
    if found.answered_us is None:
        return []
    limit = f"(limit {RECOVERY_LIMIT_S:g} s)"
    if found.recovery_ms is not None and found.recovery_ms > RECOVERY_LIMIT_S * 1e3:
        failed, last = plural(found.failed_after, "request"), significant(found.recovery_ms / 1e3)
        return [f"{failed} failed after the store had answered again, the last {last} s later {limit}"]
    after, left_s = stage(found.stages, "after"), seen_s(found)
    if found.recovered_us is None and left_s >= RECOVERY_LIMIT_S and after is not None and after.arrivals:
        return [f"requests failed to the end, {significant(left_s)} s after the store answered again {limit}"]
    return []


def seen_s(found: Outage) -> float:
    """Return how much of the window lay behind the store's answer."""
    after = stage(found.stages, "after")
    return 0.0 if after is None else (after.to_us - after.from_us) / 1e6


def _bystanders(stages: Sequence[Stage]) -> list[str]:
    """Return how routes without a session suffered."""
    reasons = []
    touched = [each for each in stages if each.name != "before"]
    if failed := errors(touched):
        asked = sum(each.arrivals for each in touched)
        reasons.append(
            f"{sum(failed.values()):,} of {plural(asked, 'request')} without a session failed: {listed(failed)}"
        )
    if (took := suffering(stages)) is not None:
        name, before_us, during_us = took
        reasons.append(
            f"requests without a session took {ms(during_us)} ms ({name}) while the store was away, "
            f"{ms(before_us)} ms before"
        )
    return reasons


def suffering(stages: Iterable[Stage]) -> tuple[str, float, float] | None:
    """Return a percentile by which routes without a session suffered, and what it was before and during; else None.

    It is p99, or the median where there are under a hundred requests.
    """
    before, during = stage(stages, "before"), stage(stages, "during")
    if before is None or during is None:
        return None
    for name in ("p99_us", "p50_us"):
        was, is_now = getattr(before, name), getattr(during, name)
        if was is not None and is_now is not None:
            suffers = is_now > SUFFERING * was and is_now > SUFFERING_US
            return (name.removesuffix("_us"), was, is_now) if suffers else None
    return None


def _lost(found: Outage, fault: Fault, durability: str) -> list[str]:
    allowed = _may_lose(found, fault, durability)
    if allowed == math.inf:
        return []
    if found.through == "relay" or fault.kind in {"freeze", "slow"}:
        why = "though the fault took nothing away"
    else:
        why = f"though the store's durability is: {durability}"
    reasons = []
    if found.sessions_lost > allowed:
        reasons.append(f"users found themselves logged out {plural(found.sessions_lost, 'time')}, {why}")
    if found.updates_lost > allowed:
        reasons.append(f"{plural(found.updates_lost, 'answer')} did not know of an acknowledged write, {why}")
    return reasons


def _may_lose(found: Outage, fault: Fault, durability: str) -> float:
    """Return how many acknowledged writes may be gone after this fault."""
    if found.through == "relay" or fault.kind in {"freeze", "slow"}:
        return 0
    if fault.kind == "restart-empty" or durability == "none":
        return math.inf
    if within := re.fullmatch(r"power loss within ([\d.]+) ms", durability):
        # What is not on disk yet may lie in the memory of the process that was killed. All may have been writes.
        before = stage(found.stages, "before")
        return math.ceil(float(within[1]) / 1e3 * before.goodput_per_s) if before else math.inf
    return 0


def _unmeasured(found: Outage) -> list[str]:
    """Return why the trial cannot say what it was made for."""
    during = stage(found.stages, "during")
    if during is None or not during.arrivals:
        return ["no request was meant to start while the store was away"]
    if found.answered_us is None or stage(found.stages, "after") is None:
        return ["the store did not answer again within the window: whether the app recovers was not seen"]
    if found.recovered_us is None and (left_s := seen_s(found)) < RECOVERY_LIMIT_S:
        why = (
            f"the window ended {significant(left_s)} s after the store answered again, before a request was right: too "
            "soon to say whether the app recovers. Plan a longer window or an earlier fault"
        )
        return [why]
    return []


def _unfelt(found: Outage, fault: Fault) -> list[str]:
    """Return that the fault was not felt, where it was not: the store was not asked then, or not harmed."""
    during = stage(found.stages, "during")
    if during is None or not during.arrivals or found.refused or errors([during]):
        return []
    longest_us = during.longest_us or 0.0
    whole_us = (fault.slow_ms or 0) * 1e3 if fault.kind == "slow" else during.to_us - during.from_us
    if longest_us >= FELT_SHARE * whole_us:
        return []
    what = "answers of the store came later by" if fault.kind == "slow" else "the store was away for"
    took = f"none took longer than {ms(longest_us)} ms"
    return [f"the fault was not felt: no request failed, and {took}, though {what} {ms(whole_us)} ms"]
