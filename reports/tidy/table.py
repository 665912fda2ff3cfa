"""What a tidy table and a column of it are, and what each metric in them means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from reports.format import ROLES

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["Int8", "Int16", "Int32", "Int64", "float64", "string", "boolean", "category"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, with the unit in it; pandas' type; what it means. Where nothing is known, it is missing."""

    name: str
    kind: Kind
    meaning: str
    only: Literal["", "audits", "pairs"] = ""
    """What a run must have had for CSV to carry it; frames always do."""


@dataclass(frozen=True, slots=True)
class Table:
    """A tidy table: what a row of it is, and its columns."""

    name: str
    about: str
    columns: Sequence[Column]

    @property
    def lines(self) -> list[str]:
        """The table's columns as lines of text, for a docstring."""
        name = max(len(column.name) for column in self.columns)
        kind = max(len(column.kind) for column in self.columns)
        return [f"{column.name:<{name}}  {column.kind:<{kind}}  {column.meaning}" for column in self.columns]


TIMES: Final = {
    "p50_us": "half of the requests took no longer", "p95_us": "95 % took no longer", "p99_us": "99 % took no longer",
    "max_us": "the slowest request", "mean_us": "the mean",
}  # fmt: skip
_OF_ROLES: Final = {
    "cpu_us_per_request": "CPU time of {}'s processes per request answered",
    "rss_bytes": "largest resident memory of {}'s processes",
    "pss_bytes": "largest proportional memory (PSS) of {}'s processes",
    "cpu_share": "CPU seconds per second of {}'s processes; 1 is one core",
    "ctx_switches_per_request": "context switches of {}'s processes per request answered",
}
METRICS: Final[dict[str, str]] = {
    **{name: f"response time: {text}" for name, text in TIMES.items()},
    **{f"service_{name}": f"service time, send to last byte: {text}" for name, text in TIMES.items()},
    "requests_per_s": "right answers per second of the window",
    "throughput_per_s": "right answers per second of closed loops, in the window or in a phase behind it",
    "error_share": "share of requests that failed or were answered wrongly",
    "dispatch_lag_p50_us": "how late the generator woke while a user was free, in the median; in open load",
    "dispatch_lag_p99_us": "the same, at the 99th percentile",
    **{f"{role}_{name}": text.format(f"the {role}") for name, text in _OF_ROLES.items() for role in ROLES},
}
"""What each name of `stats.METRICS` means."""
