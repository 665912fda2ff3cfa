"""What speaks against the instrument of a trial: its generator, the machine, the clocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.words.units import ms, percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.format import Figures, Instrument

GENERATOR_SUSPECT: Final = 0.70
GENERATOR_FULL: Final = 0.95
"""Shares of the cores that the generator can use: one per process of it."""
WAITING_SUSPECT: Final = 0.30
WAITING_INVALID: Final = 0.50
"""Shares of the window that the generator waited for its CPU. With a store beside it on the same one, 10 to 25 % are
usual: every answer of the store wakes both."""
LOOP_LAG_SUSPECT_US: Final = 5_000
LOOP_LAG_INVALID_US: Final = 20_000
"""How late the generator's loop may wake in one of a hundred cases. The scheduler lets a process run for 3 to 4 ms
before another's turn, so that one neighbour is suspect and a crowd is not to be believed."""
DISPATCH_P50_US: Final = 150
DISPATCH_P99_US: Final = 1_000
DISPATCH_P50_SHARE: Final = 0.10
DISPATCH_P99_SHARE: Final = 0.25
"""Dispatch lag is part of every response: it must be long in itself, and of so much of the response, to matter."""
DISPATCH_INVALID_SHARE: Final = 0.50
"""Where most of the median is the generator's own, it is its own that was measured."""
STEAL_SUSPECT: Final = 0.05
STEAL_INVALID: Final = 0.20
"""Shares of all CPUs' time that other guests took. What they take comes in pieces of ms: 5 % reach every p99."""
FOREIGN_SUSPECT: Final = 0.10
FOREIGN_INVALID: Final = 0.25
"""Shares of all CPUs' time that programs used which are no part of the trial; they may sit on anybody's CPU. What the
kernel does for a quiet trial is counted too: 1 to 7 % here."""
CLOCK_PPM: Final = 1_000
"""NTP slews a clock by 500 ppm at most; what is beyond twice that is broken, or was set."""
CPU_APART: Final = 0.02
ARRIVALS_P: Final = 1e-4
"""Arrivals that were drawn well look worse than this once in ten thousand trials."""


@dataclass(frozen=True)
class Machine:
    """How many processes the generator has, and the CPUs that each role was pinned to."""

    processes: int
    cpus: Mapping[str, Sequence[int]]

    def busy(self, figures: Figures) -> float | None:
        """Return what share of the cores that it can use the generator used."""
        share = figures.cpu_share.get("generator")
        return None if share is None else share / self.cores

    @property
    def cores(self) -> int:
        """Return how many cores the generator can use."""
        return min(self.processes, len(self.cpus.get("generator", ())) or self.processes)

    @property
    def name(self) -> str:
        """Return them in words."""
        return "its core" if self.cores == 1 else f"its {self.cores} cores"


def invalid(figures: Figures, instrument: Instrument, machine: Machine, *, is_open: bool) -> list[str]:
    """Return why a trial says nothing about its subject.

    In closed load never because of the generator: its users wait for it too, and what they drew is a lower bound.
    """
    reasons = []
    if is_open:
        reasons += _starved(figures, instrument, machine)
        lag_us, response_us = figures.dispatch_lag_p50_us, figures.p50_us
        if lag_us and response_us and lag_us > max(DISPATCH_P50_US, DISPATCH_INVALID_SHARE * response_us):
            reasons.append(
                f"the generator sent {ms(lag_us)} ms late in the median, which is {percent(lag_us / response_us)} of "
                f"the response (limit {percent(DISPATCH_INVALID_SHARE)}): it measured itself"
            )
        if figures.arrivals_p is not None and figures.arrivals_p < ARRIVALS_P:
            reasons.append(
                "the arrivals were not those of the plan's rate and distribution "
                f"(p {_small(figures.arrivals_p)}, limit {ARRIVALS_P:g})"
            )
    if (instrument.steal_share or 0) >= STEAL_INVALID:
        reasons.append(_stolen(instrument.steal_share or 0, STEAL_INVALID))
    if (instrument.foreign_share or 0) >= FOREIGN_INVALID:
        reasons.append(_foreign(instrument.foreign_share or 0, FOREIGN_INVALID))
    if abs(instrument.clock_ppm or 0) > CLOCK_PPM:
        reasons.append(
            f"the clock ran {abs(instrument.clock_ppm or 0):,.0f} ppm apart from the raw one (limit {CLOCK_PPM:,}), so "
            "that its times are not to be believed"
        )
    return reasons


def suspect(figures: Figures, instrument: Instrument, machine: Machine, *, is_open: bool) -> list[str]:
    """Return why a trial's figures are to be taken with caution."""
    reasons = _generator(figures, machine, is_open=is_open)
    if is_open:
        reasons += _late(figures, instrument)
    if STEAL_SUSPECT < (instrument.steal_share or 0) < STEAL_INVALID:
        reasons.append(_stolen(instrument.steal_share or 0, STEAL_SUSPECT))
    if FOREIGN_SUSPECT < (instrument.foreign_share or 0) < FOREIGN_INVALID:
        reasons.append(_foreign(instrument.foreign_share or 0, FOREIGN_SUSPECT))
    for role, apart in instrument.cpu_apart.items():
        if apart > CPU_APART:
            reasons.append(
                f"two ways of counting the {role}'s CPU are {percent(apart)} apart (limit {percent(CPU_APART)}): "
                "short-lived threads or processes may be missing from its CPU per request"
            )
    return reasons


def held_back(figures: Figures, machine: Machine) -> list[str]:
    """Return why the requests/s of closed loops are only a lower bound."""
    busy = machine.busy(figures)
    if busy is None or busy <= GENERATOR_SUSPECT:
        return []
    used = f"the generator used {percent(busy)} of {machine.name} (limit {percent(GENERATOR_SUSPECT)})"
    return [f"{used}, so throughput is an at-least figure"]


def _starved(figures: Figures, instrument: Instrument, machine: Machine) -> list[str]:
    """Return why the generator cannot have kept to the arrivals' times."""
    reasons = []
    busy, waiting = machine.busy(figures) or 0.0, instrument.waiting_share or 0.0
    if busy > GENERATOR_FULL:
        reasons.append(
            f"the generator used {percent(busy)} of {machine.name} (limit {percent(GENERATOR_FULL)}): it was the "
            "limit, not the app"
        )
    elif waiting > WAITING_INVALID:
        reasons.append(
            f"the generator was starved: it waited {percent(waiting)} of the window for {machine.name} "
            f"(limit {percent(WAITING_INVALID)})"
        )
    elif busy + waiting > GENERATOR_FULL:
        reasons.append(
            f"the generator was starved: it used {percent(busy)} of {machine.name} and waited for it another "
            f"{percent(waiting)} of the window (limit together {percent(GENERATOR_FULL)})"
        )
    if (instrument.loop_lag_p99_us or 0) > LOOP_LAG_INVALID_US:
        reasons.append(
            f"the generator's event loop woke {ms(instrument.loop_lag_p99_us or 0)} ms late in one of a hundred cases "
            f"(limit {ms(LOOP_LAG_INVALID_US)} ms): something kept it from running"
        )
    return reasons


def _late(figures: Figures, instrument: Instrument) -> list[str]:
    """Return how the generator's being late shows in the latency."""
    reasons = []
    lags = (
        ("in the median", figures.dispatch_lag_p50_us, figures.p50_us, DISPATCH_P50_US, DISPATCH_P50_SHARE),
        ("at p99", figures.dispatch_lag_p99_us, figures.p99_us, DISPATCH_P99_US, DISPATCH_P99_SHARE),
    )
    for where, lag_us, response_us, limit_us, limit_share in lags:
        if lag_us and response_us and lag_us > max(limit_us, limit_share * response_us):
            reasons.append(
                f"the generator sent {ms(lag_us)} ms late {where}, which is {percent(lag_us / response_us)} of the "
                f"response (limits {ms(limit_us)} ms and {percent(limit_share)})"
            )
    waiting, lag_us = instrument.waiting_share or 0.0, instrument.loop_lag_p99_us or 0.0
    if WAITING_SUSPECT < waiting <= WAITING_INVALID:
        reasons.append(
            f"the generator waited {percent(waiting)} of the window for its CPU (limit {percent(WAITING_SUSPECT)})"
        )
    if LOOP_LAG_SUSPECT_US < lag_us <= LOOP_LAG_INVALID_US and lag_us > DISPATCH_P99_SHARE * (figures.p99_us or 0):
        reasons.append(
            f"the generator's event loop woke {ms(lag_us)} ms late in one of a hundred cases (limits "
            f"{ms(LOOP_LAG_SUSPECT_US)} ms and {percent(DISPATCH_P99_SHARE)} of p99)"
        )
    return reasons


def _generator(figures: Figures, machine: Machine, *, is_open: bool) -> list[str]:
    """Return what the generator's use of CPU means for the figures."""
    busy = machine.busy(figures)
    if busy is None:
        return ["the generator's CPU is not known, so nobody can say that it kept up"]
    used = f"the generator used {percent(busy)} of {machine.name}"
    if busy > GENERATOR_FULL:
        means = (
            "it was the limit, not the app, so requests/s is an at-least figure and latency is mostly the generator's; "
            "CPU per request stands"
        )
        return [] if is_open else [f"{used}: {means}"]
    if busy > GENERATOR_SUSPECT:
        means = "latency holds some of the generator's waiting"
        if not is_open:
            means = f"it may have held the app back: requests/s is an at-least figure, and {means}"
        return [f"{used} (limit {percent(GENERATOR_SUSPECT)}), so {means}"]
    return _crowded(figures, machine.cpus, is_open=is_open)


def _crowded(figures: Figures, cpus: Mapping[str, Sequence[int]], *, is_open: bool) -> list[str]:
    """Say when the generator shares CPUs with somebody and together they leave nothing free."""
    own = cpus.get("generator")
    if not own:
        return []
    sharing = [role for role, share in figures.cpu_share.items() if share and set(cpus.get(role, ())) == set(own)]
    busy = sum(figures.cpu_share[role] or 0 for role in sharing) / len(own)
    if len(sharing) < 2 or busy <= GENERATOR_FULL:  # noqa: PLR2004 - sharing takes two
        return []
    bound = "" if is_open else "requests/s is an at-least figure, and "
    shared = f"{' and '.join(sharing)} shared CPU {', '.join(map(str, own))}, which was {percent(busy)} busy"
    return [f"{shared}: {bound}latency holds their waiting for each other"]


def _stolen(share: float, limit: float) -> str:
    return f"other guests of the host took {percent(share)} of the CPUs' time (limit {percent(limit)})"


def _foreign(share: float, limit: float) -> str:
    return f"programs that are no part of the trial used {percent(share)} of the CPUs' time (limit {percent(limit)})"


def _small(p: float) -> str:
    return f"{p:.1g}" if p >= 1e-6 else "under 0.000001"  # noqa: PLR2004 - finer, the p-value is not known
