"""What charts draw of a trial's requests: bins, rates and a tail, equally small for a thousand and for a million."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from reports import stats
from reports.record.columns import NULL, ints

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pyarrow as pa

    from reports.format import Trial
    from reports.record.columns import Ints, Mask

    Floats = npt.NDArray[np.float64]

RATE_BIN_S: Final = 0.25
_BINS: Final = 60
_FEWEST: Final = 20
"""Bins of latency over a trial, and requests that one should hold."""
_POINTS: Final = 120
_FEWEST_BEYOND: Final = 10
"""A tail ends where fewer requests took longer: beyond lies chance (no p99.9 under 10,000 requests)."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Latency over one stretch of a trial, in ms, where there were requests: p5, p50, p95, the slowest."""

    middle_s: Floats
    low_ms: Floats
    median_ms: Floats
    high_ms: Floats
    slowest_ms: Floats
    lost: Mask
    """Whether somebody in the bin was never answered: its times are lower bounds."""


@dataclass(frozen=True, slots=True)
class Outline:
    """One arm's trial; times are seconds from the window's begin, errors are left out of every latency."""

    stretches: list[Bins]
    """Warm-up, window, closed phase; those that there were."""
    edges_s: Floats
    """Bins of 0.25 s, from the warm-up's begin to the end of the trial."""
    answered_per_s: Floats
    """Right answers, by when they came."""
    arrived_per_s: Floats | None
    """Arrivals, by when they were meant to start; None in closed load."""
    waiting: tuple[Floats, Ints] | None
    """Moments, and how many arrivals had found no free user until then; None when all of them found one."""
    drained_s: float
    """When the last arrival was answered or given up; never before the window's end."""
    closed_from_s: float | None
    """When the closed phase began to send."""
    end_s: float
    """Where the trial ends: the window in closed load, the drain or the closed phase in open load."""
    tail: tuple[Floats, Floats] | None
    """Of the window: latencies in ms, and the share of requests that took longer."""

    @property
    def extremes_ms(self) -> tuple[float, float]:
        """The lowest p5 and the longest of all bins."""
        return min(bins.low_ms.min() for bins in self.stretches), max(bins.slowest_ms.max() for bins in self.stretches)


class _Timed(NamedTuple):
    """What `stats.timed` returns."""

    start_us: Ints
    response_us: Ints
    right: Mask

    @property
    def end_us(self) -> Ints:
        return self.start_us + self.response_us


def outline(requests: pa.Table, trial: Trial, arm: int) -> Outline | None:
    """Reduce one arm's requests of a trial, or return None when none of them has a time."""
    opened = _Timed(*stats.timed(requests, arm))
    if not len(opened.start_us):
        return None
    scheduled_us = ints(requests, "scheduled_us")
    mine = (ints(requests, "arm") == arm) & (scheduled_us != NULL)
    end_s = drained_s = trial.window_s
    if mine.any():
        end_s = drained_s = max(trial.window_s, float(opened.end_us.max()) / 1e6)
    spans = [(opened, -trial.warmup_s, 0.0), (opened, 0.0, trial.window_s)]
    answered_us = [opened.end_us[opened.right]]
    closed_from_s = None
    if trial.closed_from_s is not None:
        closed = _Timed(*stats.timed(requests, arm, closed_phase=True))
        closed_from_s = float(closed.start_us[0]) / 1e6 if len(closed.start_us) else trial.closed_from_s
        end_s = trial.closed_from_s + trial.closed_s
        spans.append((closed, closed_from_s, end_s))
        answered_us.append(closed.end_us[closed.right])
    edges_s = _edges(-trial.warmup_s, end_s)
    window = slice(*np.searchsorted(opened.start_us, (0, round(trial.window_s * 1e6))))
    return Outline(
        stretches=_stretches(spans),
        edges_s=edges_s,
        answered_per_s=_per_second(np.concatenate(answered_us), edges_s),
        arrived_per_s=_per_second(scheduled_us[mine], edges_s) if mine.any() else None,
        waiting=_waiting(requests, mine, scheduled_us, (-trial.warmup_s, drained_s)),
        drained_s=drained_s,
        closed_from_s=closed_from_s,
        end_s=end_s,
        tail=tail(opened.response_us[window]),
    )


def tail(latencies_us: Ints) -> tuple[Floats, Floats] | None:
    """Return latencies in ms and the share of requests that took longer, evenly spread over its logarithm."""
    count = len(latencies_us)
    if count <= _FEWEST_BEYOND:
        return None
    ordered = np.sort(latencies_us)
    beyond = np.unique(np.geomspace(_FEWEST_BEYOND, count - 1, _POINTS).astype(int))[::-1]
    return ordered[count - 1 - beyond] / 1e3, beyond / count


def _edges(begin_s: float, end_s: float) -> Floats:
    """Return whole bins that meet at zero, so that none holds both warm-up and window."""
    first, last = np.ceil(begin_s / RATE_BIN_S - 1e-6), np.floor(end_s / RATE_BIN_S + 1e-6)
    return np.arange(first, max(last, 1) + 1, dtype=np.float64) * RATE_BIN_S


def _per_second(moments_us: Ints, edges_s: Floats) -> Floats:
    """Count moments into the bins, whole numbers all the way: a histogram would sort them first."""
    width_us = round(RATE_BIN_S * 1e6)
    place = moments_us // width_us - round(edges_s[0] / RATE_BIN_S)
    bins = len(edges_s) - 1
    return np.bincount(place[(place >= 0) & (place < bins)], minlength=bins) / RATE_BIN_S


def _stretches(spans: Sequence[tuple[_Timed, float, float]]) -> list[Bins]:
    """Part spans of seconds into bins, no bin in two of them; what is ordered by its start needs no sorting by bin."""
    whole_s = sum(end - begin for _, begin, end in spans)
    requests = max(len(timed.start_us) for timed, _, _ in spans)
    step_s = whole_s / min(_BINS, max(1, requests // _FEWEST))
    found = []
    for timed, begin, end in spans:
        edges_s = np.linspace(begin, end, max(1, round((end - begin) / step_s)) + 1)
        cuts = np.searchsorted(timed.start_us, edges_s * 1e6)
        rows = []
        for place, (first, last) in enumerate(pairwise(cuts)):
            if first == last:
                continue
            ranks = [(last - first - 1) * percent // 100 for percent in (5, 50, 95, 100)]
            times_us = np.partition(timed.response_us[first:last], ranks)[ranks]
            lost = not timed.right[first:last].all()
            rows.append(((edges_s[place] + edges_s[place + 1]) / 2, *(times_us / 1e3), lost))
        if rows:
            found.append(Bins(*(np.array(column) for column in zip(*rows, strict=True))))
    return found


def _waiting(
    requests: pa.Table, mine: Mask, scheduled_us: Ints, span_s: tuple[float, float]
) -> tuple[Floats, Ints] | None:
    """Count who waits for a user at even moments: the generator's own lag is not such waiting."""
    queued = mine & (ints(requests, "wake_lag_us") == NULL)
    if not queued.any():
        return None
    begin_us = scheduled_us[queued]
    sent_us = ints(requests, "sent_us")[queued]
    end_us = np.where(sent_us == NULL, begin_us + ints(requests, "response_us")[queued], sent_us)
    moments_s = np.linspace(*span_s, _POINTS)
    came, went = (np.searchsorted(np.sort(times), moments_s * 1e6, side="right") for times in (begin_us, end_us))
    waiting = came - went
    return (moments_s, waiting) if waiting.any() else None
