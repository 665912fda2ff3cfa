"""What a folder lies on: its file system, and what an fsync costs there."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

import psutil

VOLATILE = frozenset({"tmpfs", "ramfs"})
"""File systems on which nothing survives a power loss, whatever a server promises."""

_WRITES = 50
_BLOCK = b"\0" * 4096


def filesystem_of(path: Path) -> str:
    """Return the type of the file system that holds `path`, such as "ext4", or "" when it cannot be told."""
    resolved = path.resolve()
    found, depth = "", -1
    for mount in psutil.disk_partitions(all=True):
        point = Path(mount.mountpoint)
        # Of two mounts on one point the later one is seen.
        if resolved.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = mount.fstype, len(point.parts)
    return found


def fsync_p50_us(folder: Path) -> float:
    """Return the median µs of writing 4 KiB and fsyncing it, over 50 appends to a file in `folder`."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix="fsync-", buffering=0) as file:
        for _ in range(_WRITES):
            begun = time.perf_counter_ns()
            file.write(_BLOCK)
            os.fsync(file.fileno())
            times.append((time.perf_counter_ns() - begun) / 1000)
    return statistics.median(times)
