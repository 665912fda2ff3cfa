"""What distance costs: variants that differ only in their round-trip time, as series, and where two of them cross."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from itertools import combinations, groupby
from typing import TYPE_CHECKING, Final, Literal

from reports import stats
from reports.judging import paired
from reports.listings import view
from reports.verdict import GRAVITY
from reports.words import units

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from reports.format import Capacity, Run, Variant

LEVEL: Final = 0.95
FEWEST_TRIALS: Final = 12
"""Under a dozen, the extremes are shown, and two series are told apart only where theirs do not overlap."""
Order = Literal["more", "fewer", "alike"]
_FEWEST_POINTS: Final = 2


@dataclass(frozen=True, slots=True)
class Reach:
    """A figure over the trials of a variant: the median, and its interval or the extremes."""

    middle: float
    low: float
    high: float
    trials: int
    exact: bool
    """Whether low and high are an interval at `LEVEL`, not the extremes."""


@dataclass(frozen=True, slots=True)
class Point:
    """A variant of a series; `figures` are by the names of `stats.METRICS`, `bounds` those that are lower bounds."""

    rtt_ms: float
    variant: str
    state: str
    """The gravest verdict of its trials that count."""
    figures: dict[str, Reach]
    bounds: frozenset[str]
    capacity: Capacity | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Variants that are the same but for the round-trip time, by ascending distance."""

    name: str
    backend: str
    first: Variant
    points: list[Point] = field(default_factory=list)


def metrics(run: Run) -> dict[str, str]:
    """Return the figures that are shown over distance, with what is written over them."""
    return {"p50_us": "p50", "p99_us": "p99", view.throughput(run): "throughput"}


def series(run: Run) -> list[Series]:
    """Return the series of a run in the plan's order; none unless one of them has two distances at least.

    Latency trials count that are not INVALID. A variant without a relay belongs to none: it lacks the relay too.
    """
    found: dict[tuple[str, str], Series] = {}
    capacities = {each.variant: each for each in run.capacities}
    for variant in view.ordered(run):
        if variant.rtt_ms is None or (point := _point(run, variant, capacities.get(variant.name))) is None:
            continue
        name = without_distance(variant.name)
        found.setdefault((name, variant.backend), Series(name, variant.backend, variant)).points.append(point)
    for each in found.values():
        each.points.sort(key=lambda point: point.rtt_ms)
    if not any(len({point.rtt_ms for point in each.points}) >= _FEWEST_POINTS for each in found.values()):
        return []
    return list(found.values())


def without_distance(name: str) -> str:
    """Return a variant's name without its round-trip time: "redis:driver=sync,rtt=4" is of "redis:driver=sync"."""
    return without(name, ("rtt",))


def without(name: str, options: Collection[str]) -> str:
    """Return a variant's name without these options, which are not said of it then."""
    backend, _, given = name.partition(":")
    kept = [option for option in given.split(",") if option and option.partition("=")[0] not in options]
    return f"{backend}:{','.join(kept)}" if kept else backend


def _point(run: Run, variant: Variant, capacity: Capacity | None) -> Point | None:
    trials = [trial for trial in view.latency_trials(run) if trial.verdict.state != "INVALID"]
    arms = [(trial, arm) for trial in trials for arm in trial.arms if arm.variant == variant.name and arm.figures]
    if not arms or variant.rtt_ms is None:
        return None
    seen = [stats.metrics(arm.figures, arm.closed) for _, arm in arms if arm.figures]
    figures = {}
    for metric in metrics(run):
        if values := [known[metric] for known in seen if metric in known]:
            figures[metric] = reach(values)
    state = max((trial.verdict.state for trial, _ in arms), key=GRAVITY.index)
    bounds = frozenset(name for _, arm in arms if arm.figures for name in arm.figures.at_least)
    return Point(variant.rtt_ms, variant.name, state, figures, bounds, capacity)


def reach(values: Sequence[float]) -> Reach:
    """Return the median of a variant's trials, with an interval of its logarithm where there are enough of them."""
    found = None
    if len(values) >= FEWEST_TRIALS and min(values) > 0:
        found = paired.interval([math.log(value) for value in values], (1 - LEVEL) / 2)
    low, high = (math.exp(found[0]), math.exp(found[1])) if found else (min(values), max(values))
    return Reach(statistics.median(values), low, high, len(values), found is not None)


def sentences(run: Run) -> list[str]:
    """Say of every two series where the one answers more or sooner than the other, by round-trip times that were tried.

    Those of one backend are always compared, those of two where they cross. Where their ranges overlap they are not
    told apart; between two distances nothing is said. Of latency the median is told: it is the surer of the two.
    """
    found = series(run)
    said = []
    for metric, name in metrics(run).items():
        if metric == "p99_us":
            continue
        for one, other in combinations(found, 2):
            if text := _compared(one, other, metric, name, crossing=one.backend != other.backend):
                said.append(text)
    return said


def _compared(one: Series, other: Series, metric: str, name: str, *, crossing: bool) -> str | None:
    orders = [
        (point.rtt_ms, _told(point, beside, metric))
        for point in one.points
        for beside in other.points
        if point.rtt_ms == beside.rtt_ms and metric in point.figures and metric in beside.figures
    ]
    seen = {each for _, each in orders}
    if len(orders) < _FEWEST_POINTS or (crossing and not {"more", "fewer"} <= seen):
        return None
    groups = [(state, [rtt for rtt, _ in group]) for state, group in groupby(orders, key=lambda each: each[1])]
    spans = [_span(rtts, not place, place == len(groups) - 1) for place, (_, rtts) in enumerate(groups)]
    parts = [f"{one.name} {_first(groups[0][0], name, other.name)} {spans[0]}"]
    verb = ("answers " if name == "throughput" else "has ") if groups[0][0] == "alike" else ""
    for (state, _), span in zip(groups[1:], spans[1:], strict=True):
        parts.append(f"{verb}{_LATER[name == 'throughput'][state]} {span}")
        verb = ""
    return f"{_joined(parts)}."


_LATER: Final[tuple[dict[Order, str], dict[Order, str]]] = (
    {"more": "a longer one", "fewer": "a shorter one", "alike": "one that cannot be told apart"},
    {"more": "more", "fewer": "fewer", "alike": "a number that cannot be told apart"},
)
"""How a sentence goes on, of latency and of throughput."""


def _first(state: Order, name: str, other: str) -> str:
    if name == "throughput":
        verb = {"more": "answers more a second than", "fewer": "answers fewer a second than"}
    else:
        verb = {"more": f"has a longer {name} than", "fewer": f"has a shorter {name} than"}
    return f"{verb.get(state, f'cannot be told apart in {name} from')} {other}"


def _told(point: Point, beside: Point, metric: str) -> Order:
    """Return which figure of two points is the larger; of a lower bound nobody knows that it is the smaller one."""
    found = order(point.figures[metric], beside.figures[metric])
    bounded = point if found == "fewer" else beside
    return "alike" if metric in bounded.bounds and found != "alike" else found


def order(one: Reach, other: Reach) -> Order:
    """Return which of two figures is the larger; alike where their ranges overlap."""
    return "more" if one.low > other.high else "fewer" if one.high < other.low else "alike"


def _span(rtts: Sequence[float], first: bool, last: bool) -> str:  # noqa: FBT001 - where it stands in the sentence
    """Return at which distances."""
    begin, end = (f"{rtts[place]:g} ms" for place in (0, -1))
    if first and last:
        return f"at every round-trip time that was tried ({rtts[0]:g} to {end})"
    if len(rtts) == 1 and not first and not last:
        return f"at {end}"
    if first:
        return f"at {end}" if rtts[0] == rtts[-1] == 0 else f"up to {end}"
    return f"from {begin}" if last else f"from {rtts[0]:g} to {end}"


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"


def written(figure: Reach, metric: str) -> tuple[str, str]:
    """Return a figure and its range as they are written in tables: ms, or requests a second."""
    write = units.ms if metric.endswith("_us") else units.per_second
    return write(figure.middle), units.span(figure.low, figure.high, write, "–")  # noqa: RUF001 - a range


def bounds(capacity: Capacity) -> str:
    """Return where a capacity lies, in arrivals a second."""
    lower, upper = capacity.lower_per_s, capacity.upper_per_s
    if lower is not None and upper is not None:
        return units.span(lower, upper, units.per_second, "–")  # noqa: RUF001 - a range
    if lower is not None:
        return units.at_least(units.per_second(lower), bounded=True)
    return units.MISSING if upper is None else units.Written(f"< {units.per_second(upper)}", upper)
