"""Where a series of runs changes its level: PELT over ranks, by the library `ruptures`; advice, never a gate.

Ranks, because a day's figure may be far off without anything having changed, and because then the penalty does not
depend on how noisy the series is: of a series in which nothing changed, every order is as likely as every other
(Lung-Yut-Fong, Levy-Leduc & Cappe 2015, "Homogeneity and change-point detection tests for multivariate data using rank
statistics"; Killick, Fearnhead & Eckley 2012 for PELT).
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.judging.paired import Floats

FEWEST_RUNS: Final = 10
"""Below, not even the most telling order of runs is rarer than `ALARMS`."""
FEWEST_BETWEEN: Final = 3
"""Runs between two changes, and behind the last: one or two are a bad day."""
ALARMS: Final = 0.01
"""Of series in which nothing changed, so many show a change at most."""
_PENALTIES: Final = {10: 7.4, 12: 8.2, 16: 9.0, 20: 9.4, 30: 10.3, 50: 10.9, 100: 11.8, 200: 12.6, 500: 13.4}
"""By the number of runs: what the gain of the best split exceeds in `ALARMS` of all orders; 40,000 were drawn."""
EXTRA: Final = "session-bench[history]"


def installed() -> bool:
    """Whether the library is there."""
    try:
        import ruptures  # type: ignore[import-untyped] # noqa: F401, PLC0415 - it loads scipy, which is heavy
    except ImportError:
        return False
    return True


def penalty(runs: int) -> float:
    """Return what a change must gain in a series of so many runs."""
    known = np.log([*_PENALTIES])
    return float(np.interp(math.log(runs), known, [*_PENALTIES.values()]))


def changes(values: Sequence[float]) -> list[int]:
    """Return the places at which a new level begins, in order; none in fewer than `FEWEST_RUNS` values.

    Raises ImportError where `ruptures` is not installed.
    """
    places = _searched(values)
    # Ranks over a staircase put a step too early or too late: between its neighbours alone each finds its place.
    for _ in places:
        bounds = [0, *places, len(values)]
        settled = [begin + _split(values[begin:end]) for begin, end in zip(bounds[:-2], bounds[2:], strict=True)]
        if settled == places:
            break
        places = settled
    return places


def _searched(values: Sequence[float]) -> list[int]:
    """Return the changes of a series, and of each stretch between them, in which what is near is ranked anew."""
    if len(values) < FEWEST_RUNS or min(values) == max(values):
        return []
    # The last of what it returns is the series' end.
    found = [int(place) for place in _search(values).predict(pen=penalty(len(values)))]
    if len(found) == 1:
        return []
    inner = [
        [begin + place for place in _searched(values[begin:end])] for begin, end in itertools.pairwise([0, *found])
    ]
    return sorted([*found[:-1], *itertools.chain.from_iterable(inner)])


def _split(values: Sequence[float]) -> int:
    """Return where two levels part best."""
    return int(_search(values).predict(n_bkps=1)[0])


def _search(values: Sequence[float]) -> Any:
    """Return a search over the ranks: with a linear kernel it is that for the least squares, exact and in C."""
    import ruptures  # noqa: PLC0415 - as above

    return ruptures.KernelCPD(kernel="linear", min_size=FEWEST_BETWEEN).fit(_ranks(np.asarray(values, np.float64)))


def _ranks(values: Floats) -> Floats:
    """Return mid-ranks with a mean of zero and a variance of one; of values that are all the same, zeros."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[place] - (len(values) + 1) / 2
    return np.asarray(ranks / (ranks.std() or 1.0))
