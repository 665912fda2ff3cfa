"""Leads a trial through its phases: warm-up, window, drain, closed phase; keeps its clock and ends it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import gevent

from harness.load import spool
from harness.load.alarm import alarm
from harness.load.clock import sleep_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from locust.env import Environment

    from harness.load.duet import Program
    from harness.load.gate import Gate
    from harness.load.recorder import Recorder

_AFTER_NS = 200_000_000
"""Closed load goes on for so long behind the window: Locust's stop holds up its loop for some 30 ms, and with it every
answer that is on its way then."""
_SETTLE_NS = 500_000_000
"""The closed phase counts from so long after its beginning: its loops have to get going."""
_LOOK_S = 0.02
_LAG_EVERY_NS = 20_000_000
_S = 1_000_000_000


@dataclass(frozen=True)
class Timing:
    """How long each phase lasts, in seconds, and what load there is in it."""

    warmup_s: float
    warmup_most_s: float
    window_s: float
    drain_s: float
    closed_s: float
    closed_users: int
    rate_per_s: float
    arrivals: str
    seed: int

    @classmethod
    def of(cls, environment: Environment) -> Timing:
        """Take it from Locust's command line, where our options are."""
        options: Any = environment.parsed_options
        return cls(
            warmup_s=options.warmup_s,
            warmup_most_s=options.warmup_most_s,
            window_s=options.window_s,
            drain_s=options.drain_s,
            closed_s=options.closed_s,
            closed_users=options.closed_users,
            rate_per_s=options.rate,
            arrivals=options.arrivals,
            seed=options.seed,
        )


def window_begins(timing: Timing, begin_ns: int, folder: Path | None) -> int:
    """Return when the window begins: after the warm-up, which ends early when the harness finds the load steady."""
    earliest_ns = begin_ns + round(timing.warmup_s * _S)
    latest_ns = begin_ns + round(max(timing.warmup_most_s, timing.warmup_s) * _S)
    if folder is None or latest_ns == earliest_ns:
        return latest_ns
    sleep_until(earliest_ns)
    steady = folder / spool.STEADY
    while monotonic_ns() < latest_ns and not steady.exists():
        gevent.sleep(_LOOK_S)
    return min(monotonic_ns(), latest_ns)


class Conductor:
    """Leads one generator through a trial.

    `run` is called when all users are there. With a gate the load is open up to the window's end; then what is on its
    way may finish within `drain_s`, and closed loops follow where there is a closed phase. Without one the users are
    closed loops from the beginning to a little behind the window. A `program` for two arms begins with the window, and
    has no closed phase.
    """

    def __init__(self, recorder: Recorder, gate: Gate | None, program: Program | None = None) -> None:
        self._recorder = recorder
        self._gate = gate
        self._program = program
        self._facts: dict[str, Any] = dict.fromkeys(("begin_ns", "t0_ns", "closed_ns", "closed_from_ns"))
        self._loop = _LoopLag()

    def run(
        self, timing: Timing, begin_ns: int, window_begins: Callable[[], int], share: tuple[int, int] = (0, 1)
    ) -> None:
        """Carry the trial out; returns at its end, with the users still there.

        `begin_ns` is when load begins, `window_begins` waits for the time at which the window does, and `share` is
        as in `Gate.begin`.
        """
        gate = self._gate
        self._facts["begin_ns"] = begin_ns
        if gate is not None:
            gate.begin(begin_ns, rate_per_s=timing.rate_per_s, kind=timing.arrivals, share=share)
        t0_ns = self._facts["t0_ns"] = window_begins()
        end_ns = t0_ns + round(timing.window_s * _S)
        self._loop.keep(t0_ns, end_ns)
        if gate is None:
            sleep_until(end_ns + _AFTER_NS)
            return
        if self._program is not None:
            self._play(self._program, gate, timing, t0_ns)
            return
        gate.end(end_ns)
        sleep_until(end_ns)
        drained_ns = end_ns + round(timing.drain_s * _S)
        self._drain(gate, drained_ns)
        if timing.closed_s:
            index, number = share
            if number > 1:
                # Alone a generator goes on as soon as all is answered; several have to begin together.
                sleep_until(drained_ns)
            closed_ns = self._facts["closed_ns"] = monotonic_ns() if number == 1 else drained_ns
            gate.loop(timing.closed_users * (index + 1) // number - timing.closed_users * index // number)
            from_ns = self._facts["closed_from_ns"] = closed_ns + _SETTLE_NS
            sleep_until(from_ns + round(timing.closed_s * _S) + _AFTER_NS)

    def close(self, window_s: float) -> None:
        """Record what is still on its way as cut, and the trial's times."""
        self._recorder.cut([])
        self._loop.close()
        if self._program is not None:
            self._program.close()
            self._facts["parts"] = self._program.done
        self._recorder.close(**self._facts, window_s=window_s, ended_ns=monotonic_ns(), lags_ns=self._loop.lags_ns())

    def _play(self, program: Program, gate: Gate, timing: Timing, t0_ns: int) -> None:
        def drain() -> None:
            self._drain(gate, monotonic_ns() + round(timing.drain_s * _S))

        gate.end(program.duets(t0_ns, timing.window_s, keep=self._loop.keep))
        drain()
        program.slices(gate, timing.rate_per_s, timing.arrivals, drain)

    def _drain(self, gate: Gate, until_ns: int) -> None:
        while monotonic_ns() < until_ns and (self._recorder.in_flight() or not gate.drained()):
            gevent.sleep(_LOOK_S)
        self._recorder.cut(gate.rest())


class _LoopLag:
    """How late the event loop serves a precise timer, 50 times a second: what any user may have had to wait."""

    def __init__(self) -> None:
        self._seen = array("q")
        self._span = (0, 0)
        self._alarm = alarm(self._ring)
        self._due_ns = monotonic_ns() + _LAG_EVERY_NS
        self._alarm.at(self._due_ns)

    def keep(self, from_ns: int, to_ns: int) -> None:
        """Keep what is seen in this span."""
        self._span = (from_ns, to_ns)

    def lags_ns(self) -> list[int]:
        return self._seen.tolist()

    def close(self) -> None:
        self._alarm.close()

    def _ring(self) -> None:
        now_ns = monotonic_ns()
        if self._span[0] <= self._due_ns < self._span[1]:
            self._seen.append(now_ns - self._due_ns)
        # A bell that rang late swallowed none of its fellows: each of them would have been late too.
        self._due_ns += _LAG_EVERY_NS
        self._alarm.at(self._due_ns)
