"""What a trial's processes used in an interval: CPU, memory, context switches, and how long they waited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from reports.format import ROLES
from reports.record.columns import NULL, codes, ints

if TYPE_CHECKING:
    import pyarrow as pa

    from reports.format import Figures, Role
    from reports.record.columns import Ints, Mask

_TICK_NS: Final = 10_000_000
_GRAIN_TICKS: Final = 2
"""User and system time are each cut to whole ticks, so that a process's CPU by ticks may be so many out."""
_LEAST_CPU_NS: Final = 500_000_000
"""Under so much CPU, what the grain of a tick hides is more than the 2 % that are asked about."""


class Usage:
    """The samples of a trial, to be asked about any interval; times are µs from t0."""

    def __init__(self, resources: pa.Table) -> None:
        names = ("t_us", "arm", "pid", "cpu_ns", "rss_bytes", "pss_bytes", "ctx_switches", "waited_ns", "ticks_ns")
        self._columns = {name: ints(resources, name) for name in names}
        self._codes, self._words = codes(resources, "role")
        self._sweeps = np.unique(self._columns["t_us"])

    def add(
        self, into: Figures, *, arm: int, from_us: int, window_us: int, answered: int, answered_by_all: int
    ) -> None:
        """Fill in what each role used; what the arms share is divided by the requests of all of them."""
        to_us = from_us + window_us
        if not self._seen(from_us, to_us):
            return
        for role in ROLES:
            requests = answered
            rows = self._rows(role) & (self._columns["arm"] == arm)
            if not rows.any():
                rows = self._rows(role) & (self._columns["arm"] == NULL)
                requests = answered_by_all
            if not rows.any():
                continue
            cpu_ns = sum(self._spent(rows, "cpu_ns", from_us, to_us) or [0.0])
            into.cpu_share[role] = cpu_ns / 1e3 / window_us
            into.cpu_us_per_request[role] = cpu_ns / 1e3 / requests if requests else None
            switches = self._spent(rows, "ctx_switches", from_us, to_us)
            known = switches is not None and requests
            into.ctx_switches_per_request[role] = sum(switches or []) / requests if known else None
            into.rss_bytes[role] = self._largest_sum(rows, "rss_bytes", from_us)
            into.pss_bytes[role] = self._largest_sum(rows, "pss_bytes", from_us)

    def between_sweeps(self, role: Role, arm: int, from_us: int, to_us: int) -> tuple[float, int, int] | None:
        """Return the CPU in ns that a role used from the first to the last sweep of an interval, and those two times.

        Nothing is interpolated, so the requests between the same two times are exactly those it was used for. None
        where the interval holds no two sweeps, or the role has no processes of this arm.
        """
        inside = self._sweeps[(self._sweeps >= from_us) & (self._sweeps <= to_us)]
        rows = self._rows(role) & (self._columns["arm"] == arm)
        if len(inside) < 2 or not rows.any():  # noqa: PLR2004 - an interval has two ends
            return None
        first_us, last_us = int(inside[0]), int(inside[-1])
        return sum(self._spent(rows, "cpu_ns", first_us, last_us) or [0.0]), first_us, last_us

    def waiting_share(self, from_us: int, to_us: int) -> float | None:
        """Return what share of an interval the generator's most hindered process waited for a CPU."""
        waited = self._spent(self._rows("generator"), "waited_ns", from_us, to_us)
        return max(waited) / 1e3 / (to_us - from_us) if waited and self._seen(from_us, to_us) else None

    def cpu_apart(self, from_us: int, to_us: int) -> dict[Role, float]:
        """Return by what share the two counts of each role's CPU differ, beyond what the grain of ticks explains.

        A role that used too little for a difference to be seen, or whose ticks are not known, has no entry.
        """
        apart: dict[Role, float] = {}
        for role in ROLES:
            rows = self._rows(role)
            cpu_ns = sum(self._spent(rows, "cpu_ns", from_us, to_us) or [0.0])
            ticks_ns = self._by_sweep(rows, "ticks_ns", from_us, to_us)
            if ticks_ns is None or cpu_ns < _LEAST_CPU_NS or not self._seen(from_us, to_us):
                continue
            processes = len(np.unique(self._columns["pid"][rows]))
            beyond = abs(cpu_ns - ticks_ns) - _GRAIN_TICKS * _TICK_NS * processes
            apart[role] = max(0.0, beyond) / cpu_ns
        return apart

    def _seen(self, from_us: int, to_us: int) -> bool:
        return bool(len(self._sweeps)) and self._sweeps[0] < to_us and self._sweeps[-1] > from_us

    def _rows(self, role: Role) -> Mask:
        wanted = np.asarray([word == role for word in self._words], dtype=np.bool_)
        return wanted[self._codes]

    def _spent(self, rows: Mask, name: str, from_us: int, to_us: int) -> list[float] | None:
        """Return by how much each process's counter rose in the interval; None where a sample lacks it.

        Between two sweeps a process is taken to have spent evenly. One that is missing from a sweep before its
        first sample began at zero then; one that is missing after its last had spent nothing more.
        """
        pids, times, counters = (self._columns[column][rows] for column in ("pid", "t_us", name))
        if (counters == NULL).any():
            return None
        spent_by = []
        for pid in np.unique(pids):
            mine = pids == pid
            order = np.argsort(times[mine], kind="stable")
            t_us, counter = times[mine][order], counters[mine][order]
            earlier = self._sweeps[self._sweeps < t_us[0]]
            if len(earlier):
                t_us = np.concatenate([earlier[-1:], t_us])
                counter = np.concatenate([[0], counter])
            spent = np.diff(counter)
            # A counter that fell belongs to another process, which was given the number of one that had ended.
            spent = np.where(spent < 0, counter[1:], spent)
            spent_by.append(_rise(t_us, np.concatenate([[0], np.cumsum(spent)]), from_us, to_us))
        return spent_by

    def _by_sweep(self, rows: Mask, name: str, from_us: int, to_us: int) -> float | None:
        """Return by how much a counter rose that, summed over a sweep's processes, holds their ended children too."""
        values = self._columns[name][rows]
        if not len(values) or (values == NULL).any():
            return None
        t_us, place = np.unique(self._columns["t_us"][rows], return_inverse=True)
        sums = np.zeros(len(t_us), dtype=np.int64)
        np.add.at(sums, place, values)
        return _rise(t_us, sums, from_us, to_us)

    def _largest_sum(self, rows: Mask, name: str, from_us: int) -> int | None:
        """Return the largest sum over one sweep; a sweep before the interval, or that lacks a value, has none.

        Sweeps after it count: what costs too much to be read while it lasts is read then.
        """
        inside = rows & (self._columns["t_us"] >= from_us)
        values = self._columns[name][inside]
        sweeps, place = np.unique(self._columns["t_us"][inside], return_inverse=True)
        sums = np.zeros(len(sweeps), dtype=np.int64)
        np.add.at(sums, place, values)
        whole = np.ones(len(sweeps), dtype=np.bool_)
        whole[place[values == NULL]] = False
        return int(sums[whole].max()) if whole.any() else None


def _rise(t_us: Ints, cumulated: Ints, from_us: int, to_us: int) -> float:
    before, after = np.interp([from_us, to_us], t_us, cumulated)
    return float(after - before)
