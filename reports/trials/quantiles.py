"""Percentiles over whole values, never over buckets: always one that was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


def rank(count: int, percent: int) -> int | None:
    """Return the place, from 0, of the nearest-rank percentile among so many ascending values.

    It is the first that `percent` of them do not exceed: the inverse of the empirical distribution function
    (Hyndman & Fan's definition 1). None when less than one value lies beyond it, as for 99 under 100 values: it would
    be the maximum by another name.
    """
    if count * (100 - percent) < 100:  # noqa: PLR2004 - per cent
        return None
    return -(-count * percent // 100) - 1


def percentiles(values: npt.NDArray[Any], percents: Sequence[int]) -> list[int | None]:
    """Return the nearest-rank percentiles of whole numbers in any order; see `rank`."""
    places = [rank(len(values), percent) for percent in percents]
    wanted = sorted({place for place in places if place is not None})
    if not wanted:
        return [None] * len(places)
    # Only the values asked for are brought to their places: sorting ten million takes many times as long.
    parted = np.partition(values, wanted)
    return [None if place is None else int(parted[place]) for place in places]
