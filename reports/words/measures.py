"""How the metrics and the exact counts of a judgement are called and written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.words import units
from reports.words.units import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.record.judgement import CountChange


@dataclass(frozen=True, slots=True)
class Measure:
    """How a metric is called and written."""

    name: str
    unit: str
    write: Callable[[float], str]


MEASURES: Final = {
    "app_cpu_us_per_request": Measure("app CPU", "µs/req", units.us),
    "store_cpu_us_per_request": Measure("store CPU", "µs/req", units.us),
    "p50_us": Measure("p50", "ms", units.ms),
    "p95_us": Measure("p95", "ms", units.ms),
    "p99_us": Measure("p99", "ms", units.ms),
}
COUNT_NAMES: Final = {
    "commands": "store commands", "round_trips": "round trips", "to_store_bytes": "bytes to the store",
    "from_store_bytes": "bytes from the store", "response_bytes": "response bytes", "cookie_bytes": "cookie bytes",
}  # fmt: skip


def measure(metric: str) -> Measure:
    """Return how a metric is written; an unknown one by its own name."""
    return MEASURES.get(metric) or Measure(metric, "", units.significant)


def counted(change: CountChange) -> str:
    """Return an exact count that changed, such as "redis, POST /login: round trips 2 → 3"."""
    before, now = (MISSING if each is None else f"{each:,}" for each in (change.before, change.now))
    return f"{change.variant}, {change.step}: {COUNT_NAMES.get(change.count, change.count)} {before} → {now}"
