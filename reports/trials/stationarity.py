"""Whether load and latency have settled: a Mann-Kendall test with Theil-Sen slope over bins of 0.25 s."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float64]
    Values: TypeAlias = Sequence[float] | Floats

BIN_S: Final = 0.25
STEADY_BINS: Final = 12
"""A warm-up is judged by its last 3 s: fewer bins show a trend of 20 % in Poisson arrivals too seldom."""
STEADY_P: Final = 0.10
STEADY_CHANGE: Final = 0.10
"""Being wrong here costs a quarter of a second of warm-up, so a hint of a trend will do."""
TREND_P: Final = 0.003
"""Of each of the two quantities: together they alarm in less than 1 % of healthy trials."""
TREND_CHANGE: Final = 0.10
"""A figure over the whole window is off by half of what trends through it: 5 %, the tolerance of a median."""
_MOST_BINS: Final = 240
"""Pairs of bins grow with their square; a longer window has longer bins."""
_FEWEST_BINS: Final = 8
_MOST_RELATED: Final = 0.9


@dataclass(frozen=True)
class Trend:
    """What evenly spaced values do: `p` of there being no trend (two-sided), and `change` from first to last.

    `change` is a share of where the fitted line begins, 0.2 for a rise by a fifth.
    """

    p: float
    change: float


def steady(throughput: Values, latency_us: Values) -> bool:
    """Return whether a warm-up may end: neither quantity trends over its last `STEADY_BINS` bins.

    Both have one value per bin of `BIN_S` since the load began: answers (a rate will do), and their median latency,
    NaN where there was no answer. Fewer bins than `STEADY_BINS` are never steady.
    """
    if min(len(throughput), len(latency_us)) < STEADY_BINS:
        return False
    last = [np.asarray(each, dtype=np.float64)[-STEADY_BINS:] for each in (throughput, latency_us)]
    # Not inflated: what decays resembles its neighbours too, and would pass for noise.
    seen = [trend(values, related=False) for values in last]
    return not any(each and each.p <= STEADY_P and abs(each.change) > STEADY_CHANGE for each in seen)


def trends(latency_us: Values, answered_share: Values) -> dict[str, float]:
    """Return what trended through a window, `latency` or `throughput`, with its change as a share.

    One value per bin: the median latency, and the answers against the arrivals drawn in it, so that chance arrivals
    make no trend; NaN where there was nothing. To be named a trend must be significant (`TREND_P`) and matter
    (`TREND_CHANGE`).
    """
    quantities = {"latency": latency_us, "throughput": answered_share}
    found = {name: trend(np.asarray(values, dtype=np.float64)) for name, values in quantities.items()}
    return {
        name: seen.change
        for name, seen in found.items()
        if seen and seen.p <= TREND_P and abs(seen.change) > TREND_CHANGE
    }


def bins(window_s: float) -> tuple[int, float]:
    """Return into how many bins a window is parted, and their length in s; what is left at its end is in none."""
    length_s = BIN_S * max(1, math.ceil(window_s / BIN_S / _MOST_BINS))
    return math.floor(window_s / length_s + 1e-9), length_s


def trend(values: Floats, *, related: bool = True) -> Trend | None:
    """Return the trend of evenly spaced values, without those that are NaN; None when fewer than 8 are left.

    Mann 1945 and Kendall 1975, with their variance for ties, inflated where neighbours may be `related` and do
    resemble each other (Yue & Wang 2004, with the first autocorrelation of what the line leaves, freed of its bias:
    Kendall 1954); the slope of the line is Theil-Sen's (Sen 1968).
    """
    kept = ~np.isnan(values)
    y, t = values[kept], np.flatnonzero(kept).astype(np.float64)
    count = len(y)
    if count < _FEWEST_BINS:
        return None
    first, second = np.triu_indices(count, 1)
    rises = y[second] - y[first]
    slope = float(np.median(rises / (t[second] - t[first])))
    score = float(np.sign(rises).sum())
    _, tied = np.unique(y, return_counts=True)
    untied, lost = ((n * (n - 1) * (2 * n + 5) / 18).sum() for n in (np.asarray([count]), tied))
    variance = float(untied - lost) * (_inflation(y - slope * t) if related else 1.0)
    z = (abs(score) - 1) / math.sqrt(variance) if score and variance > 0 else 0.0
    start = float(np.median(y - slope * t)) + slope * t[0]
    level = start if start > 0 else abs(float(np.median(y)))
    rise = slope * (t[-1] - t[0])
    return Trend(p=2 * (1 - NormalDist().cdf(z)) if z > 0 else 1.0, change=float(rise / level) if level else 0.0)


def _inflation(residuals: Floats) -> float:
    """Return by what factor the variance of a mean is larger than for values that know nothing of each other."""
    count = len(residuals)
    centred = residuals - residuals.mean()
    power = float(centred @ centred)
    if power <= 0:
        return 1.0
    seen = float(centred[1:] @ centred[:-1]) / power
    related = min((count * seen + 1) / (count - 4), _MOST_RELATED) if seen > 0 else 0.0
    powers = related ** np.arange(1, count)
    return 1 + 2 * float(((1 - np.arange(1, count) / count) * powers).sum())
