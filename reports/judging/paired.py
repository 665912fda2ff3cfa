"""Exact statistics of paired differences: Hodges-Lehmann, ordered Walsh averages, signed-rank p-values.

Everything here takes one difference per block. A positive one means more: slower, dearer. Nothing is assumed of them
but that they are independent and, where there is no effect, as likely to fall on one side as on the other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float64]
    Differences: TypeAlias = Sequence[float] | Floats


def walsh(differences: Differences) -> Floats:
    """Return the n(n+1)/2 averages of every pair, each difference with itself included, in ascending order."""
    values = np.asarray(differences, dtype=np.float64)
    first, second = np.triu_indices(len(values))
    # Halved before they are added: the sum of two large ones could overflow.
    return np.sort(values[first] / 2 + values[second] / 2)


def estimate(differences: Differences) -> float:
    """Return the Hodges-Lehmann estimate: the median of the Walsh averages. There must be a difference."""
    return float(np.median(walsh(differences)))


def interval(differences: Differences, alpha: float) -> tuple[float, float] | None:
    """Return the ordered Walsh averages that cover the true difference with a probability of at least 1 - 2 alpha.

    They are the k-th from below and from above, k from the exact signed-rank distribution (Hollander, Wolfe & Chicken
    2014, 3.4). None when there are too few differences for the level: see `fewest`. With ties it covers more.
    """
    if (k := rank(len(differences), alpha)) is None:
        return None
    averages = walsh(differences)
    return float(averages[k - 1]), float(averages[-k])


def rank(count: int, alpha: float) -> int | None:
    """Return the k of the interval of so many differences, from 1; None when they are too few for the level."""
    if count < fewest(alpha):
        return None
    below = np.cumsum(_distribution(2 * np.arange(1, count + 1)))[::2]
    # How many sums of ranks are together no likelier than alpha.
    return int(np.searchsorted(below, alpha, side="right"))


def fewest(alpha: float) -> int:
    """Return how many differences an interval of level 1 - 2 alpha takes at least.

    All of n fall on one side by chance in one of 2^n cases, and no rank test can be surer than that.
    """
    if not 0 < alpha < 0.5:  # noqa: PLR2004 - one half: no test at all
        raise ValueError(f"alpha is {alpha}; it is the probability of one tail, between 0 and 0.5")
    return math.ceil(-math.log2(alpha))


def p_not_above(differences: Differences, bound: float = 0.0) -> float:
    """Return the p-value of "the true difference is at most `bound`"; a small one says that it is above.

    The exact signed-rank test: zeros are ranked and then left out (Pratt 1959), ties have mid-ranks, and p is
    the share of all assignments of signs to the ranks at hand that give as large a sum of positive ranks.
    """
    return _p_upper(np.asarray(differences, dtype=np.float64) - bound)


def p_not_below(differences: Differences, bound: float) -> float:
    """Return the p-value of "the true difference is at least `bound`"; a small one says that it is below."""
    return _p_upper(bound - np.asarray(differences, dtype=np.float64))


def _p_upper(values: Floats) -> float:
    doubled = _doubled_ranks(np.abs(values))
    counted = doubled[values != 0]
    if not len(counted):
        return 1.0
    seen = int(doubled[values > 0].sum())
    # The tail is summed from its small end, so that a tiny p is not lost beside one.
    return min(1.0, float(np.cumsum(_distribution(counted)[::-1])[int(counted.sum()) - seen]))


def _doubled_ranks(sizes: Floats) -> npt.NDArray[np.int64]:
    """Return twice the mid-ranks: whole numbers."""
    _, place, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((2 * last - counts + 1)[place], dtype=np.int64)


def _distribution(doubled_ranks: npt.NDArray[np.int64]) -> Floats:
    """Return the probability of each sum, from 0, of those ranks that a fair coin leaves in.

    Halves of halves: up to 53 ranks every probability is exact.
    """
    chances = np.zeros(int(doubled_ranks.sum()) + 1)
    chances[0] = 1.0
    reached = 0
    for rank in np.sort(doubled_ranks):
        held = chances[: reached + 1] / 2
        chances[: reached + 1] = held
        chances[rank : rank + reached + 1] += held
        reached += int(rank)
    return chances
