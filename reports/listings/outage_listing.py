"""The tables of faults: what each did to each variant, what was answered through it, and who suffered beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from reports.listings import view
from reports.listings.listing import Head, Listing
from reports.record.outage import errors, listed, stage
from reports.trials import outage_verdict
from reports.words import units
from reports.words.units import AT_LEAST, MISSING, Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reports.format import Run, Trial
    from reports.record.faulted import Fault
    from reports.record.outage import Outage, Stage

STAGES: Final = ("before", "during", "after")
_TOLD: Final = 6
"""So many trials that are not VALID are explained under the table; the details have every one."""


class Faulted(NamedTuple):
    """A trial with a fault, as it counts: the variant's last one of this fault and block that is not INVALID."""

    variant: str
    fault: Fault
    trial: Trial


def faulted(run: Run) -> list[Faulted]:
    """Return the trials with a fault in the order of the plan's faults, and for each in that of the variants.

    A variant that has only INVALID ones is there with its last.
    """
    kept: dict[tuple[str, str, int], Faulted] = {}
    for trial in run.trials:
        if trial.purpose != "fault" or trial.fault is None:
            continue
        for arm in trial.arms:
            key = trial.fault.text, arm.variant, trial.block
            before = kept.get(key)
            if before is None or trial.verdict.state != "INVALID" or before.trial.verdict.state == "INVALID":
                kept[key] = Faulted(arm.variant, trial.fault, trial)
    faults = list(dict.fromkeys([*(fault.text for fault in run.plan.faults), *(text for text, *_ in kept)]))
    names = [variant.name for variant in view.ordered(run)]
    return sorted(kept.values(), key=lambda each: (faults.index(each.fault.text), names.index(each.variant)))


def tables(run: Run) -> list[Listing]:
    """Return what stands beside the table of figures: what each fault did, and what was answered through it."""
    shown = faulted(run)
    if not shown:
        return []
    return [_results(shown), *_through(shown)]


def bystanders(run: Run) -> Listing | None:
    """Return who suffered without having asked the store for anything, and what became of the connections."""
    shown = faulted(run)
    alike = shown_alike(shown)
    rows = []
    for each in shown:
        if (found := each.trial.outage) is None:
            continue
        before, during = (stage(found.sessionless, name) for name in ("before", "during"))
        failed = errors(part for part in found.sessionless if part.name != "before")
        rows.append(
            [
                each.variant, named(each.fault, alike=alike), *_times(before, ("p50_us",)),
                *_times(during, ("p50_us", "longest_us")),
                units.count(sum(failed.values())) if found.sessionless else MISSING, _connections(found),
            ]
        )  # fmt: skip
    if not rows:
        return None
    heads = [
        Head("variant", words=True), Head("fault", words=True), Head("p50", "before ms"), Head("p50", "during ms"),
        Head("longest", "during ms"), Head("failed"), Head("connections"),
    ]  # fmt: skip
    remark = (
        "Requests that need neither session nor store, by their service time: who waits for a user waits for the "
        "generator. Connections are the app's to its store, before the fault and when the window ended."
    )
    listing = Listing("outage-bystanders", "Beside the sessions of a fault", heads, rows, remark)
    return listing.without_empty_columns()


def shown_alike(shown: Sequence[Faulted]) -> bool:
    """Whether all faults were inflicted at the same time, and for as long."""
    return len({(each.fault.at_s, each.fault.for_s) for each in shown}) < 2  # noqa: PLR2004 - two differ


def named(fault: Fault, *, alike: bool) -> str:
    """Return a fault's name, without its times where those of all faults are alike."""
    return fault.text.partition("@")[0] if alike else fault.text


def _results(shown: list[Faulted]) -> Listing:
    alike = shown_alike(shown)
    rows = []
    for each in shown:
        cells = [MISSING] * 5
        if (found := each.trial.outage) is not None:
            cells = [
                _first_error(found),
                MISSING if found.slowest_error_us is None else units.ms(found.slowest_error_us),
                recovery(found),
                listed(errors(found.stages)) or "none",
                lost(found),
            ]
        rows.append([each.variant, named(each.fault, alike=alike), each.trial.verdict.state, *cells])
    heads = [
        Head("variant", words=True), Head("fault", words=True), Head("verdict", words=True),
        Head("first", "error ms"), Head("slowest", "error ms"), Head("recovery", "ms"), Head("errors", words=True),
        Head("lost", words=True),
    ]  # fmt: skip
    remark = " ".join([*_times_of(shown), *_meaning(shown), *_told(shown, alike=alike)])
    return Listing("outages", "What a fault did", heads, rows, remark)


def _through(shown: list[Faulted]) -> Iterator[Listing]:
    alike = shown_alike(shown)
    rows = []
    for each in shown:
        if (found := each.trial.outage) is None:
            continue
        parts = [stage(found.stages, name) for name in STAGES]
        rates = [MISSING if part is None else units.per_second(part.goodput_per_s) for part in parts]
        times = [time for part in parts for time in _times(part, ("p99_us",))]
        rows.append([each.variant, named(each.fault, alike=alike), *rates, *times])
    if not rows:
        return
    heads = [Head("variant", words=True), Head("fault", words=True)]
    heads += [Head(name, unit) for unit in ("/s", "p99 ms") for name in STAGES]
    remark = (
        "Of requests with a session: right answers a second, by when they came, and p99 from the intended start, "
        "errors included. During: from when the fault began until the store answered the harness again."
    )
    if any(cell.startswith(AT_LEAST) for row in rows for cell in row):
        remark += f" {AT_LEAST}: some were never answered."
    yield Listing("outage-stages", "Before, during and after a fault", heads, rows, remark)


def recovery(found: Outage) -> str:
    """Return how long the app took to recover, in ms."""
    if found.recovery_ms is not None:
        return units.significant(found.recovery_ms)
    return "never" if outage_verdict.seen_s(found) >= outage_verdict.RECOVERY_LIMIT_S else MISSING


def losses(found: Outage) -> dict[str, int]:
    """Return how many of what was lost, as far as anything was."""
    counts = {"session": found.sessions_lost, "update": found.updates_lost}
    return {word: count for word, count in counts.items() if count}


def lost(found: Outage) -> str:
    """Return what was lost, in words."""
    return ", ".join(units.plural(count, word) for word, count in losses(found).items()) or "nothing"


def first_error(found: Outage) -> tuple[str, str]:
    """Return when the fault spoilt the first request, in ms from when it began, and with which status."""
    if found.first_error_us is None:
        return MISSING, ""
    status = "no answer" if found.first_error_status is None else str(found.first_error_status)
    return units.ms(found.first_error_us - found.began_us), status


def _first_error(found: Outage) -> str:
    first, status = first_error(found)
    return Written(f"{first} ({status})", first.value) if isinstance(first, Written) else first


def _times(part: Stage | None, names: Iterable[str]) -> list[str]:
    """Return these times of a stage in ms, lower bounds with their sign."""
    cells = []
    for name in names:
        value = None if part is None else getattr(part, name)
        bounded = part is not None and name in part.at_least
        cells.append(MISSING if value is None else units.at_least(units.ms(value), bounded=bounded))
    return cells


def _connections(found: Outage) -> str:
    counts = found.connections_before, found.connections_after
    text = " → ".join(MISSING if count is None else f"{count:,}" for count in counts)
    known = [count for count in counts if count is not None]
    return Written(text, *known) if known else MISSING


def _times_of(shown: list[Faulted]) -> list[str]:
    spans = {(each.fault.at_s, each.fault.for_s) for each in shown}
    if len(spans) > 1:
        return ["A fault's name says how many seconds after the window it began, and for how many it lasted."]
    [(at_s, for_s)] = spans
    return [f"Each fault began {units.seconds(at_s)} after the window did and lasted {units.seconds(for_s)}."]


def _meaning(shown: list[Faulted]) -> list[str]:
    limit = f"{outage_verdict.RECOVERY_LIMIT_S:g} s"
    said = [
        "A 503 within the app's deadline is right.",
        "First error: from when the fault began, with its status.",
        f"Recovery: from the store's answer to the last request that failed for want of it; over {limit} is FAILED.",
    ]
    outages = [(each, found) for each in shown if (found := each.trial.outage) is not None]
    if names := dict.fromkeys(
        each.variant for each, found in outages if found.through == "relay" and each.fault.kind != "slow"
    ):
        said.append(f"Not the store itself but the way to it was harmed: {', '.join(names)}.")
    if strays := [
        f"{units.plural(found.strays, 'failure')} of {each.variant}" for each, found in outages if found.strays
    ]:
        said.append(f"Left out, since long after all others: {', '.join(strays)}.")
    kinds = {each.fault.kind for each in shown}
    if kinds & {"kill", "restart-empty"}:
        said.append("What the store's durability does not cover is lost by choice.")
    return said


def _told(shown: list[Faulted], *, alike: bool) -> list[str]:
    """Say of the trials that are not VALID why."""
    said = []
    for each in shown:
        if each.trial.verdict.state == "VALID":
            continue
        why = "; ".join(each.trial.verdict.reasons) or each.trial.error or "no reason was recorded"
        said.append(f"{each.variant}, {named(each.fault, alike=alike)}: {each.trial.verdict.state}: {why.rstrip('.')}.")
    if len(said) > _TOLD:
        said = [*said[:_TOLD], f"The details say why {units.plural(len(said) - _TOLD, 'other trial')} failed."]
    return said
