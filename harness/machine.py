"""The machine that measures: what it is, and which CPU each role runs on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from reports.record.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Collection

_REPORTED = (
    "session-bench", "locust", "gevent", "geventhttpclient", "fastapi", "starlette", "pydantic", "uvicorn",
    "uvloop", "httptools",
)  # fmt: skip


def cpus_by_role(workers: int = 1) -> tuple[dict[str, list[int]], str]:
    """Decide which CPUs app, generator, store and harness get, and say it in words.

    The app never shares its CPUs; generator and store share one only where there are no more than two.
    """
    if not hasattr(os, "sched_getaffinity"):
        return {}, f"nothing was pinned: {platform.system()} offers no CPU affinity"
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) == 1:
        return {}, "nothing was pinned: one CPU serves app, store and generator alike"
    if len(cpus) == 2:  # noqa: PLR2004 - the smallest machine that can part app and generator
        first, second = cpus
        roles = {"app": [first], "generator": [second], "store": [second], "harness": [second]}
    elif len(cpus) == 3:  # noqa: PLR2004 - as above, and a CPU for the store
        roles = {"app": cpus[:1], "generator": cpus[1:2], "store": cpus[2:], "harness": cpus[2:]}
    else:
        app = cpus[: min(max(workers, 1), len(cpus) - 3)]
        roles = {"app": app, "generator": cpus[-1:], "store": cpus[-2:-1], "harness": cpus[-3:-2]}
    words = ", ".join(f"{role} on CPU {'+'.join(map(str, where))}" for role, where in roles.items())
    return roles, words


def pinned() -> set[int] | None:
    """Return the CPUs that this process may use, or None where the system has no such notion."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


def pin(cpus: Collection[int] | None) -> None:
    """Keep this process, and what it starts, on these CPUs; None or none leaves it where it is."""
    if cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)


def describe(*, pinning: str, cpus: dict[str, list[int]], filesystem: str, fsync_p50_us: float | None) -> Environment:
    """Describe the machine and the software that the figures come from."""
    return Environment(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1),
        memory_bytes=psutil.virtual_memory().total,
        kernel=f"{platform.system()} {platform.release()}",
        system=_system(),
        virtualization=_virtualization(),
        python=platform.python_version(),
        packages={name: version for name in _REPORTED if (version := _version(name))},
        pinning=pinning,
        cpus=cpus,
        data_folder_filesystem=filesystem,
        fsync_p50_us=fsync_p50_us,
    )


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    for line in _lines("/etc/os-release"):
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.platform(terse=True)


def _virtualization() -> str:
    if any(line.startswith("flags") and " hypervisor" in line for line in _lines("/proc/cpuinfo")):
        return "virtual machine"
    return ""


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
