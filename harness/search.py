"""The search for a capacity: which rate to try next, and what all the trials together say; no clock and no I/O."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float64]

Ended = Literal["width", "trials", "lowest", "highest", "generator"]
"""Why a search ended: as narrow as was asked; no trials left; not even the lowest rate was kept; the highest was; the
generator could not carry more."""

LEVEL: Final = 0.95
RETRIES: Final = 2
"""So often a trial that says nothing is repeated at its rate, which is closed to the search after that."""

_SOFTNESS: Final = (0.01, 0.03, 0.06, 0.12)
"""How soft the edge may be: the scale of the logistic curve in log rate. At 0.03 a rate 7 % below capacity is kept nine
times in ten."""
_BAD: Final = {0.02: 0.60, 0.10: 0.25, 0.25: 0.15}
"""Share of trials that a bad minute of the machine may spoil at any rate, and how likely each is held at first."""
_LUCKY: Final = 0.01
_STEP: Final = 0.01
_BEYOND: Final = 4.0
_GUESS: Final = 0.7
"""How far off the first guess may well be: the scale of a Cauchy distribution in log rate, half of which lies within a
factor of two. Without it one bad trial would make rates far beyond all that was tried look likely."""
_FIRST_FACTOR: Final = 1.25
_FACTOR: Final = 2.0
_TRY: Final = (0.15, 0.85)
_AGREED: Final = 2
"""Trials that must agree at the lowest or highest rate before the search ends there."""


class Search:
    """Finds the rate at which a trial keeps its objective as often as not, from trials that each say yes or no.

    In the spirit of MLRsearch (draft-ietf-bmwg-mlrsearch): short trials, a lower and an upper bound, geometric steps
    from a first guess until both are there, a stated width, and a share of bad trials forgiven. MLRsearch classifies
    loads by counting their trials. With so few trials, rules that count ended, when simulated on noisy machines, in
    narrow intervals that contradicted each other in up to four of ten pairs. As in its sibling PLRsearch
    (draft-vpolak-bmwg-plrsearch) all trials therefore speak at once: the chance of keeping the objective falls with the
    log of the rate along a logistic curve of unknown place and softness, and at any rate some trials are bad for
    reasons of the machine's (the lapses of Wichmann & Hill 2001). The bounds are those between which the curve's middle
    is believed to lie with a probability of `LEVEL`; further trials go near the one that is farther out. Where the edge
    is soft the interval stays wide and says so.

    Simulated as in tests/harness/test_search.py, with first guesses up to four times off, the intervals of two searches
    overlap in 97 of 100 cases or more, 92 to 100 of 100 hold the capacity, and half of them are at most 13 % (a sharp
    edge) to 35 % wide (a very soft one): whether the machine is steady, drifts, or has bad minutes.

    What `next_rate` returns depends on nothing but the trials told, so searches may take turns, and one that was
    interrupted is taken up by telling it its trials again. Rates have three significant digits.
    """

    def __init__(
        self,
        first_guess_per_s: float,
        *,
        lowest_per_s: float = 10.0,
        highest_per_s: float = 1e6,
        width: float = 0.10,
        most_trials: int = 16,
    ) -> None:
        if not 0 < lowest_per_s < highest_per_s:
            raise ValueError(f"a search needs rates to choose from, not {lowest_per_s:g} to {highest_per_s:g} a second")
        self._lowest, self._highest = _rounded(lowest_per_s, math.ceil), _rounded(highest_per_s, math.floor)
        self._guess = min(max(_rounded(first_guess_per_s), self._lowest), self._highest)
        self._width = width
        self._most = most_trials
        self._told: list[tuple[float, bool | None]] = []
        self._belief = _Belief(lowest_per_s / _BEYOND, highest_per_s * _BEYOND, self._guess)

    @property
    def told(self) -> Sequence[tuple[float, bool | None]]:
        """Every trial so far: its rate, and whether it kept the objective."""
        return tuple(self._told)

    @property
    def ended(self) -> Ended | None:
        """Why there is no next rate; None while there is one."""
        step = self._step()
        return step if isinstance(step, str) else None

    def next_rate(self) -> float | None:
        """Return the rate of the next trial, in arrivals a second; None when the search has ended."""
        step = self._step()
        return None if isinstance(step, str) else step

    def tell(self, rate: float, kept: bool | None) -> None:  # noqa: FBT001 - a trial's answer, not a switch
        """Take in a trial at this rate; None is a trial that says nothing, such as an INVALID one."""
        self._told.append((rate, kept))
        if kept is not None:
            self._belief.update(rate, kept=kept)

    def bounds(self) -> tuple[float | None, float | None]:
        """Return the interval that holds the capacity, in arrivals a second.

        The lower bound is None while no trial kept the objective, the upper one while none missed it, and either
        where it would lie beyond what the search may try.
        """
        kept, missed = self._rates(kept=True), self._rates(kept=False)
        low, high = self._belief.quantile((1 - LEVEL) / 2), self._belief.quantile((1 + LEVEL) / 2)
        lower = _rounded(min(low, max(kept)), math.floor) if kept else None
        upper = _rounded(max(high, min(missed)), math.ceil) if missed else None
        if lower is not None and lower < self._lowest:
            lower = None
        if upper is not None and (upper > self._highest or upper > self._ceiling()):
            upper = None
        return lower, upper

    def _step(self) -> float | Ended:
        if len(self._told) >= self._most:
            return "trials"
        if self._told and self._told[-1][1] is None and self._told[-1][0] < self._ceiling():
            return self._told[-1][0]
        lower, upper = self.bounds()
        if lower and upper and upper <= lower * (1 + self._width):
            return "width"
        kept, missed = self._rates(kept=True), self._rates(kept=False)
        if kept and missed:
            return self._between(min(*kept, *missed), max(*kept, *missed))
        return self._up(kept) if kept else self._down(missed)

    def _up(self, kept: list[float]) -> float | Ended:
        """Step up from rates that were all kept, to the highest there is."""
        top = max(kept)
        rate = min(_rounded(top * self._factor()), self._highest)
        if top < rate < self._ceiling():
            return rate
        if kept.count(top) < _AGREED:
            return top
        return "generator" if rate >= self._ceiling() else "highest"

    def _down(self, missed: list[float]) -> float | Ended:
        """Step down from rates of which none was kept, to the lowest there is; begin where there is no trial yet."""
        bottom = min([*missed, self._ceiling()])
        if bottom == math.inf:
            return self._guess
        rate = max(_rounded(bottom / self._factor()), self._lowest)
        if rate < bottom:
            return rate
        if self._ceiling() <= bottom:
            return "generator"
        return bottom if missed.count(bottom) < _AGREED else "lowest"

    def _between(self, bottom: float, top: float) -> float | Ended:
        """Try near that end of what is believed which is farther from the middle."""
        low, middle, high = (self._belief.quantile(share) for share in ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2))
        for share in _TRY if middle / low > high / middle else reversed(_TRY):
            rate = min(max(self._belief.quantile(share), bottom / _FACTOR), top * _FACTOR)
            rate = min(max(_rounded(rate), self._lowest), self._highest)
            if rate < self._ceiling():
                return rate
        return "generator"

    def _rates(self, *, kept: bool) -> list[float]:
        return [rate for rate, said in self._told if said is kept]

    def _factor(self) -> float:
        """Return the next step: 1.25, then 1.56, then 2 each time; a good first guess needs no more than the first."""
        steps = len({rate for rate, _ in self._told}) - 1
        return min(float(_FIRST_FACTOR ** (2**steps)), _FACTOR)

    def _ceiling(self) -> float:
        """Return the lowest rate at which trials said nothing however often they were repeated."""
        silent = [rate for rate, said in self._told if said is None]
        return min((rate for rate in set(silent) if silent.count(rate) > RETRIES), default=math.inf)


class _Belief:
    """What is believed of the capacity: a probability for each rate of a grid, over every softness and badness."""

    def __init__(self, low: float, high: float, guess: float) -> None:
        self._log_rate: Floats = np.arange(math.log(low), math.log(high), _STEP)
        self._softness: Floats = np.array(_SOFTNESS)[:, None, None]
        self._bad: Floats = np.array(list(_BAD))[None, :, None]
        shares: Floats = np.array(list(_BAD.values()))[None, :, None]
        near: Floats = 1 / (1 + ((self._log_rate - math.log(guess)) / _GUESS) ** 2)
        self._log_p: Floats = np.repeat(np.log(shares * near), len(_SOFTNESS), axis=0)
        self._cumulated = self._cumulate()

    def update(self, rate: float, *, kept: bool) -> None:
        z = np.clip((self._log_rate - math.log(rate)) / self._softness, -50, 50)
        keeps = _LUCKY + (1 - _LUCKY - self._bad) / (1 + np.exp(-z))
        self._log_p += np.log(keeps if kept else 1 - keeps)
        self._cumulated = self._cumulate()

    def quantile(self, share: float) -> float:
        """Return the rate below which the capacity lies with this probability."""
        return math.exp(float(np.interp(share, self._cumulated, self._log_rate)))

    def _cumulate(self) -> Floats:
        p: Any = np.exp(self._log_p - self._log_p.max()).sum(axis=(0, 1))
        cumulated: Floats = np.cumsum(p) / p.sum()
        return cumulated


def _rounded(rate: float, how: Any = round) -> float:
    """Return a rate with three significant digits."""
    unit = 10.0 ** (math.floor(math.log10(rate)) - 2)
    return float(f"{how(rate / unit) * unit:.3g}")
