"""Where the mean response goes, how late the app's loop woke, and what its store operations took, from its counters.

All of it is arithmetic on the sums that the app's workers left: {name: {"count", "failed", "total_us", "buckets":
{upper edge in µs: count}}}, or None where it counted nothing. What is not in them is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from reports.format import StoreOps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.format import Figures, Layer

    Counted: TypeAlias = Mapping[str, Mapping[str, Any]]

_INSIDE: Final[tuple[Layer, ...]] = ("framework", "session", "store")
_REQUEST: Final = "request"
_LOOP_LAG: Final = "loop_lag"


def with_counted(figures: Figures, counted: Counted | None, *, mean_response_us: float | None = None) -> Figures:
    """Return the figures of a window with what the app counted in it.

    `mean_response_us` is that of the answered requests; by default the figures' mean, unless requests without
    an answer are in it: nobody knows how long they were inside the app.
    """
    if mean_response_us is None and "mean_us" not in figures.at_least:
        mean_response_us = figures.mean_us
    lag = (counted or {}).get(_LOOP_LAG)
    return figures.model_copy(
        update={
            "layers_us": layers_us(counted, mean_response_us),
            "app_loop_lag_p50_us": None if lag is None else percentile_us(lag["buckets"], 50),
            "app_loop_lag_p99_us": None if lag is None else percentile_us(lag["buckets"], 99),
            "store_ops": store_ops(counted),
        }
    )


def layers_us(counted: Counted | None, mean_response_us: float | None) -> dict[Layer, float]:
    """Return the parts of the mean response, which add up to it; percentiles would not.

    Means are taken on either side by themselves, so that requests that only one side counted, at the
    window's edges or for a broken connection, weigh nothing. `client` is what the mean response has over the
    mean request inside the app. Empty where a side is missing, or where the app's mean is the longer one:
    then the two did not see the same requests.
    """
    if counted is None or mean_response_us is None or not {_REQUEST, *_INSIDE} <= counted.keys():
        return {}
    inside_us = _mean_us(counted[_REQUEST])
    parts = {layer: _mean_us(counted[layer]) for layer in _INSIDE}
    client_us = mean_response_us - inside_us
    if client_us < 0:
        return {}
    # Sums of differences of one clock: what they exceed the whole by is rounding.
    rest_us = max(0.0, inside_us - sum(parts.values()))
    return {"client": client_us, **parts, "unattributed": rest_us}


def store_ops(counted: Counted | None) -> dict[str, StoreOps]:
    """Return each kind of store operation, those without a request such as sweeps too."""
    others = {_REQUEST, _LOOP_LAG, *_INSIDE}
    return {
        name: StoreOps(
            count=each["count"],
            failed=each["failed"],
            mean_us=_mean_us(each),
            p50_us=percentile_us(each["buckets"], 50),
            p99_us=percentile_us(each["buckets"], 99),
        )
        for name, each in sorted((counted or {}).items())
        if name not in others and each["count"]
    }


def percentile_us(buckets: Mapping[float, int], percent: int) -> float:
    """Return the upper edge of the bucket that holds the nearest-rank percentile; 0 where there is nothing."""
    rank = -(-sum(buckets.values()) * percent // 100)
    seen = 0
    for upper_us, count in sorted(buckets.items()):
        seen += count
        if seen >= rank:
            return upper_us
    return 0.0


def _mean_us(each: Mapping[str, Any]) -> float:
    return each["total_us"] / each["count"] if each["count"] else 0.0
