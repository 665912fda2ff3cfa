"""Arithmetic: from a trial's tables to an arm's figures, and from trials to the summary of a variant."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from reports.format import FAILURES, OUTCOMES, ROLES, Figures, Outcome, Spread, Summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    import pyarrow as pa

    from reports.format import Arm, Trial, Verdict

    Ints: TypeAlias = npt.NDArray[np.int64]
    Mask: TypeAlias = npt.NDArray[np.bool_]

PERCENTILES: Final = {"p50_us": 50, "p95_us": 95, "p99_us": 99}
ANSWERED: Final[frozenset[Outcome]] = frozenset({"ok", "refused", "http_error", "wrong_answer"})
"""Outcomes for which the app did its work; CPU is divided by their number."""
RIGHT: Final[frozenset[Outcome]] = frozenset({"ok", "refused"})
"""Outcomes whose time is a latency; they make up requests/s."""
CENSORED: Final[frozenset[Outcome]] = frozenset({"timeout", "cut", "unsent"})
"""Outcomes of which only a lower bound was seen: the wait until it ended."""

_TIMES: Final = (*PERCENTILES, "mean_us", "max_us")
_RESOURCES: Final = ("cpu_us_per_request", "rss_bytes", "pss_bytes", "cpu_share")
METRICS: Final = (
    *PERCENTILES, "max_us", "mean_us", "requests_per_s", "error_share",
    *(f"{role}_{name}" for name in _RESOURCES for role in ROLES),
)  # fmt: skip
"""Every name that `Summary.metrics` can hold."""


def percentile(ordered: Ints, percent: int) -> int | None:
    """Return the nearest-rank percentile of ascending values: the first that `percent` do not exceed.

    This is the inverse of the empirical distribution function (Hyndman & Fan's definition 1), always a value
    that was seen. None when less than one value lies beyond it, as for 99 under 100 values: it would be the
    maximum by another name.
    """
    count = len(ordered)
    if count * (100 - percent) < 100:  # noqa: PLR2004 - per cent
        return None
    rank = -(-count * percent // 100)
    return int(ordered[rank - 1])


def figures(requests: pa.Table, resources: pa.Table | None, *, arm: int, window_s: float) -> Figures:
    """Return the figures of one arm in a trial's window, which begins at 0 µs and lasts `window_s`.

    `requests` and `resources` are as in `reports.tables`, warm-up and drain included. A request belongs to
    the window by its intended start: scheduled, or sent where nothing was scheduled (closed load).
    """
    start = _start_us(requests)
    inside = (start != _NULL) & (start >= 0) & (start < round(window_s * 1e6))
    mine = inside & (_column(requests, "arm") == arm)
    outcomes = _words(requests, "outcome")
    answered = np.isin(outcomes, list(ANSWERED))
    response_us = _column(requests, "response_us")
    whole = _figures(response_us[mine], outcomes[mine], window_s)
    if resources is not None:
        # What the arms share, such as the generator, is divided by the requests of all of them.
        _add_resources(
            whole,
            resources,
            arm,
            window_s,
            answered=int(answered[mine].sum()),
            answered_by_all=int(answered[inside].sum()),
        )
    names = _words(requests, "name")
    for name in sorted(set(names[mine])):
        step = mine & (names == name)
        whole.steps[str(name)] = _figures(response_us[step], outcomes[step], window_s)
    return whole


def timed(requests: pa.Table, arm: int) -> tuple[Ints, Ints, Mask]:
    """Return what one arm's requests took, in order of their intended start; percentiles are of these.

    The three arrays are the intended start and the response in µs, and whether there was an answer: where
    there was none, the response is the wait that was seen. Errors are left out; warm-up and drain are not.
    """
    start = _start_us(requests)
    response_us = _column(requests, "response_us")
    outcomes = _words(requests, "outcome")
    kept = np.isin(outcomes, list(RIGHT | CENSORED)) & (response_us != _NULL) & (start != _NULL)
    kept &= _column(requests, "arm") == arm
    order = np.flatnonzero(kept)[np.argsort(start[kept], kind="stable")]
    return start[order], response_us[order], np.isin(outcomes[order], list(RIGHT))


def summaries(trials: Sequence[Trial]) -> list[Summary]:
    """Return one summary per variant, in the order in which they first ran.

    Figures of INVALID trials count for nothing but their number in `states`.
    """
    ran: dict[str, list[tuple[Verdict, Arm]]] = {}
    for trial in trials:
        for arm in trial.arms:
            ran.setdefault(arm.variant, []).append((trial.verdict, arm))
    return [_summary(name, arms) for name, arms in ran.items()]


def _summary(name: str, arms: list[tuple[Verdict, Arm]]) -> Summary:
    counted = [arm.figures for verdict, arm in arms if verdict.state != "INVALID" and arm.figures is not None]
    values = [metrics(each) for each in counted]
    return Summary(
        variant=name,
        trials=len(counted),
        states=dict(Counter(verdict.state for verdict, _ in arms)),
        requests=sum(each.requests for each in counted),
        errors=sum(map(errors, counted)),
        wrong_answers=sum(each.outcomes.get("wrong_answer", 0) for each in counted),
        metrics={
            metric: _spread(seen) for metric in METRICS if (seen := [one[metric] for one in values if metric in one])
        },
    )


def errors(figures: Figures) -> int:
    """Return how many requests failed, wrong answers included."""
    return sum(figures.outcomes.get(outcome, 0) for outcome in FAILURES)


def metrics(figures: Figures) -> dict[str, float]:
    """Return the figures that were measured as a flat mapping by the names of `METRICS`."""
    flat: dict[str, float | None] = {name: getattr(figures, name) for name in METRICS if name in Figures.model_fields}
    for name in _RESOURCES:
        flat.update({f"{role}_{name}": value for role, value in getattr(figures, name).items()})
    return {name: value for name in METRICS if (value := flat.get(name)) is not None}


def _spread(values: Iterable[float]) -> Spread:
    seen = sorted(values)
    return Spread(median=statistics.median(seen), min=seen[0], max=seen[-1], trials=len(seen))


def _figures(response_us: Ints, outcomes: Any, window_s: float) -> Figures:
    count = Counter(str(outcome) for outcome in outcomes)
    timed = response_us != _NULL
    right = np.isin(outcomes, list(RIGHT)) & timed
    censored = np.isin(outcomes, list(CENSORED)) & timed
    seen = np.sort(response_us[right | censored])
    # The same with waits of which nobody saw the end as long as can be: where both agree, it is exact.
    longest = np.sort(np.where(censored, _NEVER, response_us)[right | censored])
    times = {name: percentile(seen, percent) for name, percent in PERCENTILES.items()}
    at_least = [name for name, percent in PERCENTILES.items() if percentile(longest, percent) != times[name]]
    if censored.any():
        at_least += ["mean_us", "max_us"]
    return Figures(
        requests=len(outcomes),
        outcomes={outcome: count[outcome] for outcome in OUTCOMES if count[outcome]},
        window_s=window_s,
        requests_per_s=int(right.sum()) / window_s,
        mean_us=float(seen.mean()) if len(seen) else None,
        max_us=int(seen[-1]) if len(seen) else None,
        p50_us=times["p50_us"],
        p95_us=times["p95_us"],
        p99_us=times["p99_us"],
        at_least=[name for name in _TIMES if name in at_least],
        error_share=sum(count[outcome] for outcome in FAILURES) / len(outcomes) if len(outcomes) else 0.0,
        cpu_us_per_request=dict.fromkeys(ROLES),
        rss_bytes=dict.fromkeys(ROLES),
        pss_bytes=dict.fromkeys(ROLES),
        cpu_share=dict.fromkeys(ROLES),
    )


def _add_resources(
    into: Figures, resources: pa.Table, arm: int, window_s: float, *, answered: int, answered_by_all: int
) -> None:
    columns = {name: _column(resources, name) for name in ("t_us", "arm", "pid", "cpu_ns", "rss_bytes", "pss_bytes")}
    roles = _words(resources, "role")
    sweeps = np.unique(columns["t_us"])
    window_us = round(window_s * 1e6)
    for role in ROLES:
        rows = (roles == role) & (columns["arm"] == arm)
        requests = answered
        if not rows.any():
            rows = (roles == role) & (columns["arm"] == _NULL)
            requests = answered_by_all
        if not rows.any():
            continue
        mine = {name: values[rows] for name, values in columns.items()}
        cpu_ns = _cpu_ns(mine, sweeps, window_us)
        into.cpu_share[role] = cpu_ns / 1e9 / window_s
        into.cpu_us_per_request[role] = cpu_ns / 1e3 / requests if requests else None
        into.rss_bytes[role] = _largest_sum(mine["t_us"], mine["rss_bytes"])
        into.pss_bytes[role] = _largest_sum(mine["t_us"], mine["pss_bytes"])


def _cpu_ns(rows: dict[str, Ints], sweeps: Ints, window_us: int) -> float:
    """Return the CPU time that a role's processes spent in the window.

    Between two sweeps a process is taken to have spent evenly. One that is missing from a sweep before its
    first sample began at zero then; one that is missing after its last had spent nothing more.
    """
    total = 0.0
    for pid in np.unique(rows["pid"]):
        mine = rows["pid"] == pid
        order = np.argsort(rows["t_us"][mine], kind="stable")
        t_us = rows["t_us"][mine][order]
        counter = rows["cpu_ns"][mine][order]
        earlier = sweeps[sweeps < t_us[0]]
        if len(earlier):
            t_us = np.concatenate([earlier[-1:], t_us])
            counter = np.concatenate([[0], counter])
        spent = np.diff(counter)
        # A counter that fell belongs to another process, which was given the number of one that had ended.
        spent = np.where(spent < 0, counter[1:], spent)
        cumulated = np.concatenate([[0], np.cumsum(spent)])
        before, after = np.interp([0, window_us], t_us, cumulated)
        total += float(after - before)
    return total


def _largest_sum(t_us: Ints, values: Ints) -> int | None:
    """Return the largest sum over one sweep; a sweep of the warm-up, or that lacks a value, has none.

    Sweeps after the window count: what costs too much to be read while it lasts is read then.
    """
    inside = t_us >= 0
    sweeps, place = np.unique(t_us[inside], return_inverse=True)
    sums = np.zeros(len(sweeps), dtype=np.int64)
    np.add.at(sums, place, values[inside])
    whole = np.ones(len(sweeps), dtype=bool)
    whole[place[values[inside] == _NULL]] = False
    return int(sums[whole].max()) if whole.any() else None


_NULL: Final = np.iinfo(np.int64).min
_NEVER: Final = np.iinfo(np.int64).max


def _start_us(requests: pa.Table) -> Ints:
    """Return when each request was meant to start, or was sent where nothing was scheduled."""
    scheduled = _column(requests, "scheduled_us")
    return np.where(scheduled == _NULL, _column(requests, "sent_us"), scheduled)


def _column(table: pa.Table, name: str) -> Ints:
    """Return an integer column with nulls as the smallest integer."""
    column = table.column(name).cast("int64")
    values: Ints = column.fill_null(_NULL).to_numpy()
    return values


def _words(table: pa.Table, name: str) -> Any:
    """Return a column of words as an array of objects."""
    return table.column(name).cast("string").to_numpy()
