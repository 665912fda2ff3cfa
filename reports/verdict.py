"""Whether a trial's figures deserve trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.format import FAILURES, Figures, Verdict
from reports.units import percent, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ERROR_SHARE_LIMIT: Final = 0.001
GENERATOR_SUSPECT: Final = 0.70
GENERATOR_FULL: Final = 0.95
"""Shares of the cores that the generator can use: one per process of it."""
GRAVITY: Final = ("VALID", "SUSPECT", "OVERLOADED", "FAILED", "INVALID")


def verdict(
    figures: Figures | None,
    *,
    error: str | None = None,
    generator_processes: int = 1,
    cpus: Mapping[str, Sequence[int]] | None = None,
) -> Verdict:
    """Judge one arm's figures; `error` says why a trial came to nothing.

    `cpus` are those that each role was pinned to, as in `Environment.cpus`. What the subject did (FAILED)
    outweighs what was wrong with the measurement (INVALID, SUSPECT); the reasons name all of it.
    """
    if figures is None:
        return Verdict(state="INVALID", reasons=[error or "nothing was measured"])
    failed = _failed(figures)
    suspect = _generator(figures, generator_processes, cpus or {})
    invalid: list[str] = []
    if figures.requests == 0:
        invalid.insert(0, "no request was sent in the window")
    elif figures.p50_us is None and not failed:
        invalid.insert(0, f"only {figures.requests} requests fell into the window: too few for a median")
    if error:
        invalid.insert(0, error)
    reasons = [*failed, *invalid, *suspect]
    if failed:
        return Verdict(state="FAILED", reasons=reasons)
    if invalid:
        return Verdict(state="INVALID", reasons=reasons)
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


def _generator(figures: Figures, processes: int, cpus: Mapping[str, Sequence[int]]) -> list[str]:
    """Return why the generator makes the trial suspect.

    Never invalid: users in a closed loop wait for the generator too, and what they drew is still a lower bound.
    """
    share = figures.cpu_share.get("generator")
    if share is None:
        return ["the generator's CPU is not known, so nobody can say that it kept up"]
    busy = share / processes
    core = "its core" if processes == 1 else f"its {processes} cores"
    if busy > GENERATOR_FULL:
        reason = (
            f"the generator used {percent(busy)} of {core}: it was the limit, not the app, so requests/s is an "
            "at-least figure and latency is mostly the generator's; CPU per request stands"
        )
        return [reason]
    if busy > GENERATOR_SUSPECT:
        reason = (
            f"the generator used {percent(busy)} of {core} (limit {percent(GENERATOR_SUSPECT)}), so it may "
            "have held the app back: requests/s is an at-least figure, and latency holds some of the "
            "generator's waiting"
        )
        return [reason]
    return _crowded(figures, cpus)


def _crowded(figures: Figures, cpus: Mapping[str, Sequence[int]]) -> list[str]:
    """Say when the generator shares CPUs with somebody and together they leave nothing free."""
    own = cpus.get("generator")
    if not own:
        return []
    sharing = [role for role, share in figures.cpu_share.items() if share and set(cpus.get(role, ())) == set(own)]
    busy = sum(figures.cpu_share[role] or 0 for role in sharing) / len(own)
    if len(sharing) < 2 or busy <= GENERATOR_FULL:  # noqa: PLR2004 - sharing takes two
        return []
    names = " and ".join(sharing)
    reason = (
        f"{names} shared CPU {', '.join(map(str, own))}, which was {percent(busy)} busy: requests/s is an "
        "at-least figure, and latency holds their waiting for each other"
    )
    return [reason]
