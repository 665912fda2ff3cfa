"""Samples what processes use from /proc (psutil elsewhere): CPU in ns, memory, threads, context switches."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reports.format import Role

_PROC = Path("/proc")
_PAGE = 4096 if sys.platform == "win32" else __import__("resource").getpagesize()

Row = dict[str, Any]


@dataclass
class _Tasks:
    """The threads of one process as last seen: a thread that ended keeps what it had used."""

    cpu_ns: dict[str, int] = field(default_factory=dict)
    switches: dict[str, int] = field(default_factory=dict)


class Sampler:
    """Takes samples of an arm's processes; `rows` has the columns of resources.parquet, with `t_ns` for `t_us`.

    CPU is the run time in schedstat of every thread, in nanoseconds: `stat` counts 10 ms ticks, too coarse for a
    window of seconds. A process that ended keeps the row it was last seen in.
    """

    def __init__(self, arm: int) -> None:
        self.rows: list[Row] = []
        self._arm = arm
        self._seen: dict[int, _Tasks] = {}

    def sample(self, pids: Mapping[Role, Iterable[int]], *, pss: bool = False) -> None:
        """Read every process once; `pss` adds the proportional set size, which costs milliseconds a process."""
        read = self._read_proc if _PROC.is_dir() else self._read_psutil
        t_ns = monotonic_ns()
        for role, group in pids.items():
            for pid in group:
                with contextlib.suppress(psutil.Error, OSError):
                    row = {"t_ns": t_ns, "role": role, "arm": self._arm, "pid": pid, **read(pid)}
                    self.rows.append({**row, "pss_bytes": _pss(pid) if pss else None})

    def _read_proc(self, pid: int) -> Row:
        tasks = self._seen.setdefault(pid, _Tasks())
        folder = _PROC / str(pid)
        for task in (folder / "task").iterdir():
            with contextlib.suppress(OSError):
                ran_ns, _, times = (task / "schedstat").read_text().split()
                tasks.cpu_ns[task.name] = int(ran_ns)
                tasks.switches[task.name] = int(times)
        stat = (folder / "stat").read_text().rpartition(")")[2].split()
        return {
            "cpu_ns": sum(tasks.cpu_ns.values()),
            "rss_bytes": int(stat[21]) * _PAGE,
            "threads": int(stat[17]),
            "fds": _count_fds(folder),
            "ctx_switches": sum(tasks.switches.values()),
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


def from_t0(rows: list[Row], t0_ns: int) -> list[Row]:
    """Turn samples into the rows of resources.parquet: times in µs from t0."""
    return [{**row, "t_us": (row["t_ns"] - t0_ns) // 1000} for row in rows]


def _pss(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return None


def _count_fds(folder: Path) -> int | None:
    with contextlib.suppress(OSError):
        return sum(1 for _ in (folder / "fd").iterdir())
    return None
