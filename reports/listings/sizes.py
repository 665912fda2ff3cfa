"""What a session's size costs: steps that are told apart by their payload, and where a backend refuses one."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from reports import stats
from reports.listings import view
from reports.verdict import GRAVITY
from reports.words import units

if TYPE_CHECKING:
    from reports.format import Figures, Run

SHOWN: Final = 2
"""So many kinds of request are shown, those that had most answers."""
_SIZED: Final = re.compile(r"^(?P<step>.+) (?P<bytes>\d+) B$")
_LEAST: Final = 2


class Times(NamedTuple):
    """The p50 of a request over the trials that count, µs."""

    median: float
    low: float
    high: float


class Counts(NamedTuple):
    """How often a request was sent over the trials that count, and to what end."""

    trials: int
    """Those whose p50 is known."""
    requests: int
    errors: int
    refused: int


@dataclass(frozen=True, slots=True)
class Point:
    """A variant at one payload size: the times of what was answered, by kind of request."""

    payload_bytes: int
    state: str
    """The gravest verdict of its trials."""
    times: dict[str, Times]
    bounds: frozenset[str]
    """Requests of which only a lower bound is known."""
    kept: bool
    """Whether there were sessions of this size: refused ones are never read."""
    refused: bool
    """Whether any was refused."""
    counts: dict[str, Counts]
    """Of every kind of request that was sent, answered or not."""


def place(name: str) -> tuple[str, int]:
    """Return where the name of a request belongs: after what it asks for, then by its payload."""
    sized = _SIZED.match(name)
    return (name, 0) if sized is None else (sized["step"], int(sized["bytes"]))


def steps(run: Run) -> list[str]:
    """Return the kinds of request that are shown, none unless two sizes were tried: the first of all."""
    return kinds(run)[:SHOWN]


def kinds(run: Run) -> list[str]:
    """Return all kinds of request that were sent by size, none unless two sizes were tried.

    First comes what was answered most often. Refusals do not count: who is refused logs in again and again.
    """
    found: Counter[str] = Counter()
    seen: set[int] = set()
    for variant in run.variants:
        for _, figures in view.measured(run, variant.name):
            for name, each in figures.steps.items():
                if (sized := _SIZED.match(name)) is not None:
                    found[sized["step"]] += each.outcomes.get("ok", 0)
                    seen.add(int(sized["bytes"]))
    return [name for name, _ in found.most_common()] if len(seen) >= _LEAST else []


def points(run: Run, of: list[str] | None = None) -> dict[str, list[Point]]:
    """Return by variant what is known of it at every size, smallest first; only those that have any.

    Of some kinds of request, or of those that are shown.
    """
    shown = steps(run) if of is None else of
    if not shown:
        return {}
    found = {variant.name: _points(run, variant.name, shown) for variant in view.ordered(run)}
    return {name: each for name, each in found.items() if each}


def _points(run: Run, name: str, shown: list[str]) -> list[Point]:
    seen: dict[int, dict[str, list[Figures]]] = {}
    states = []
    for trial, figures in view.measured(run, name):
        states.append(trial.verdict.state)
        for step, each in figures.steps.items():
            if (sized := _SIZED.match(step)) is not None:
                seen.setdefault(int(sized["bytes"]), {}).setdefault(sized["step"], []).append(each)
    state = max(states, key=GRAVITY.index, default="")
    return [_point(size, state, by_step, shown) for size, by_step in sorted(seen.items())]


def _point(size: int, state: str, by_step: dict[str, list[Figures]], shown: list[str]) -> Point:
    times, bounds, counts = {}, set(), {}
    for step in shown:
        # A refusal is answered too, and sooner than what it spares the app.
        told = [each for each in by_step.get(step, ()) if each.p50_us is not None and "refused" not in each.outcomes]
        if values := [each.p50_us for each in told if each.p50_us is not None]:
            times[step] = Times(statistics.median(values), min(values), max(values))
        if any("p50_us" in each.at_least for each in told):
            bounds.add(step)
        if sent := by_step.get(step):
            counts[step] = _counts(sent, len(told))
    seen = {outcome for figures in by_step.values() for each in figures for outcome in each.outcomes}
    return Point(size, state, times, frozenset(bounds), "ok" in seen, "refused" in seen, counts)


def _counts(sent: list[Figures], trials: int) -> Counts:
    refused = sum(each.outcomes.get("refused", 0) for each in sent)
    return Counts(trials, sum(each.requests for each in sent), sum(map(stats.errors, sent)), refused)


def cliffs(run: Run) -> dict[str, tuple[int | None, int]]:
    """Return by variant the largest payload that it kept, if any, and the smallest beyond that it refused."""
    found = {}
    for name, line in points(run).items():
        largest = max((point.payload_bytes for point in line if point.kept), default=None)
        refused = [point.payload_bytes for point in line if point.refused and not point.kept]
        beyond = [size for size in refused if largest is None or size > largest]
        if beyond:
            found[name] = (largest, min(beyond))
    return found


def sentences(run: Run) -> list[str]:
    """Say who refuses a size, and where."""
    together: dict[tuple[int | None, int], list[str]] = {}
    for name, cliff in cliffs(run).items():
        together.setdefault(cliff, []).append(name)
    said = []
    for (largest, refused), names in together.items():
        who, s = units.together(names), "s" if len(names) == 1 else ""
        kept = "no size that was tried" if largest is None else f"sessions up to {units.size(largest)} of payload"
        said.append(f"{who} keep{s} {kept} and refuse{s} {units.size(refused)} with a 413.")
    return said
