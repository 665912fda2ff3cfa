"""Is this machine fit to measure: cores, steal, clock, timers, limits, disk, the generator's ceiling."""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import psutil
from rich.table import Table

from harness import machine, resources
from harness.generator import Generator
from harness.processes import Processes
from harness.scenarios import Scenario
from harness.servers import disk
from reports import stats, tables
from reports.format import Load, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from harness.processes import Child

_LOOK_S = 1.0
_STEAL_WARN = 0.01
_STEAL_UNFIT = 0.10
_BUSY_WARN = 0.10
_SLEEP_S = 0.001
_LATE_WARN_US = 2000
_FILES = 4096
_USERS = 16
_WINDOW_S = 2.0

State = Literal["fit", "warning", "unfit"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, and what it means for figures taken here."""

    name: str
    state: State
    found: str
    means: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def examine() -> list[Check]:
    """Look at everything; takes about eight seconds, six of them for the generator's ceiling."""
    return [_cores(), *_time_elsewhere(), _clock(), _timer(), _files(), *_disk(), _ceiling()]


def show(checks: list[Check], console: Console) -> None:
    """Print one row a check."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("check", "", "found", "means"):
        table.add_column(column, overflow="fold", no_wrap=column in {"check", ""})
    colours = {"fit": "green", "warning": "yellow", "unfit": "red"}
    for check in checks:
        table.add_row(check.name, f"[{colours[check.state]}]{check.state}[/]", check.found, check.means)
    console.print(table)
    worst = max((check.state for check in checks), key=("fit", "warning", "unfit").index)
    console.print(
        {
            "fit": "This machine is fit to measure.",
            "warning": "This machine can measure; read its figures with the warnings above.",
            "unfit": "This machine is not fit to measure: its figures would say more about it than about a backend.",
        }[worst]
    )


def _cores() -> Check:
    cpus, words = machine.cpus_by_role()
    if not cpus:
        return Check(
            "CPUs",
            "warning",
            words,
            "app, store and generator compete, so latencies hold each other's CPU time",
        )
    shared = cpus["store"] == cpus["generator"]
    means = (
        "store and generator share a CPU; CPU per request stays right, latency holds their waiting" if shared else ""
    )
    return Check("CPUs", "warning" if shared else "fit", words, means)


def _time_elsewhere() -> Iterator[Check]:
    """Watch for a second where CPU time goes while we do nothing."""
    spent = psutil.cpu_times_percent(interval=_LOOK_S)
    steal = getattr(spent, "steal", 0.0) / 100
    state: State = "fit" if steal < _STEAL_WARN else "warning" if steal < _STEAL_UNFIT else "unfit"
    yield Check(
        "steal",
        state,
        f"{steal:.1%} in {_LOOK_S:g} s",
        "" if state == "fit" else "another guest takes CPU time",
    )
    busy = 1 - spent.idle / 100 - steal
    crowded = busy > _BUSY_WARN
    means = "something else runs here; stop it, or figures hold its noise" if crowded else ""
    yield Check("other load", "warning" if crowded else "fit", f"{busy:.1%} of all CPUs busy", means)


def _clock() -> Check:
    ns = time.get_clock_info("monotonic").resolution * 1e9
    source = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    name = source.read_text().strip() if source.exists() else "unknown source"
    slow = name in {"hpet", "acpi_pm"}
    means = "reading this clock costs microseconds" if slow else ""
    return Check("clock", "warning" if slow else "fit", f"CLOCK_MONOTONIC, {ns:g} ns, {name}", means)


def _timer() -> Check:
    """Measure how late the system wakes a sleeper, in µs."""
    late = []
    for _ in range(200):
        begun = time.monotonic_ns()
        time.sleep(_SLEEP_S)
        late.append((time.monotonic_ns() - begun) / 1000 - _SLEEP_S * 1e6)
    p50_us, p99_us = np.percentile(late, [50, 99])
    state: State = "warning" if p99_us > _LATE_WARN_US else "fit"
    means = "the machine is late to wake sleepers, and so to send requests" if state == "warning" else ""
    return Check("timer", state, f"wakes {p50_us:.0f} µs late (p50), {p99_us:.0f} µs (p99)", means)


def _files() -> Check:
    if sys.platform == "win32":
        return Check("open files", "fit", "no limit")
    import resource  # noqa: PLC0415 - not everywhere

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = 0 <= soft < _FILES
    return Check("open files", "warning" if few else "fit", f"{soft}", f"raise it: ulimit -n {_FILES}" if few else "")


def _disk() -> Iterator[Check]:
    with Processes() as processes:
        kind = disk.filesystem_of(processes.folder)
        p50_us = disk.fsync_p50_us(processes.folder)
    volatile = kind in disk.VOLATILE
    means = "servers' data would lie in memory: durable variants are refused; set TMPDIR" if volatile else ""
    yield Check("data folder", "warning" if volatile else "fit", f"{kind}, fsync p50 {p50_us:.0f} µs", means)


def _ceiling() -> Check:
    """Load a server that does nothing: no app that is faster than this can be measured here."""
    cpus, _ = machine.cpus_by_role()
    with Processes() as processes:
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            server = _reflector(processes, listener, cpus.get("app"))
        plan = Plan(
            name="doctor", profile="doctor", scenario="ceiling", load=Load(users=_USERS), blocks=1, warmup_s=1.0,
            window_s=_WINDOW_S, drain_s=1.0, sessions=0, seed=1, order=[["ceiling"]],
        )  # fmt: skip
        path = Path(__file__).parent / "load" / "ceiling.py"
        scenario = Scenario("ceiling", path, "", {})
        folder = processes.folder / "ceiling"
        generator = Generator(processes, plan, scenario, url, folder=folder, seed=1, cpus=cpus.get("generator"))
        sampler = resources.Sampler(0)
        while generator.child.wait(0.25) is None and server.poll() is None:
            sampler.sample({"app": [server.pid], "generator": [generator.child.pid]})
        recorded = generator.recorded(0)
        if recorded is None:
            return Check("generator", "unfit", generator.child.tail(), "the generator does not work here")
        run = processes.folder / "run"
        requests = tables.write_requests(run, 1, recorded.requests)
        samples = tables.write_resources(run, 1, resources.from_t0(sampler.rows, recorded.t0_ns))
        figures = stats.figures(requests, samples, arm=0, window_s=_WINDOW_S)
    cpu_us = figures.cpu_us_per_request["generator"]
    return Check(
        "generator",
        "fit",
        f"{figures.requests_per_s:,.0f} requests/s at most, {cpu_us or 0:.0f} µs of CPU each",
        "a backend that answers faster than this looks only as fast as this",
    )


def _reflector(processes: Processes, listener: socket.socket, cpus: list[int] | None) -> Child:
    listener.set_inheritable(True)
    return processes.spawn(
        [sys.executable, "-m", "harness.reflector", "--fd", str(listener.fileno())],
        name="reflector",
        log=processes.folder / "reflector.log",
        cpus=cpus,
        pass_fds=(listener.fileno(),),
    )
