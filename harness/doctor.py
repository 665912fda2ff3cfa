"""Is this machine fit to measure: cores, steal, clock, timers, limits, disk, the generator's ceiling."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import psutil
from rich.markup import escape
from rich.table import Table

from harness import machine, yardstick
from harness.errors import MeasurementError
from harness.processes import Processes
from harness.servers import disk
from reports.trials import doubts
from reports.words.units import per_second, percent, us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from harness.yardstick import Loaded
    from reports.format import Figures

MEASURABLE = "measurable"
"""Name of the check that says what can be measured here."""

_LOOK_S = 1.0
_CLOSED_S = 1.5
_STEAL_WARN = 0.01
_STEAL_UNFIT = 0.10
_BUSY_WARN = 0.10
_WAITING_WARN = 0.05
_FILES = 4096
_ROUNDING = 1e-6
_WAKERS = ("alarm", "sleep")

State = Literal["fit", "warning", "unfit"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, and what it means for figures taken here; its own in `figures`."""

    name: str
    state: State
    found: str
    means: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def examine() -> list[Check]:
    """Look at everything; takes some fifteen seconds, most of them to load a server that does nothing."""
    psutil.cpu_times_percent()  # from here on steal counts
    cpus, words = machine.cpus_by_role()
    before = machine.pinned()
    machine.pin(cpus.get("harness"))
    try:
        with Processes() as processes:
            checks = [_cores(cpus, words), _other_load(), _clock(), _files(), _disk(processes)]
            try:
                checks += _generator(processes, cpus)
            except MeasurementError as error:
                checks.append(Check("generator", "unfit", str(error), "nothing can be loaded here"))
    finally:
        machine.pin(before)
    return [checks[0], _steal(), *checks[1:]]


def show(checks: list[Check], console: Console) -> None:
    """Print one row a check, and what can be measured here as a paragraph."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    colours = {"fit": "green", "warning": "yellow", "unfit": "red"}
    for check in checks:
        if check.name != MEASURABLE:
            means = f"; {check.means}" if check.means else ""
            table.add_row(check.name, f"[{colours[check.state]}]{check.state}[/]", escape(check.found + means))
    console.print(table)
    worst = max((check.state for check in checks), key=("fit", "warning", "unfit").index)
    console.print()
    for check in checks:
        if check.name == MEASURABLE:
            console.print(check.found, markup=False, highlight=False)
    console.print(
        {
            "fit": "This machine is fit to measure.",
            "warning": "This machine can measure; read its figures with the warnings above.",
            "unfit": "This machine is not fit to measure: its figures would say more about it than about a backend.",
        }[worst]
    )


def _generator(processes: Processes, cpus: dict[str, list[int]]) -> Iterator[Check]:
    """Load a server that does nothing: no app can be measured better here."""
    yield _timer(yardstick.wakes(processes))
    server = yardstick.Yardstick(processes)
    light = server.load(yardstick.LIGHT_PER_S)
    busy = server.load(yardstick.BUSY_PER_S, closed_s=_CLOSED_S)
    yield from conclude(light, busy, cpus)


def conclude(light: Loaded, busy: Loaded, cpus: dict[str, list[int]]) -> Iterator[Check]:
    """Say what a light and a busy load of a server that does nothing mean; raises MeasurementError where one failed."""
    for loaded in (light, busy):
        if loaded.figures.service_p50_us is None or loaded.figures.error_share:
            counts = ", ".join(f"{outcome} {count}" for outcome, count in loaded.figures.outcomes.items())
            raise MeasurementError(f"The generator got no answers of a server that does nothing: {counts or 'none'}")
    yield _dispatch(busy.figures)
    yield _run_queue(light.instrument.waiting_share)
    yield _loopback(light)
    yield _ceiling(busy)
    yield _measurable(light, busy, cpus)


def _cores(cpus: dict[str, list[int]], words: str) -> Check:
    if not cpus:
        means = "app, store and generator compete, so latencies hold each other's CPU time"
        return Check("CPUs", "warning", words, means)
    shared = cpus["store"] == cpus["generator"]
    means = "CPU per request stays right, but latency holds store's and generator's waiting for each other"
    return Check("CPUs", "warning" if shared else "fit", words, means if shared else "")


def _other_load() -> Check:
    """Watch for a second where CPU time goes while we do nothing."""
    spent = psutil.cpu_times_percent(interval=_LOOK_S)
    busy = 1 - (spent.idle + getattr(spent, "steal", 0.0)) / 100
    crowded = busy > _BUSY_WARN
    means = "something else runs here; stop it, or figures hold its noise" if crowded else ""
    state: State = "warning" if crowded else "fit"
    return Check("other load", state, f"{percent(busy)} of all CPUs busy", means, {"busy_share": busy})


def _steal() -> Check:
    """Say how much was stolen since the examination began, most of which loads this machine."""
    steal = getattr(psutil.cpu_times_percent(), "steal", 0.0) / 100
    state: State = "fit" if steal < _STEAL_WARN else "warning" if steal < _STEAL_UNFIT else "unfit"
    means = "" if state == "fit" else "another guest of the host takes CPU time"
    return Check("steal", state, f"{percent(steal)} while doctor looked", means, {"steal_share": steal})


def _clock() -> Check:
    ns = time.get_clock_info("monotonic").resolution * 1e9
    source = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    name = source.read_text().strip() if source.exists() else "unknown source"
    slow = name in {"hpet", "acpi_pm"}
    means = "reading this clock costs microseconds" if slow else ""
    return Check("clock", "warning" if slow else "fit", f"CLOCK_MONOTONIC, {ns:g} ns, {name}", means)


def _files() -> Check:
    if sys.platform == "win32":
        return Check("open files", "fit", "no limit")
    import resource  # noqa: PLC0415 - not everywhere

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = 0 <= soft < _FILES
    return Check("open files", "warning" if few else "fit", f"{soft}", f"raise it: ulimit -n {_FILES}" if few else "")


def _disk(processes: Processes) -> Check:
    kind = disk.filesystem_of(processes.folder)
    p50_us = disk.fsync_p50_us(processes.folder)
    volatile = kind in disk.VOLATILE
    means = "servers' data would lie in memory: durable variants are refused; set TMPDIR" if volatile else ""
    state: State = "warning" if volatile else "fit"
    return Check("data folder", state, f"{kind}, fsync p50 {us(p50_us)} µs", means, {"fsync_p50_us": p50_us})


def _timer(lags_us: dict[str, Any]) -> Check:
    """Compare how late the generator's alarm and gevent's own sleep wake, with nothing else to do."""
    (p50_us, p99_us), (sleep_p50_us, sleep_p99_us) = (np.percentile(lags_us[name], [50, 99]) for name in _WAKERS)
    late = p50_us > doubts.DISPATCH_P50_US or p99_us > doubts.DISPATCH_P99_US
    found = (
        f"wakes {us(p50_us)} µs late (p50), {us(p99_us)} (p99), where gevent.sleep is late by {us(sleep_p50_us)} and "
        f"{us(sleep_p99_us)}"
    )
    figures = {
        "alarm_p50_us": float(p50_us), "alarm_p99_us": float(p99_us),
        "sleep_p50_us": float(sleep_p50_us), "sleep_p99_us": float(sleep_p99_us),
    }  # fmt: skip
    means = "the machine is late to wake sleepers, and so to send requests" if late else ""
    return Check("timer", "warning" if late else "fit", found, means, figures)


def _dispatch(busy: Figures) -> Check:
    p50_us, p99_us = busy.dispatch_lag_p50_us or 0.0, busy.dispatch_lag_p99_us or 0.0
    late = p50_us > doubts.DISPATCH_P50_US or p99_us > doubts.DISPATCH_P99_US
    means = "latencies hold it; trials in which it is much of them are SUSPECT" if late else ""
    return Check(
        "dispatch",
        "warning" if late else "fit",
        f"sends {us(p50_us)} µs late (p50), {us(p99_us)} (p99) at {yardstick.BUSY_PER_S:,.0f}/s",
        means,
        {"dispatch_lag_p50_us": p50_us, "dispatch_lag_p99_us": p99_us},
    )


def _run_queue(waiting: float | None) -> Check:
    """Judge the time that the generator was ready to run and did not; no store was beside it."""
    if waiting is None:
        return Check("run queue", "fit", "not known: this system does not count it")
    state: State = "fit" if waiting <= _WAITING_WARN else "warning" if waiting <= doubts.WAITING_INVALID else "unfit"
    found = f"the generator waited {percent(waiting)} of the time for its CPU"
    means = "" if state == "fit" else "something else runs on it"
    return Check("run queue", state, found, means, {"waiting_share": waiting})


def _loopback(light: Loaded) -> Check:
    p50_us = light.figures.service_p50_us or 0.0
    found = f"{us(p50_us)} µs (p50 of service) for an answer to nothing, at {yardstick.LIGHT_PER_S:,.0f}/s"
    means = "every latency holds it; the cost over `none` does not"
    return Check("loopback", "fit", found, means, {"service_p50_us": p50_us})


def _ceiling(busy: Loaded) -> Check:
    figures = busy.closed or busy.figures
    cpu_us = figures.cpu_us_per_request["generator"] or 0.0
    return Check(
        "generator",
        "fit",
        f"{per_second(figures.requests_per_s)} requests/s at most (closed load, {yardstick.CLOSED_USERS} users), "
        f"{us(cpu_us)} µs of CPU each",
        "a backend that answers faster than this looks only as fast as this",
        {"requests_per_s": figures.requests_per_s, "cpu_us_per_request": cpu_us},
    )


def _measurable(light: Loaded, busy: Loaded, cpus: dict[str, list[int]]) -> Check:
    """Say which rates the generator carries, and which differences are not its own."""
    rate = carried_per_s(light.figures, busy)
    apart_us = max(light.figures.dispatch_lag_p50_us or 0.0, max(light.pieces_us) - min(light.pieces_us))
    tail_us = max(light.figures.dispatch_lag_p99_us or 0.0, apart_us)
    shares = bool(cpus) and cpus["store"] == cpus["generator"]
    neighbour = (
        f"The store shares CPU {'+'.join(map(str, cpus['store']))} with it and takes its part. " if shares else ""
    )
    found = (
        f"What can be measured here: up to about {per_second(rate)} arrivals/s, where the generator uses "
        f"{percent(doubts.GENERATOR_SUSPECT)} of its CPU for the least that a step can be; longer steps carry fewer. "
        f"{neighbour}In a single trial, differences under {us(apart_us)} µs in p50 and {us(tail_us)} µs in p99 are not "
        "to be believed: they are the generator's and the loopback's own. Over many blocks the intervals decide."
    )
    figures = {"open_rate_per_s": rate, "p50_apart_us": apart_us, "p99_apart_us": tail_us}
    return Check(MEASURABLE, "fit", found, "", figures)


def carried_per_s(light: Figures, busy: Loaded) -> float:
    """Return the open rate at which the generator uses 70 % of its core, rounded down to two digits.

    Drawn out from the CPU that it uses at the two rates, and never more than 70 % of what its CPU per request allows
    under closed load: nobody sends with less.
    """
    shares = [figures.cpu_share["generator"] or 0.0 for figures in (light, busy.figures)]
    rates = [figures.requests / figures.window_s for figures in (light, busy.figures)]
    closed_us = (busy.closed.cpu_us_per_request["generator"] if busy.closed else None) or 1.0
    most = doubts.GENERATOR_SUSPECT * 1e6 / closed_us
    if rates[1] > rates[0] and shares[1] > shares[0]:
        each = (shares[1] - shares[0]) / (rates[1] - rates[0])
        most = min(most, rates[1] + (doubts.GENERATOR_SUSPECT - shares[1]) / each)
    unit = 10.0 ** (math.floor(math.log10(max(most, 1.0))) - 1)
    return max(0.0, math.floor(most / unit + _ROUNDING) * unit)
