"""Verdicts on pairs in words: what changed by how much, with what certainty, and what more blocks would show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from reports.words.units import MINUS, plural, significant

if TYPE_CHECKING:
    from reports.record.model import Interval

NAMES: Final = {
    "app_cpu_us_per_request": "app CPU per request",
    "store_cpu_us_per_request": "store CPU per request",
    "p50_us": "p50",
    "p95_us": "p95",
    "p99_us": "p99",
}


def name(metric: str) -> str:
    """Return what a metric is called in a sentence."""
    return NAMES.get(metric, metric)


def share(value: float) -> str:
    """Return a share in per cent without its sign, to a tenth: 4.1 %."""
    return f"{abs(value) * 100:.1f} %"


def tolerance(delta: float) -> str:
    """Return a tolerance: 3 %, 6.7 %."""
    return f"{significant(delta * 100, 2).removesuffix('.0')} %"


def change(found: Interval, metric: str) -> str:
    """Return "slower by 4.1 % [2.2, 6.0] in p50"; the interval of what is faster counts the same way."""
    low, high = (found.low, found.high) if found.estimate >= 0 else (-found.high, -found.low)
    way = "slower" if found.estimate >= 0 else "faster"
    return f"{way} by {share(found.estimate)} [{_bare(low)}, {_bare(high)}] in {name(metric)}"


def unclear(found: Interval, metric: str, delta: float, smallest: float | None) -> str:
    """Return why a metric is not settled, and the smallest change that would have been seen."""
    low, high = _bare(found.low), _bare(found.high)
    seen = "" if smallest is None else f"; {plural(found.blocks, 'block')} would have shown {share(smallest)}"
    return (
        f"not to be told in {name(metric)}: {_bare(found.estimate)} % [{low}, {high}] with a tolerance of "
        f"{tolerance(delta)}{seen}"
    )


def _bare(value: float) -> str:
    text = f"{abs(value) * 100:.1f}" if math.isfinite(value) else "∞"
    return f"{MINUS}{text}" if value < 0 and text.strip("0.") else text
