"""What stands under the table: a footnote for every trouble, and how the figures are to be read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reports.listings import apart, struck
from reports.words import units
from reports.words.units import plural

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from reports.format import Run, Trial, Variant
    from reports.record.audited import Check

_STOPPED = "STOPPED"


class Footnotes:
    """Collects what must be said about variants; reasons that differ only in their numbers are said once."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}
        self._who: dict[tuple[str, str], dict[str, list[int]]] = {}

    def add(self, variant: Variant, trials: list[Trial], failed: Sequence[Check] = ()) -> tuple[int, ...]:
        """Take in a variant's troubles, and the failed checks that strike it; return the numbers of its footnotes."""
        if failed:
            self._note(struck.FAILS, struck.reason(failed), variant.name, None)
        if variant.error is not None:
            self._note(_STOPPED if trials else "NOT RUN", variant.error, variant.name, None)
        for trial in trials:
            if trial.verdict.state == "VALID":
                continue
            for reason in trial.verdict.reasons or [trial.error or "no reason was recorded"]:
                self._note(trial.verdict.state, reason, variant.name, trial.number)
        numbers = {key: number for number, key in enumerate(self._first, 1)}
        return tuple(numbers[key] for key, who in self._who.items() if variant.name in who)

    def texts(self, run: Run) -> list[str]:
        """Return the footnotes in the order of their numbers, from 1."""
        return [self._text(run, *key) for key in self._first]

    def struck(self) -> dict[int, list[str]]:
        """Return the variants of each footnote that says why they are struck through."""
        return {number: list(self._who[key]) for number, key in enumerate(self._first, 1) if key[0] == struck.FAILS}

    def _note(self, state: str, reason: str, name: str, trial: int | None) -> None:
        key = (state, re.sub(r"\d[\d.,]*", "#", reason))
        self._first.setdefault(key, reason)
        trials = self._who.setdefault(key, {}).setdefault(name, [])
        if trial is not None and trial not in trials:
            trials.append(trial)

    def _text(self, run: Run, state: str, key: str) -> str:
        reason = self._first[state, key].rstrip(".")
        who = self._who[state, key]
        if state in {"NOT RUN", _STOPPED, struck.FAILS}:
            return f"{state} ({', '.join(who)}): {reason}."
        counts, most = [], 0
        for name, numbers in who.items():
            ran = sum(
                trial.purpose == "latency" and any(arm.variant == name for arm in trial.arms) for trial in run.trials
            )
            counts.append(f"{name} {len(numbers)} of {ran:,}")
            most = max(most, ran)
        first = next(iter(who.values()))[0]
        excluded = ", excluded from every figure" if state == "INVALID" else ""
        trials = "trials" if most > 1 else "trial"
        return f"{state}{excluded} ({'; '.join(counts)} {trials}): trial {first}: {reason}."


def remarks(run: Run, states: Container[str], *, at_least: bool) -> list[str]:
    """Return how the figures are to be read.

    `states` are those of the table's rows; `at_least` says whether some figures are only lower bounds.
    """
    plan = run.plan
    said = []
    if run.status != "finished":
        latency = [trial for trial in run.trials if trial.purpose == "latency"]
        done = len({(trial.block, arm.variant) for trial in latency for arm in trial.arms})
        planned = plural(sum(map(len, plan.order)), "trial")
        what = "is not finished" if run.status == "running" else "was interrupted"
        here = f"{done} of its {planned} of latency are here"
        said.append(f"The run {what}: {here}. session-bench run --resume DIR does the rest.")
    if struck.checks(run):
        said.append(struck.WHY)
    said += _open(run) if plan.load.kind == "open" else _closed(run)
    if at_least:
        said.append(f"{units.AT_LEAST}: requests without an answer count as longer than the wait that was seen.")
    if "OVERLOADED" in states:
        said.append(
            "OVERLOADED: the app or its store did not sustain the rate. Its latency is that of a growing queue, and "
            "would be longer in a longer window."
        )
    if (unknown := apart.too_few(run)) is not None:
        said.append(f"{unknown} Rows stand in the plan's order.")
    elif apart.tellable(run):
        said.append("Rows stand in the plan's order, not by rank.")
    elif plan.ranking:
        said.append(
            "Rows stand in the plan's order: the spread over blocks is shown, and nothing is ranked from it yet."
        )
    else:
        # Why nobody is ranked by so few blocks, what must not be concluded says.
        said.append("Rows stand in the plan's order.")
    said.append(
        "Durability is what an acknowledged write survives: nothing, a process restart, a power loss but for "
        "the last ms before it, or a power loss with every acknowledged write."
    )
    return said


def _closed(run: Run) -> list[str]:
    users = plural(run.plan.load.users, "user")
    return [
        (
            f"Closed load, {users}: each sends its next request as soon as it is answered, so latency here "
            f"is service time under saturation, and requests/s is what {users} could draw. Not comparable to "
            "open load."
        ),
        (
            "Figures are medians over blocks, max and RSS the largest of all blocks; percentiles are "
            "nearest-rank over every request of a trial's window, errors left out. The range is p50's smallest and "
            f"largest block. {_warmup(run)}"
        ),
    ]


def _open(run: Run) -> list[str]:
    plan = run.plan
    rate = f"{units.per_second(plan.load.rate_per_s or 0)} arrivals/s"
    spaced = "evenly" if plan.load.arrivals == "constant" else "exponentially"
    chosen = " (a rate that a probe of the slowest variant chose)" if plan.rate_source == "probe" else ""
    said = [
        (
            f"Open load, {rate}{chosen}, {spaced} spaced, for every variant alike: they come whatever the answers do, "
            f"and a free one of {plural(plan.load.users, 'user')} takes each. Latency is response time: it counts from "
            "the intended start, and holds the waiting for a user and the lateness of the generator (dispatch lag)."
        ),
        (
            "Figures are medians over blocks, max and RSS the largest of all blocks; percentiles are nearest-rank "
            "over all arrivals of a trial's window, errors left out and counted apart. The range is p50's smallest and "
            f"largest block. {_warmup(run)}"
        ),
    ]
    if plan.closed_s:
        users = plural(plan.closed_users, "user")
        said.append(
            f"req/s is throughput, measured by itself: behind each window {users} sent as soon as they were answered, "
            f"for {units.seconds(plan.closed_s)}. No latency here is of that phase; CPU per request is of the open "
            "window."
        )
    return said


def _warmup(run: Run) -> str:
    plan = run.plan
    if plan.warmup_most_s <= plan.warmup_s:
        return f"Warm-up: {units.seconds(plan.warmup_s)}, fixed, not counted."
    said = (
        f"Warm-up: until load and latency were steady, at least {units.seconds(plan.warmup_s)} and at most "
        f"{units.seconds(plan.warmup_most_s)}, not counted."
    )
    judged = [trial for trial in run.trials if trial.purpose == "latency" and trial.steady is not None]
    if unsteady := sum(not trial.steady for trial in judged):
        said += f" {unsteady} of {plural(len(judged), 'trial')} were not steady even then."
    return said
