"""Whether arrivals came as they were meant to: a goodness-of-fit test of the intervals between them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float64]
    Ints: TypeAlias = npt.NDArray[np.int64]

FEWEST: Final = 30
"""Under so many values nobody can say."""
_GRAIN_US: Final = 2
"""Two times, each a whole µs, are together so far from the truth at most."""


def exponential_p(intervals_us: Ints, rate_per_s: float) -> float | None:
    """Return the Anderson-Darling p-value of whole µs between arrivals against exponential intervals of this rate.

    Every parameter is known (case 0 of Stephens), so a wrong rate is found as well as a wrong shape. The rounding
    does no harm up to 100,000 a second. None when there are fewer than `FEWEST`.
    """
    if len(intervals_us) < FEWEST:
        return None
    scaled = _spread(intervals_us)
    scaled *= -rate_per_s / 1e6
    # ln F and ln (1 - F) of the exponential distribution: neither tail is computed as one less almost one.
    log_below = np.expm1(scaled)
    np.log(np.negative(log_below, out=log_below), out=log_below)
    return anderson_darling_p(_anderson_darling(log_below, scaled), len(scaled))


def constant_p(intervals_us: Ints, rate_per_s: float) -> float | None:
    """Return 1 when all intervals are those of the rate to within the rounding to whole µs, else 0.

    None when there are fewer than `FEWEST`.
    """
    if len(intervals_us) < FEWEST:
        return None
    return float(np.abs(intervals_us - 1e6 / rate_per_s).max() <= _GRAIN_US)


def anderson_darling(probabilities: Floats) -> float:
    """Return A² of what should be uniform between 0 and 1: the distribution function at each value."""
    ordered = np.sort(probabilities)
    return _anderson_darling(np.log(ordered), np.log1p(-ordered))


def anderson_darling_p(statistic: float, count: int) -> float:
    """Return the probability of an A² as large, for so many values of a distribution that is known.

    Marsaglia & Marsaglia 2004, Evaluating the Anderson-Darling Distribution, Journal of Statistical Software 9(2):
    `adinf` with its correction for n. They state errors below 0.000002 and 0.0001; tiny p-values are as good as
    that.
    """
    if statistic <= 0:
        return 1.0
    limit = _limit(statistic)
    return min(1.0, max(0.0, 1 - limit - _correction(limit, count)))


def _anderson_darling(log_below: Floats, log_above: Floats) -> float:
    """Return A² from ln F and ln (1 - F) at the values in ascending order."""
    count = len(log_below)
    odd = np.arange(1, 2 * count, 2, dtype=np.float64)
    return float(-count - (odd @ log_below + odd @ log_above[::-1]) / count)


def _spread(whole_us: Ints) -> Floats:
    """Return the values in ascending order, those that were rounded to the same µs spread evenly over it.

    Without it an interval of 0 µs would be impossible, and ties many at high rates. Where both ends were rounded,
    zero stands for the half µs above it: what would be below it counts on the other side.
    """
    values, counts = np.unique(whole_us, return_counts=True)
    low = np.maximum(values - 0.5, 0.0)
    # In place: there may be ten million.
    spread = np.arange(0.5, len(whole_us))
    spread -= np.repeat(np.cumsum(counts) - counts, counts)
    spread *= np.repeat((values + 0.5 - low) / counts, counts)
    spread += np.repeat(low, counts)
    return spread


def _limit(z: float) -> float:
    """Return the distribution function of A² for infinitely many values."""
    if z < 2:  # noqa: PLR2004 - the authors' seam
        series = (2.00012, 0.247105, -0.0649821, 0.0347962, -0.011672, 0.00168691)
        return math.exp(-1.2337141 / z) / math.sqrt(z) * _polynomial(z, series)
    series = (1.0776, -2.30695, 0.43424, -0.082433, 0.008056, -0.0003146)
    return math.exp(-math.exp(_polynomial(z, series)))


def _correction(x: float, count: int) -> float:
    """Return what `_limit` lacks for so many values."""
    if x > 0.8:  # noqa: PLR2004 - the authors' seam
        series = (-130.2137, 745.2337, -1705.091, 1950.646, -1116.360, 255.7844)
        return _polynomial(x, series) / count
    seam = 0.01265 + 0.1757 / count
    if x < seam:
        t = x / seam
        scale = 0.0037 / count**3 + 0.00078 / count**2 + 0.00006 / count
        return scale * math.sqrt(t) * (1 - t) * (49 * t - 102)
    t = (x - seam) / (0.8 - seam)
    series = (-0.00022633, 6.54034, -14.6538, 14.458, -8.259, 1.91864)
    return _polynomial(t, series) * (0.04213 / count + 0.01365 / count**2)


def _polynomial(x: float, coefficients: tuple[float, ...]) -> float:
    """Return the polynomial with these coefficients, the constant first."""
    value = 0.0
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value
