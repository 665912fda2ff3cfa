"""Figures that only open load has: whether the arrivals came as drawn, found a user, and were kept up with."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from reports import goodness, stationarity
from reports.columns import CENSORED, NULL, RIGHT, among, ints, one_of, outcomes, start_us
from reports.quantiles import percentiles

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy.typing as npt
    import pyarrow as pa

    from reports.columns import Ints, Mask
    from reports.format import Figures, Load

    Floats: TypeAlias = npt.NDArray[np.float64]

_FIFTH: Final = 5
_INSTANTS: Final = 200
"""So many times in each fifth the unanswered are counted."""
_HANDOVER_US: Final = 2
"""Times are cut to whole µs: an answer and the request that is meant to start with it are so far apart at most."""
_NEVER: Final = np.iinfo(np.int64).max


def add(into: Figures, requests: pa.Table, *, arm: int, window_s: float, load: Load) -> None:
    """Fill in the figures of one arm's open load in the window, which begins at 0 µs and lasts `window_s`.

    The intervals between arrivals are judged over all arms: the load draws them before anyone knows whose they are.
    """
    to_us = round(window_s * 1e6)
    counted = ~among(requests, "phase", ("closed",))
    start = start_us(requests)
    drawn = _arrivals(requests, start) & counted
    inside = (start >= 0) & (start < to_us)
    into.arrivals_p = _arrivals_p(requests, start, drawn & inside, load)
    mine = counted & (ints(requests, "arm") == arm)
    kinds = outcomes(requests)
    drawn &= mine & inside
    if count := int(drawn.sum()):
        unheard = one_of(CENSORED)[kinds[drawn]]
        into.achieved_share = 1 - int(unheard.sum()) / count
        lag_us = ints(requests, "wake_lag_us")[drawn]
        punctual = lag_us[lag_us != NULL]
        into.queued_share = 1 - len(punctual) / count
        into.dispatch_lag_p50_us, into.dispatch_lag_p99_us = percentiles(punctual, (50, 99))
    kept = mine & (start < to_us) & (start != NULL)
    end = _end_us(requests, start, kinds, kept)
    start, kinds = start[kept], kinds[kept]
    into.queue_growth = _growth(start, end, to_us)
    into.trends = _trends(start, end, kinds, window_s)


def _arrivals(requests: pa.Table, start: Ints) -> Mask:
    """Return which rows are arrivals: all that were scheduled but the later requests of a step.

    Those have no wake lag, like an arrival that had to wait, and are meant to start when the same user was last
    answered; what had waited for a user was there before that.
    """
    drawn: Mask = ints(requests, "scheduled_us") != NULL
    sent = ints(requests, "sent_us")
    unsure = drawn & (ints(requests, "wake_lag_us") == NULL) & (sent != NULL)
    if not unsure.any():
        return drawn
    user = ints(requests, "user")
    rows = np.flatnonzero((sent != NULL) & (user != NULL))
    who = user[rows] * (int(ints(requests, "worker").max()) + 1) + ints(requests, "worker")[rows]
    order = np.lexsort((sent[rows], who))
    rows, who = rows[order], who[order]
    answered = sent[rows] + ints(requests, "service_us")[rows]
    later = np.zeros(len(rows), dtype=np.bool_)
    later[1:] = (who[1:] == who[:-1]) & (np.abs(start[rows[1:]] - answered[:-1]) <= _HANDOVER_US)
    drawn[rows[later & unsure[rows]]] = False
    return drawn


def _arrivals_p(requests: pa.Table, start: Ints, drawn: Mask, load: Load) -> float | None:
    if not load.rate_per_s:
        return None
    workers = ints(requests, "worker")[drawn]
    if load.arrivals == "exponential":
        # The parts of a Poisson process that each generator draws are together the whole again.
        workers = np.zeros_like(workers)
    parts = [np.sort(start[drawn][workers == worker]) for worker in np.unique(workers)]
    if not parts:
        return None
    intervals = np.concatenate([part[1:] - part[:-1] for part in parts])
    judge = goodness.exponential_p if load.arrivals == "exponential" else goodness.constant_p
    return judge(intervals, load.rate_per_s / len(parts))


def _end_us(requests: pa.Table, start: Ints, kinds: npt.NDArray[np.int8], kept: Mask) -> Ints:
    """Return when each request was over; `_NEVER` for those that the end of the trial cut off."""
    response = ints(requests, "response_us")[kept]
    cut = one_of({"cut", "unsent"})[kinds[kept]] | (response == NULL)
    return np.where(cut, _NEVER, start[kept] + response)


def _growth(start: Ints, end: Ints, to_us: int) -> float:
    """Return how many more are unanswered in the window's last fifth than in its first, each the median over time.

    The median: a stall of a moment is no growth, wherever it falls.
    """
    fifth = to_us / _FIFTH
    instants: Floats = (np.arange(_INSTANTS, dtype=np.float64) + 0.5) * (fifth / _INSTANTS)
    first, last = (_unanswered(start, end, begin + instants) for begin in (0.0, to_us - fifth))
    return float(np.median(last) - np.median(first))


def _unanswered(start: Ints, end: Ints, instants: Floats) -> Ints:
    """Return how many had arrived and were not over at each of these ascending instants."""
    came = np.bincount(np.searchsorted(instants, start), minlength=len(instants) + 1)
    went = np.bincount(np.searchsorted(instants, end), minlength=len(instants) + 1)
    return np.asarray(np.cumsum(came - went)[:-1], dtype=np.int64)


def _trends(start: Ints, end: Ints, kinds: npt.NDArray[np.int8], window_s: float) -> dict[str, float]:
    """Return what trended, from the median response of each bin and its answers against its arrivals."""
    count, length_s = stationarity.bins(window_s)
    if not count:
        return {}
    edges = np.arange(count + 1) * (length_s * 1e6)
    came, went = (np.searchsorted(edges, times, side="right").astype(np.int16) - 1 for times in (start, end))
    arrivals, answers = _count(came, count), _count(went[~one_of(CENSORED)[kinds]], count)
    share = np.divide(answers, arrivals, out=np.full(count, np.nan), where=arrivals > 0)
    timed = np.flatnonzero(one_of(RIGHT | CENSORED)[kinds] & (came >= 0) & (came < count))
    timed = timed[np.argsort(came[timed], kind="stable")]
    bounds = np.searchsorted(came[timed], np.arange(count + 1))
    response = end[timed] - start[timed]
    medians = [float(np.median(response[begin:stop])) if stop > begin else np.nan for begin, stop in pairwise(bounds)]
    return stationarity.trends(medians, share)


def _count(places: npt.NDArray[np.int16], count: int) -> Floats:
    inside = (places >= 0) & (places < count)
    return np.bincount(places[inside], minlength=count).astype(np.float64)
