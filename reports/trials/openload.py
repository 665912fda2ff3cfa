"""Figures that only open load has: whether the arrivals came as drawn, found a user, and were kept up with."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from reports.record.columns import CENSORED, NULL, RIGHT, among, ints, one_of, outcomes, start_us
from reports.trials import goodness, stationarity
from reports.trials.quantiles import percentiles

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy.typing as npt
    import pyarrow as pa

    from reports.format import Figures, Load
    from reports.record.columns import Ints, Mask

    Floats: TypeAlias = npt.NDArray[np.float64]

_FIFTH: Final = 5
_INSTANTS: Final = 200
"""So many times in each fifth the unanswered are counted."""
_HANDOVER_US: Final = 2
"""Times are cut to whole µs: an answer and the request that is meant to start with it are so far apart at most."""
_MOMENTS: Final = 1 << 44
"""More µs than a trial has: half a year."""
_CHUNK: Final = 1 << 20
"""So many requests are put in their places at once: ten million places take as much memory as ten million times."""
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
        into.achieved_share = 1 - int(one_of(CENSORED)[kinds[drawn]].sum()) / count
        punctual_us = ints(requests, "wake_lag_us")[drawn]
        punctual_us = punctual_us[punctual_us != NULL]
        into.queued_share = 1 - len(punctual_us) / count
        into.dispatch_lag_p50_us, into.dispatch_lag_p99_us = percentiles(punctual_us, (50, 99))
        del punctual_us
    kept = mine & (start < to_us) & (start != NULL)
    start, kinds = start[kept], kinds[kept]
    end = _end_us(start, ints(requests, "response_us")[kept], kinds)
    into.queue_growth = _growth(start, end, to_us)
    into.trends = _trends(start, end, kinds, window_s)


def _arrivals(requests: pa.Table, start: Ints) -> Mask:
    """Return which rows are arrivals: all that were scheduled but the later requests of a step.

    Those have no wake lag, like an arrival that had to wait, and are meant to start when the same user was last
    answered; what had waited for a user was there before that.
    """
    drawn: Mask = ints(requests, "scheduled_us") != NULL
    sent = ints(requests, "sent_us") != NULL
    unsure = drawn & (ints(requests, "wake_lag_us") == NULL) & sent
    known = sent & (ints(requests, "user") != NULL)
    if not unsure.any():
        return drawn
    # One number for each user and moment, so that one sort finds the answers of every user.
    answered = ints(requests, "user")[known]
    answered *= int(ints(requests, "worker").max()) + 1
    answered += ints(requests, "worker")[known]
    answered *= _MOMENTS
    meant = np.full(len(start), NULL)
    meant[known] = answered + start[known]
    meant = meant[unsure]
    answered += ints(requests, "sent_us")[known]
    answered += ints(requests, "service_us")[known]
    answered.sort()
    nearest = np.minimum(np.searchsorted(answered, meant - _HANDOVER_US), len(answered) - 1)
    drawn[unsure] = np.abs(answered[nearest] - meant) > _HANDOVER_US
    return drawn


def _arrivals_p(requests: pa.Table, start: Ints, drawn: Mask, load: Load) -> float | None:
    if not load.rate_per_s:
        return None
    if load.arrivals == "exponential":
        # The parts of a Poisson process that each generator draws are together the whole again.
        return goodness.exponential_p(_intervals(start[drawn]), load.rate_per_s)
    workers = ints(requests, "worker")
    parts = [_intervals(start[drawn & (workers == worker)]) for worker in np.unique(workers[drawn])]
    return goodness.constant_p(np.concatenate(parts), load.rate_per_s / len(parts)) if parts else None


def _intervals(times: Ints) -> Ints:
    times.sort()
    return times[1:] - times[:-1]


def _end_us(start: Ints, response: Ints, kinds: npt.NDArray[np.int8]) -> Ints:
    """Return when each request was over; `_NEVER` for those that the end of the trial cut off."""
    end = start + response
    end[one_of({"cut", "unsent"})[kinds] | (response == NULL)] = _NEVER
    return end


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
    change = _histogram(start, instants) - _histogram(end, instants)
    return np.asarray(np.cumsum(change)[:-1], dtype=np.int64)


def _histogram(times: Ints, edges: Floats) -> Ints:
    """Return how many times lie before the first edge, between each two, and behind the last."""
    counts = np.zeros(len(edges) + 1, dtype=np.int64)
    for begin in range(0, len(times), _CHUNK):
        places = np.searchsorted(edges, times[begin : begin + _CHUNK], side="right")
        counts += np.bincount(places, minlength=len(counts))
    return counts


def _trends(start: Ints, end: Ints, kinds: npt.NDArray[np.int8], window_s: float) -> dict[str, float]:
    """Return what trended, from the median response of each bin and its answers against its arrivals.

    Afterwards there is rubbish in `start` and `end`.
    """
    count, length_s = stationarity.bins(window_s)
    if not count:
        return {}
    edges: Floats = np.arange(count + 1, dtype=np.float64) * (length_s * 1e6)
    arrivals = _histogram(start, edges)[1:-1]
    answers = _histogram(end[~one_of(CENSORED)[kinds]], edges)[1:-1]
    share = np.divide(answers, arrivals, out=np.full(count, np.nan), where=arrivals > 0)
    # From here on in place: each of these has a place for every request.
    timed = one_of(RIGHT | CENSORED)[kinds] & (start >= 0) & (start < edges[-1])
    response = np.subtract(end, start, out=end)
    start //= round(length_s * 1e6)
    place = np.where(timed, start, count).astype(np.uint8)
    response = response[np.argsort(place, kind="stable")]
    bounds = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=count)[:count])])
    medians = [
        float(np.median(response[begin:stop])) if stop > begin else np.nan for begin, stop in pairwise(bounds.tolist())
    ]
    return stationarity.trends(medians, share)
