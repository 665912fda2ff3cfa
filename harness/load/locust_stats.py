"""Locust's own statistics, counted before somebody looks: its page, tables and files stay exact at a part of the cost.

Locust enters every request into two tables as it ends, which takes as long as sending one. Here a request is only
noted; the notes are entered, in order and with their own times, before anything reads the tables, and in small batches
while nothing does. tests/load/test_locust_stats.py holds the tables against Locust's own.
"""

from __future__ import annotations

import operator
from collections import Counter
from functools import reduce
from itertools import groupby
from time import time
from typing import TYPE_CHECKING, Any, Final

import locust.stats
from locust.stats import RequestStats, StatsEntry, bucket_response_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust.env import Environment

_FIELDS: Final = 5
_MOST_NOTES: Final = 128
"""Entering a batch holds up the loop, for some 50 µs."""
_MOST_AGE_S: Final = 0.25
_PLAIN_MS: Final = 1e9
_TO_THE_MS: Final = 100
"""Locust rounds response times to the millisecond below this, and more coarsely above."""


class NotedStats(RequestStats):
    """Locust's statistics with notes before them; `install` makes it of Locust's own.

    `total` and `entries` are what readers and Locust's own methods go through, and both enter the notes first.
    """

    _notes: list[Any]
    _due: float

    @property
    def total(self) -> StatsEntry:
        """The entry of all requests."""
        self.enter()
        entry: StatsEntry = self.__dict__["total"]
        return entry

    @total.setter
    def total(self, entry: StatsEntry) -> None:
        self._notes.clear()
        self.__dict__["total"] = entry

    @property
    def entries(self) -> dict[tuple[str, str], StatsEntry]:
        """The entries by name and method."""
        self.enter()
        entries: dict[tuple[str, str], StatsEntry] = self.__dict__["entries"]
        return entries

    @entries.setter
    def entries(self, entries: dict[tuple[str, str], StatsEntry]) -> None:
        self._notes.clear()
        self.__dict__["entries"] = entries

    def log_request(self, method: str, name: str, response_time: float, content_length: int) -> None:
        """Note a request; what Locust's own clients never report is left to Locust."""
        if type(response_time) is not float or type(content_length) is not int or not response_time < _PLAIN_MS:
            super().log_request(method, name, response_time, content_length)  # type: ignore[arg-type] # as it comes
            return
        notes = self._notes
        now = time()
        notes += (method, name, response_time, content_length, now)
        if now >= self._due or len(notes) >= _MOST_NOTES * _FIELDS:
            self._due = now + _MOST_AGE_S
            self.enter()

    def enter(self) -> None:
        """Enter the notes into the tables, in the order in which they came."""
        notes = self._notes
        if not notes:
            return
        self._notes = []
        methods, names, times_ms, lengths, stamps = (notes[field::_FIELDS] for field in range(_FIELDS))
        total: StatsEntry = self.__dict__["total"]
        if names.count(names[0]) == len(names) and methods.count(methods[0]) == len(names):
            self._enter_into([total, self._entry(names[0], methods[0], stamps[0])], times_ms, lengths, stamps)
            return
        self._enter_into([total], times_ms, lengths, stamps)
        rows: dict[tuple[str, str], list[tuple[float, int, float]]] = {}
        for key, row in zip(zip(names, methods, strict=True), zip(times_ms, lengths, stamps, strict=True), strict=True):
            rows.setdefault(key, []).append(row)
        for (name, method), own in rows.items():
            self._enter_into([self._entry(name, method, own[0][2])], *zip(*own, strict=True))

    def _entry(self, name: str, method: str, stamp: float) -> StatsEntry:
        """Return an entry; one that is made now is as old as its first request."""
        entries: dict[tuple[str, str], StatsEntry] = self.__dict__["entries"]
        is_new = (name, method) not in entries
        entry = entries[name, method]
        if is_new:
            entry.start_time = stamp
            if entry.response_times_cache is not None:
                entry.response_times_cache.clear()
                entry._cache_response_times(int(stamp))  # noqa: SLF001 - as StatsEntry.reset does
        return entry

    def _enter_into(
        self,
        tables: list[Any],
        times_ms: Sequence[float],
        lengths: Sequence[int],
        stamps: Sequence[float],
    ) -> None:
        """Do to these entries what StatsEntry.log would have done, a second at a time."""
        begin = 0
        for second, same in groupby(map(int, stamps)):
            end = begin + sum(1 for _ in same)
            part, stamp = times_ms[begin:end], stamps[end - 1]
            length, least, most = sum(lengths[begin:end]), min(part), max(part)
            is_plain = locust.stats.bucket_response_time is bucket_response_time and most < _TO_THE_MS
            counts: Counter[Any] = Counter(map(round if is_plain else locust.stats.bucket_response_time, part))
            for entry in tables:
                before = entry.last_request_timestamp
                if entry.use_response_times_cache and before and second > int(before):
                    entry._cache_response_times(second - 1)  # noqa: SLF001 - as StatsEntry.log does
                entry.num_requests += end - begin
                entry.num_reqs_per_sec[second] += end - begin
                entry.last_request_timestamp = stamp
                # One after the other, as Locust adds them: a sum may round otherwise.
                entry.total_response_time = reduce(operator.add, part, entry.total_response_time)
                entry.min_response_time = (
                    least if entry.min_response_time is None else min(entry.min_response_time, least)
                )
                entry.max_response_time = max(entry.max_response_time, most)
                for bucket, count in counts.items():
                    entry.response_times[bucket] += count
                entry.total_content_length += length
            begin = end


def install(environment: Environment) -> None:
    """Put notes before the statistics of this run, in place: Locust's runner and its listeners hold them already."""
    stats = environment.stats
    if type(stats) is RequestStats:
        vars(stats).update(_notes=[], _due=0.0)
        stats.__class__ = NotedStats
