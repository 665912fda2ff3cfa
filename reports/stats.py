"""Arithmetic: from a trial's tables to an arm's figures, and from trials to the summary of a variant."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from reports.format import FAILURES, OUTCOMES, ROLES, Figures, Instrument, Spread, Summary
from reports.judging.baseline import over
from reports.record.columns import ANSWERED, CENSORED, NULL, RIGHT, among, codes, ints, one_of, outcomes, start_us
from reports.trials import openload
from reports.trials.quantiles import percentiles
from reports.trials.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    import pyarrow as pa

    from reports.format import Arm, Load, Trial, Verdict
    from reports.record.columns import Ints, Mask

PERCENTILES: Final = {"p50_us": 50, "p95_us": 95, "p99_us": 99}
_TIMES: Final = (*PERCENTILES, "mean_us", "max_us")
_SERVICE_TIMES: Final = (*(f"service_{name}" for name in PERCENTILES), "service_mean_us")
_RESOURCES: Final = ("cpu_us_per_request", "rss_bytes", "pss_bytes", "cpu_share", "ctx_switches_per_request")
METRICS: Final = (
    *PERCENTILES, "max_us", "mean_us", "requests_per_s", "throughput_per_s", "error_share", *_SERVICE_TIMES,
    "dispatch_lag_p50_us", "dispatch_lag_p99_us", *(f"{role}_{name}" for name in _RESOURCES for role in ROLES),
)  # fmt: skip
"""Every name that `Summary.metrics` can hold.

`throughput_per_s` is what closed loops drew: in the closed phase behind an open window, or in the window itself.
"""
COSTS: Final = (
    *PERCENTILES, "mean_us", "app_cpu_us_per_request", "store_cpu_us_per_request", "app_pss_bytes",
)  # fmt: skip
"""Every name that `Summary.over_baseline` can hold."""


def figures(
    requests: pa.Table, resources: pa.Table | None, *, arm: int, window_s: float, load: Load | None = None
) -> Figures:
    """Return the figures of one arm in a trial's window, which begins at 0 µs and lasts `window_s`.

    `requests` and `resources` are as in `record.tables`, warm-up and drain included; the closed phase behind the
    window is left out. A request belongs to the window by its intended start: scheduled, or sent where nothing was
    scheduled (closed load). What only open load has is filled in when `load` is open.
    """
    whole = _measured(requests, resources, arm=arm, from_us=0, window_s=window_s, closed_phase=False)
    if load is not None and load.kind == "open":
        openload.add(whole, requests, arm=arm, window_s=window_s, load=load)
    return whole


def part_figures(
    requests: pa.Table, resources: pa.Table | None, *, arm: int, from_s: float, window_s: float
) -> Figures:
    """Return the figures of one arm in a part of a trial that begins at `from_s`; else as `figures`."""
    return _measured(requests, resources, arm=arm, from_us=round(from_s * 1e6), window_s=window_s, closed_phase=False)


def closed_figures(
    requests: pa.Table, resources: pa.Table | None, *, arm: int, from_s: float, window_s: float
) -> Figures:
    """Return the figures of the closed phase, of requests sent in `window_s` from `from_s` on; else as `figures`."""
    return _measured(requests, resources, arm=arm, from_us=round(from_s * 1e6), window_s=window_s, closed_phase=True)


def instrument(
    resources: pa.Table | None, lags_ns: npt.NDArray[np.int64], *, window_s: float, from_s: float = 0.0
) -> Instrument:
    """Return what the tables know of the instrument in an interval of a trial, by default the window.

    `lags_ns` is how late the generator's event loop served its timer, each time in the interval. Steal time and the
    clocks are the caller's to fill in.
    """
    from_us, to_us = round(from_s * 1e6), round((from_s + window_s) * 1e6)
    usage = None if resources is None else Usage(resources)
    p50_ns, p99_ns = percentiles(lags_ns, (50, 99))
    return Instrument(
        loop_lag_p50_us=None if p50_ns is None else p50_ns / 1e3,
        loop_lag_p99_us=None if p99_ns is None else p99_ns / 1e3,
        waiting_share=usage.waiting_share(from_us, to_us) if usage else None,
        cpu_apart=usage.cpu_apart(from_us, to_us) if usage else {},
    )


def timed(requests: pa.Table, arm: int, *, closed_phase: bool = False) -> tuple[Ints, Ints, Mask]:
    """Return what one arm's requests took, in order of their intended start; percentiles are of these.

    The three arrays are the intended start and the response in µs, and whether there was an answer: where
    there was none, the response is the wait that was seen. Errors are left out; warm-up and drain are not. They are
    the requests of the closed phase, or all others.
    """
    start, response, kinds = start_us(requests), ints(requests, "response_us"), outcomes(requests)
    kept = one_of(RIGHT | CENSORED)[kinds] & (response != NULL) & (start != NULL)
    kept &= (ints(requests, "arm") == arm) & (among(requests, "phase", ("closed",)) == closed_phase)
    rows = np.flatnonzero(kept)
    rows = rows[np.argsort(start[rows], kind="stable")]
    return start[rows], response[rows], one_of(RIGHT)[kinds[rows]]


def backwards(requests: pa.Table) -> int:
    """Return how many requests took less than no time; a clock that runs on has none."""
    times = (ints(requests, name) for name in ("service_us", "response_us"))
    return int(np.logical_or.reduce([(each < 0) & (each != NULL) for each in times]).sum())


def summaries(trials: Sequence[Trial], baseline: str | None = None) -> list[Summary]:
    """Return one summary per variant, in the order in which they first ran; only latency trials make them.

    Figures of INVALID trials count for nothing but their number in `states`. `baseline` names the variant that keeps
    nothing: what the others cost over it is paired block by block, by each block's last attempt that counts.
    """
    ran: dict[str, list[tuple[Verdict, Arm]]] = {}
    by_block: dict[str, dict[int, Figures]] = {}
    for trial in trials:
        if trial.purpose != "latency":
            continue
        for arm in trial.arms:
            ran.setdefault(arm.variant, []).append((trial.verdict, arm))
            if trial.verdict.state != "INVALID" and arm.figures is not None:
                by_block.setdefault(arm.variant, {})[trial.block] = arm.figures
    found = [_summary(name, arms) for name, arms in ran.items()]
    if baseline is not None:
        costs = {name: {block: _exact(each) for block, each in blocks.items()} for name, blocks in by_block.items()}
        for known in costs.get(baseline, {}).values():
            known.setdefault("store_cpu_us_per_request", 0.0)  # who keeps nothing has no store
        over_baseline = over(costs, baseline, COSTS)
        for summary in found:
            summary.over_baseline = over_baseline.get(summary.variant, {})
    return found


def _exact(figures: Figures) -> dict[str, float]:
    """Return the metrics but for lower bounds: one of them less something is nothing."""
    return {name: value for name, value in metrics(figures).items() if name not in figures.at_least}


def _summary(name: str, arms: list[tuple[Verdict, Arm]]) -> Summary:
    counted = [arm for verdict, arm in arms if verdict.state != "INVALID"]
    measured = [arm.figures for arm in counted if arm.figures is not None]
    values = [metrics(arm.figures, arm.closed) for arm in counted if arm.figures is not None]
    return Summary(
        variant=name,
        trials=len(measured),
        states=dict(Counter(verdict.state for verdict, _ in arms)),
        requests=sum(each.requests for each in measured),
        errors=sum(map(errors, measured)),
        wrong_answers=sum(each.outcomes.get("wrong_answer", 0) for each in measured),
        metrics={
            metric: _spread(seen) for metric in METRICS if (seen := [one[metric] for one in values if metric in one])
        },
    )


def errors(figures: Figures) -> int:
    """Return how many requests failed, wrong answers included."""
    return sum(figures.outcomes.get(outcome, 0) for outcome in FAILURES)


def metrics(figures: Figures, closed: Figures | None = None) -> dict[str, float]:
    """Return the figures that were measured as a flat mapping by the names of `METRICS`.

    `closed` are those of the closed phase behind an open window.
    """
    flat: dict[str, float | None] = {name: getattr(figures, name) for name in METRICS if name in Figures.model_fields}
    for name in _RESOURCES:
        flat.update({f"{role}_{name}": value for role, value in getattr(figures, name).items()})
    # A queue is what only open load has.
    drawn_by_loops = figures if closed is None and figures.queue_growth is None else closed
    flat["throughput_per_s"] = drawn_by_loops.requests_per_s if drawn_by_loops else None
    return {name: value for name in METRICS if (value := flat.get(name)) is not None}


def _spread(values: Iterable[float]) -> Spread:
    seen = sorted(values)
    return Spread(median=statistics.median(seen), min=seen[0], max=seen[-1], trials=len(seen))


def _measured(
    requests: pa.Table, resources: pa.Table | None, *, arm: int, from_us: int, window_s: float, closed_phase: bool
) -> Figures:
    window_us = round(window_s * 1e6)
    start = start_us(requests)
    inside = (start >= from_us) & (start < from_us + window_us)
    del start
    inside &= among(requests, "phase", ("closed",)) == closed_phase
    mine = inside & (ints(requests, "arm") == arm)
    every_kind = outcomes(requests)
    kinds = every_kind[mine]
    response, service = (ints(requests, name)[mine] for name in ("response_us", "service_us"))
    whole = _figures(response, service, kinds, window_s)
    if resources is not None:
        answered = one_of(ANSWERED)
        Usage(resources).add(
            whole,
            arm=arm,
            from_us=from_us,
            window_us=window_us,
            answered=int(answered[kinds].sum()),
            answered_by_all=int(answered[every_kind[inside]].sum()),
        )
    whole.steps = _steps(requests, mine, window_s)
    return whole


def figures_of(requests: pa.Table, rows: Mask, seconds: float) -> Figures:
    """Return the figures of some requests that were meant to start in so many seconds in all, without resources."""
    kinds = outcomes(requests)[rows]
    response, service = (ints(requests, name)[rows] for name in ("response_us", "service_us"))
    whole = _figures(response, service, kinds, seconds)
    whole.steps = _steps(requests, rows, seconds)
    return whole


def _steps(requests: pa.Table, rows: Mask, seconds: float) -> dict[str, Figures]:
    places, names = codes(requests, "name")
    places, kinds = places[rows], outcomes(requests)[rows]
    response, service = (ints(requests, name)[rows] for name in ("response_us", "service_us"))
    steps = {}
    for place in sorted(np.unique(places).tolist(), key=names.__getitem__):
        step = places == place
        steps[names[place]] = _figures(response[step], service[step], kinds[step], seconds)
    return steps


def _figures(response: Ints, service: Ints, kinds: npt.NDArray[np.int8], window_s: float) -> Figures:
    counts = np.bincount(kinds, minlength=len(OUTCOMES)).tolist()
    count = {outcome: number for outcome, number in zip(OUTCOMES, counts, strict=True) if number}
    times = _times(response, kinds)
    served = _times(service, kinds)
    right = int((one_of(RIGHT)[kinds] & (response != NULL)).sum())
    return Figures(
        requests=len(kinds),
        outcomes=count,
        window_s=window_s,
        requests_per_s=right / window_s,
        mean_us=times.known["mean_us"],
        p50_us=times.known["p50_us"],
        p95_us=times.known["p95_us"],
        p99_us=times.known["p99_us"],
        max_us=times.known["max_us"],
        at_least=[
            *times.at_least,
            *(name for each in served.at_least if (name := f"service_{each}") in _SERVICE_TIMES),
        ],
        error_share=sum(count.get(outcome, 0) for outcome in FAILURES) / len(kinds) if len(kinds) else 0.0,
        cpu_us_per_request=dict.fromkeys(ROLES),
        rss_bytes=dict.fromkeys(ROLES),
        pss_bytes=dict.fromkeys(ROLES),
        cpu_share=dict.fromkeys(ROLES),
        ctx_switches_per_request=dict.fromkeys(ROLES),
        service_mean_us=served.known["mean_us"],
        service_p50_us=served.known["p50_us"],
        service_p95_us=served.known["p95_us"],
        service_p99_us=served.known["p99_us"],
    )


class _Times(NamedTuple):
    """Percentiles, mean and maximum by name, and the names of those that are only lower bounds."""

    known: dict[str, float | None]
    at_least: list[str]


def _times(values_us: Ints, kinds: npt.NDArray[np.int8]) -> _Times:
    kept = one_of(RIGHT | CENSORED)[kinds] & (values_us != NULL)
    seen = values_us[kept]
    known: dict[str, float | None] = dict(zip(PERCENTILES, percentiles(seen, [*PERCENTILES.values()]), strict=True))
    known |= {"mean_us": float(seen.mean()), "max_us": int(seen.max())} if len(seen) else dict.fromkeys(_TIMES[-2:])
    unended = one_of(CENSORED)[kinds[kept]]
    if not unended.any():
        return _Times(known, [])
    # The same with waits of which nobody saw the end as long as can be: where both agree, it is exact.
    seen[unended] = _NEVER
    longest = percentiles(seen, [*PERCENTILES.values()])
    bounds = [name for name, value in zip(PERCENTILES, longest, strict=True) if known[name] != value]
    return _Times(known, [*bounds, *_TIMES[-2:]])


_NEVER: Final = np.iinfo(np.int64).max
