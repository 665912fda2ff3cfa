"""Samples what processes use from /proc (psutil elsewhere): CPU in ns, memory, threads, context switches."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reports.format import Role

_PROC = Path("/proc")
_PAGE = 4096 if sys.platform == "win32" else __import__("resource").getpagesize()

Row = dict[str, Any]
_TICK_NS = 10**9 // (os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100)
_READINGS = 5
_SMALL_BYTES = 4096
_LET_IN_S = 0.0001
_NONE: Mapping[Role, Iterable[int]] = {}


@dataclass(frozen=True)
class Moment:
    """The machine at one sweep: two clocks, and where all CPUs' time went since it started, in seconds.

    `raw_ns` is CLOCK_MONOTONIC_RAW, which nobody steers; None where there is no such clock. `own_s` is what this very
    process used.
    """

    t_ns: int
    raw_ns: int | None
    busy_s: float
    steal_s: float
    total_s: float
    own_s: float


@dataclass
class _Tasks:
    """The threads of one process as last seen: a thread that ended keeps what it had used."""

    cpu_ns: dict[str, int] = field(default_factory=dict)
    waited_ns: dict[str, int] = field(default_factory=dict)
    switches: dict[str, int] = field(default_factory=dict)


class Sampler:
    """Takes samples of a trial's processes; `rows` has the columns of resources.parquet, with `t_ns` for `t_us`.

    CPU is the run time in schedstat of every thread, in nanoseconds: `stat` counts 10 ms ticks, too coarse for a
    window of seconds. A process that ended keeps the row it was last seen in.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.moments: list[Moment] = []
        self._seen: dict[int, _Tasks] = {}

    def sample(
        self, *arms: Mapping[Role, Iterable[int]], shared: Mapping[Role, Iterable[int]] = _NONE, pss: bool = False
    ) -> None:
        """Read every process once: each arm's in their order, then what all arms share.

        `pss` adds the proportional set size, which costs milliseconds a process.

        On two CPUs the generator waits for whoever reads here, so between two processes it is let in.
        """
        read = self._read_proc if _PROC.is_dir() else self._read_psutil
        t_ns = monotonic_ns()
        self.moments.append(_moment())
        groups = [(arm, role, pids) for arm, roles in enumerate(arms) for role, pids in roles.items()]
        for arm, role, pids in [*groups, *((None, role, pids) for role, pids in shared.items())]:
            for pid in pids:
                with contextlib.suppress(psutil.Error, OSError):
                    row = {"t_ns": t_ns, "role": role, "arm": arm, "pid": pid, **read(pid)}
                    self.rows.append({**row, "pss_bytes": _pss(pid) if pss else None})
                time.sleep(_LET_IN_S)

    def _read_proc(self, pid: int) -> Row:
        tasks = self._seen.setdefault(pid, _Tasks())
        folder = f"{_PROC}/{pid}"
        for task in os.listdir(f"{folder}/task"):  # noqa: PTH208 - pathlib takes three times as long
            with contextlib.suppress(OSError):
                ran_ns, waited_ns, times = _read(f"{folder}/task/{task}/schedstat").split()
                tasks.cpu_ns[task] = int(ran_ns)
                tasks.waited_ns[task] = int(waited_ns)
                tasks.switches[task] = int(times)
        stat = _read(f"{folder}/stat").rpartition(b")")[2].split()
        return {
            "cpu_ns": sum(tasks.cpu_ns.values()),
            "rss_bytes": int(stat[21]) * _PAGE,
            "threads": int(stat[17]),
            "fds": _count_fds(f"{folder}/fd"),
            "ctx_switches": sum(tasks.switches.values()),
            "waited_ns": sum(tasks.waited_ns.values()),
            # utime, stime, and those of children that ended.
            "ticks_ns": sum(map(int, stat[11:15])) * _TICK_NS,
        }

    @staticmethod
    def _read_psutil(pid: int) -> Row:
        process = psutil.Process(pid)
        with process.oneshot():
            times, switches = process.cpu_times(), process.num_ctx_switches()
            return {
                "cpu_ns": round((times.user + times.system) * 1e9),
                "rss_bytes": process.memory_info().rss,
                "threads": process.num_threads(),
                "fds": None,
                "ctx_switches": switches.voluntary + switches.involuntary,
            }


@dataclass(frozen=True)
class Machine:
    """What a machine did in an interval; None where nobody counts.

    Shares are of all CPUs' time: `others_share` is what neither this process nor the idle loop nor another guest took.
    """

    steal_share: float | None = None
    others_share: float | None = None
    clock_ppm: float | None = None


def machine_in(moments: Sequence[Moment], t0_ns: int, window_s: float) -> Machine:
    """Return what the machine did between the last sweep before a window and the first behind it."""
    before = [moment for moment in moments if moment.t_ns <= t0_ns]
    after = [moment for moment in moments if moment.t_ns >= t0_ns + window_s * 1e9]
    if not before or not after:
        return Machine()
    first, last = before[-1], after[0]
    clock_ppm = None
    if first.raw_ns is not None and last.raw_ns is not None:
        raw_ns = last.raw_ns - first.raw_ns
        clock_ppm = (last.t_ns - first.t_ns - raw_ns) / raw_ns * 1e6
    total_s = last.total_s - first.total_s
    if total_s <= 0:
        return Machine(clock_ppm=clock_ppm)
    others_s = last.busy_s - first.busy_s - (last.own_s - first.own_s)
    return Machine((last.steal_s - first.steal_s) / total_s, others_s / total_s, clock_ppm)


def _moment() -> Moment:
    spent = psutil.cpu_times()
    # Guests' time is in user's and nice's already.
    total_s = sum(spent) - getattr(spent, "guest", 0.0) - getattr(spent, "guest_nice", 0.0)
    steal_s = getattr(spent, "steal", 0.0)
    busy_s = total_s - spent.idle - getattr(spent, "iowait", 0.0) - steal_s
    return Moment(*_clocks(), busy_s, steal_s, total_s, time.process_time())


def _clocks() -> tuple[int, int | None]:
    """Read both clocks at one time: whoever is interrupted between the readings reads them again."""
    raw = getattr(time, "CLOCK_MONOTONIC_RAW", None)
    if raw is None:
        return monotonic_ns(), None
    readings = [(monotonic_ns(), time.clock_gettime_ns(raw), monotonic_ns()) for _ in range(_READINGS)]
    before_ns, raw_ns, after_ns = min(readings, key=lambda reading: reading[2] - reading[0])
    return (before_ns + after_ns) // 2, raw_ns


def from_t0(rows: list[Row], t0_ns: int) -> list[Row]:
    """Turn samples into the rows of resources.parquet: times in µs from t0."""
    return [{**row, "t_us": (row["t_ns"] - t0_ns) // 1000} for row in rows]


def _pss(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return None


def _count_fds(folder: str) -> int | None:
    with contextlib.suppress(OSError):
        return len(os.listdir(folder))  # noqa: PTH208 - as above
    return None


def _read(path: str) -> bytes:
    """Read a small file of /proc at once."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, _SMALL_BYTES)
    finally:
        os.close(file)
