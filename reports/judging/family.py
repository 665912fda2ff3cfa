"""What a family of tests may spend: looks at growing data, Holm's correction, and what so many blocks can show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOKS: Final = (12, 18, 26, 36)
"""Blocks at which the data are looked at."""
SPENT: Final = (0.15, 0.20, 0.30, 0.35)
"""Share of alpha that each look spends."""
ALPHA: Final = 0.05
POWER: Final = 0.80
_EFFICIENCY: Final = 1.023
"""The signed-rank test needs pi/3 times the blocks of a t-test where noise is normal; this is the root of it."""


@dataclass(frozen=True)
class Rules:
    """When to look, what each look may spend, and which slowdown fails.

    `fail_on` "any" fails a slowdown that is beyond doubt and not shown to lie within the tolerance, "delta" only one
    that is beyond doubt larger than the tolerance. Raises ValueError where they make no sense.
    """

    looks: tuple[int, ...] = LOOKS
    spent: tuple[float, ...] = SPENT
    alpha: float = ALPHA
    fail_on: Literal["any", "delta"] = "any"

    def __post_init__(self) -> None:
        if not self.looks or self.looks[0] < 1 or any(b <= a for a, b in zip(self.looks, self.looks[1:], strict=False)):
            raise ValueError(f"looks are {self.looks}; they must be numbers of blocks, each more than the one before")
        if len(self.spent) != len(self.looks) or min(self.spent) <= 0 or sum(self.spent) > 1 + 1e-9:
            raise ValueError(
                f"spent is {self.spent}; it must hold a share of alpha for each of {len(self.looks)} looks, each above "
                "0, and together not more than 1"
            )
        if not 0 < self.alpha < 0.5:  # noqa: PLR2004 - one half: no test at all
            raise ValueError(f"alpha is {self.alpha}; it is the probability of a false alarm, between 0 and 0.5")
        if self.fail_on not in {"any", "delta"}:
            raise ValueError(f'fail_on is "{self.fail_on}"; it must be "any" or "delta"')

    def alpha_at(self, look: int) -> float:
        """Return what a look may spend; looks count from 1."""
        if not 1 <= look <= len(self.looks):
            raise ValueError(f"look {look} is none of the {len(self.looks)} that there are, from 1")
        return self.alpha * self.spent[look - 1]


STANDARD: Final = Rules()


def holm(p_values: Sequence[float], family: int | None = None) -> list[float]:
    """Return p-values adjusted for the size of their family (Holm 1979), in their order.

    `family` may be larger than what is there: what could not be tested counts as never refuted.
    """
    size = len(p_values) if family is None else family
    if size < len(p_values):
        raise ValueError(f"a family of {size} cannot hold {len(p_values)} tests")
    adjusted, highest = [1.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (size - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def smallest_effect(deviation: float, blocks: int, alpha: float, family: int = 1) -> float:
    """Return the smallest true change, as a share, that so many blocks show four times of five.

    `deviation` is the standard deviation of the log-ratios of blocks, `alpha` what the look spends.
    """
    return math.expm1(_quantiles(alpha / family) * deviation / math.sqrt(blocks))


def blocks_for(deviation: float, apart: float, alpha: float, family: int = 1) -> float:
    """Return how many blocks show, four times of five, that a true log-ratio lies `apart` from a bound."""
    return (_quantiles(alpha / family) * deviation / apart) ** 2 if apart > 0 else math.inf


def _quantiles(alpha: float) -> float:
    return (NormalDist().inv_cdf(1 - alpha) + NormalDist().inv_cdf(POWER)) * _EFFICIENCY
