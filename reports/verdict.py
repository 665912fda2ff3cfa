"""Whether a trial's figures deserve trust."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from reports.format import FAILURES, Figures, Instrument, Load, Verdict
from reports.trials import doubts
from reports.words.units import per_second, percent, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ERROR_SHARE_LIMIT: Final = 0.001
ACHIEVED_LIMIT: Final = 0.99
"""Of the arrivals drawn: what the rate promised is drawn by chance, 300/s for 5 s under 98 % one time in five."""
GROWTH_SHARE: Final = 0.01
"""Of the arrivals between the window's first fifth and its last: as many of them as may stay unanswered."""
GROWTH_SIGMAS: Final = 3.0
"""Numbers in flight differ by chance, about as Poisson numbers do."""
LIMIT_SHARE: Final = 0.90
"""Of a core: who uses more has little left for what comes in bursts."""
QUEUED_SHARE: Final = 0.10
_BETWEEN_FIFTHS: Final = 0.8
GRAVITY: Final = ("VALID", "SUSPECT", "OVERLOADED", "FAILED", "INVALID")


def verdict(
    figures: Figures | None,
    *,
    load: Load | None = None,
    closed: Figures | None = None,
    instrument: Instrument | None = None,
    steady: bool | None = None,
    backwards: int = 0,
    error: str | None = None,
    generator_processes: int = 1,
    cpus: Mapping[str, Sequence[int]] | None = None,
) -> Verdict:
    """Judge one arm's figures; `error` says why a trial came to nothing.

    `load` is what the generator was told, `closed` are the figures of the closed phase behind an open window,
    `steady` is `Trial.steady`, `backwards` what `stats.backwards` counted, `cpus` those that each role was pinned to,
    as in `Environment.cpus`.

    What the subject did wrong (FAILED) outweighs what was wrong with the measurement (INVALID, SUSPECT), and a rate
    that the generator could not keep is not the subject's (INVALID before OVERLOADED); the reasons name all of it.
    """
    if figures is None:
        return Verdict(state="INVALID", reasons=[error or "nothing was measured"])
    machine, known = doubts.Machine(generator_processes, cpus or {}), instrument or Instrument()
    is_open = load is not None and load.kind == "open"
    failed = _failed(figures)
    overloaded = _overloaded(figures, load, machine.cpus) if load and is_open else []
    invalid = [error] if error else []
    invalid += _nothing(figures, failed=bool(failed), is_open=is_open)
    invalid += doubts.invalid(figures, known, machine, is_open=is_open)
    if backwards:
        invalid.append(f"{plural(backwards, 'request')} ended before they began: the clock was set back")
    suspect = doubts.suspect(figures, known, machine, is_open=is_open)
    if not overloaded:
        suspect += _unsettled(figures.trends, steady=steady)
    if closed is not None:
        failed += [f"in the closed phase {reason}" for reason in _failed(closed)]
        suspect += [f"in the closed phase {reason}" for reason in doubts.held_back(closed, machine)]
    reasons = [*failed, *invalid, *overloaded, *suspect]
    if failed:
        return Verdict(state="FAILED", reasons=reasons)
    if invalid:
        return Verdict(state="INVALID", reasons=reasons)
    if overloaded:
        return Verdict(state="OVERLOADED", reasons=reasons)
    return Verdict(state="SUSPECT" if suspect else "VALID", reasons=reasons)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Join the verdicts of a trial's arms, one or more: the gravest state, every reason once."""
    gravest = max(verdicts, key=lambda each: GRAVITY.index(each.state))
    reasons = dict.fromkeys(reason for each in verdicts for reason in each.reasons)
    return Verdict(state=gravest.state, reasons=list(reasons))


def _failed(figures: Figures) -> list[str]:
    counts = {outcome: count for outcome in sorted(FAILURES) if (count := figures.outcomes.get(outcome, 0))}
    reasons = []
    if wrong := counts.pop("wrong_answer", 0):
        reasons.append(f"{wrong} of {plural(figures.requests, 'answer')} were wrong")
    if counts and figures.error_share > ERROR_SHARE_LIMIT:
        kinds = ", ".join(f"{outcome} {count}" for outcome, count in counts.items())
        reasons.append(
            f"{percent(figures.error_share)} of requests failed (limit {percent(ERROR_SHARE_LIMIT)}): {kinds}"
        )
    return reasons


def _nothing(figures: Figures, *, failed: bool, is_open: bool) -> list[str]:
    if figures.requests == 0:
        return [f"no {'arrival was drawn' if is_open else 'request was sent'} in the window"]
    if figures.p50_us is None and not failed:
        return [f"only {plural(figures.requests, 'request')} fell into the window: too few for a median"]
    return []


def _overloaded(figures: Figures, load: Load, cpus: Mapping[str, Sequence[int]]) -> list[str]:
    """Return how it shows that the rate was not sustained, and what was probably the reason."""
    shown = []
    if figures.achieved_share is not None and figures.achieved_share < ACHIEVED_LIMIT:
        unanswered, limit = percent(1 - figures.achieved_share), percent(round(1 - ACHIEVED_LIMIT, 6))
        shown.append(f"{unanswered} of the arrivals of the window got no answer (limit {limit})")
    if (figures.queue_growth or 0) > (most := growth_limit(figures)):
        shown.append(
            f"at its end {figures.queue_growth:,.0f} more were unanswered than at its begin (limit {most:,.0f})"
        )
    if not shown:
        return []
    rate = f"{per_second(load.rate_per_s)} arrivals/s" if load.rate_per_s else "the rate"
    return [f"{rate} could not be sustained: {', and '.join(shown)}; {_cause(figures, load, cpus)}"]


def growth_limit(figures: Figures) -> float:
    """Return by how many arrivals the unanswered may grow through a window by chance, or without mattering."""
    in_flight = figures.requests / figures.window_s * (figures.mean_us or 0) / 1e6
    by_chance = GROWTH_SIGMAS * math.sqrt(2 * in_flight + 1)
    return max(GROWTH_SHARE * figures.requests * _BETWEEN_FIFTHS, by_chance)


def _cause(figures: Figures, load: Load, cpus: Mapping[str, Sequence[int]]) -> str:
    full = []
    for role in ("app", "store"):
        cores = len(cpus.get(role, ()))
        busy = (figures.cpu_share.get(role) or 0) / (cores or 1)
        if busy >= LIMIT_SHARE:
            where = f"its {cores} cores" if cores > 1 else "its core" if cores else "a core"
            full.append(f"the {role} used {percent(busy)} of {where}")
    if full:
        return " and ".join(full)
    queued = figures.queued_share or 0.0
    if queued > QUEUED_SHARE:
        return (
            f"{percent(queued)} of the arrivals found none of the {plural(load.users, 'user')} free, while neither app "
            "nor store used up its CPU: a pool, a lock, a disk or another program held them, or users were too few"
        )
    return "neither app nor store used up its CPU: a pool, a lock, a disk or another program held them"


def _unsettled(trends: Mapping[str, float], *, steady: bool | None) -> list[str]:
    """Return what had not settled before the window, or not in it."""
    reasons = []
    if steady is False:
        reasons.append("load and latency were still changing when the warm-up ended at its bound")
    for name, change in trends.items():
        which = "latency" if name == "latency" else "the share of arrivals that were answered"
        reasons.append(f"{which} {'rose' if change > 0 else 'fell'} by {percent(abs(change))} through the window")
    return reasons
