"""What the app counted itself: the files that its workers left in SESSION_APP_COUNTERS, summed over a window."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, TypedDict

from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SECOND_NS = 10**9
_Time = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Bucket = Annotated[int, Field(ge=0, le=1000)]


class Sum(TypedDict):
    """One name's durations: how many, how many of them failed, their sum, and how many by bucket.

    Buckets are told by their upper edges in µs, from which nobody needs to know how they were cut.
    """

    count: int
    failed: int
    total_us: float
    buckets: dict[float, int]


Counted: TypeAlias = dict[str, Sum]
"""Sums by name: store operations, `request`, `framework`, `session`, `store` and `loop_lag`."""


class _Operation(BaseModel):
    count: NonNegativeInt
    failed: NonNegativeInt
    total_us: _Time
    buckets: dict[_Bucket, NonNegativeInt]


class _File(BaseModel):
    """A worker's file; names that are not here are those of a newer app."""

    contract: Literal[1]
    clock: Literal["CLOCK_MONOTONIC"]
    buckets_per_octave: Annotated[int, Field(ge=1, le=1000)]
    seconds: dict[int, dict[str, _Operation]]


def read(folder: Path, *, t0_ns: int, window_s: float) -> Counted | None:
    """Sum what every worker counted in the whole seconds of [t0, t0 + window) of CLOCK_MONOTONIC.

    None where nothing is known: the app counts nothing, it was killed before it wrote, its files are of
    another making, or the window holds no whole second. One worker's file that cannot be read is reason
    enough, for the sums would be those of some of the workers.
    """
    try:
        files = [_File.model_validate_json(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    except (OSError, ValidationError):
        return None
    first = -(-t0_ns // _SECOND_NS)
    end = math.floor((t0_ns + window_s * _SECOND_NS) / _SECOND_NS)
    return _summed(files, range(first, end)) or None


def _summed(files: Iterable[_File], window: range) -> Counted:
    counted: Counted = {}
    for file in files:
        for second, operations in file.seconds.items():
            if second in window:
                for name, operation in operations.items():
                    into = counted.setdefault(name, Sum(count=0, failed=0, total_us=0.0, buckets={}))
                    _add(into, operation, file.buckets_per_octave)
    return counted


def _add(into: Sum, operation: _Operation, per_octave: int) -> None:
    into["count"] += operation.count
    into["failed"] += operation.failed
    into["total_us"] += operation.total_us
    for bucket, count in operation.buckets.items():
        upper_us = 2 ** ((bucket + 1) / per_octave)
        into["buckets"][upper_us] = into["buckets"].get(upper_us, 0) + count
