"""Leads two arms through a trial of a pair: duets, in which arrivals draw their arm, then short slices of one arm each.

Both served at once share every gust of the machine, which is what makes a few percent visible in seconds (Bulej et al.
2020, duet benchmarking). Percentiles of the tail need the slices: in a duet the arms queue behind each other.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import gevent

from harness.load import spool
from harness.load.clock import sleep_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.load.gate import Gate

_S = 1_000_000_000
_SETTLE_NS = 100_000_000
"""A part counts from so long after it began: what another part left is answered by then."""


@dataclass(frozen=True)
class Duet:
    """What a trial of a pair does: `parts` duets of a window each, and then a slice for each arm named in `slices`."""

    parts: int
    slices: str
    slice_s: float
    gap_s: float

    @classmethod
    def of(cls, options: Any) -> Duet:
        """Take it from Locust's command line, where our options are."""
        return cls(options.duets, options.slices, options.slice_s, options.gap_s)


class Program:
    """What was done when: `done` lists (phase, number, arm or None, from, to), times in ns of CLOCK_MONOTONIC."""

    def __init__(self, duet: Duet, folder: Path) -> None:
        self.done: list[tuple[str, int, int | None, int, int]] = []
        self._duet = duet
        # Written once a part: whoever maps it sees at once which it is.
        self._part = os.open(folder / spool.PART, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(self._part, bytes([0]), 0)

    def duets(self, t0_ns: int, window_s: float, *, keep: Callable[[int, int], None]) -> int:
        """Let the parts go by, the first from `t0_ns` on; returns when the last ended. Arrivals come all the while."""
        window_ns = round(window_s * _S)
        for part in range(self._duet.parts):
            if part:
                os.pwrite(self._part, bytes([part]), 0)
                t0_ns = monotonic_ns() + _SETTLE_NS
            if part == 0:
                keep(t0_ns, t0_ns + window_ns)
            self.done.append(("duet", part, None, t0_ns, t0_ns + window_ns))
            sleep_until(t0_ns + window_ns)
        return t0_ns + window_ns

    def slices(self, gate: Gate, rate_per_s: float, kind: str, drain: Callable[[], None]) -> None:
        """Give one arm all the arrivals for a slice, let all be answered, and pause; then the next."""
        slice_ns = round(self._duet.slice_s * _S)
        for number, arm in enumerate(map(int, self._duet.slices)):
            gevent.sleep(self._duet.gap_s)
            begin_ns = monotonic_ns()
            self.done.append(("slice", number, arm, begin_ns, begin_ns + slice_ns))
            gate.begin(begin_ns, rate_per_s=rate_per_s, kind=kind, only=arm)
            gate.end(begin_ns + slice_ns)
            sleep_until(begin_ns + slice_ns)
            drain()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._part)
