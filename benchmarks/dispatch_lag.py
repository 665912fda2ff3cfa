"""How late arrivals are, ours beside `gevent.sleep`'s: `python benchmarks/dispatch_lag.py`.

A thousand exponential arrivals a second, in one process on one CPU: for some seconds users wait at the gate of our open
load, for some a greenlet sleeps from arrival to arrival, as Locust's own pacing does, in turns of random order. Lag is
the time between the intended start and the waking. Nothing is sent in the turns, so the figures are those of waking
alone; the last line is a trial, in which the generator also sends and receives.
"""

from __future__ import annotations

import argparse
import random
from time import monotonic_ns
from types import SimpleNamespace
from typing import Any

import gevent
import locust  # noqa: F401 - it patches the standard library, which must come before what uses that
import numpy as np

from harness import machine
from harness.load.gate import Gate, intervals_ns
from harness.load.recorder import Flight
from harness.processes import Processes
from tests.instrument import known

USERS = 64
AHEAD_NS = 50_000_000
P50_TARGET, P99_TARGET = 1 / 4, 1 / 2


def ours(rate_per_s: float, turn_s: float, seed: int) -> list[int]:
    """Return the lag in ns of every arrival at our gate."""
    lags: list[int] = []

    def wait(gate: Gate, user: Any) -> None:
        while True:
            gate.take(user)
            lags.append(user.flight.wake_lag_ns)

    gate = Gate(lambda user: user.flight, str(seed))  # type: ignore[attr-defined] # as our users have one
    users = [gevent.spawn(wait, gate, SimpleNamespace(flight=Flight(number))) for number in range(USERS)]
    gevent.sleep(0)
    begin_ns = monotonic_ns() + AHEAD_NS
    gate.begin(begin_ns, rate_per_s=rate_per_s, kind="exponential")
    gate.end(begin_ns + round(turn_s * 1e9))
    gevent.sleep(turn_s + 4 * AHEAD_NS / 1e9)
    gevent.killall(users)
    return lags


def theirs(rate_per_s: float, turn_s: float, seed: int) -> list[int]:
    """Return the lag in ns of every arrival that gevent.sleep woke us for."""
    lags: list[int] = []
    due_ns: float = monotonic_ns() + AHEAD_NS
    end_ns = due_ns + turn_s * 1e9
    for interval_ns in intervals_ns(rate_per_s, "exponential", random.Random(seed)):  # noqa: S311 - a load is no secret
        due_ns += interval_ns
        if due_ns >= end_ns:
            return lags
        while (left_ns := due_ns - monotonic_ns()) > 0:
            gevent.sleep(left_ns / 1e9)
        lags.append(monotonic_ns() - int(due_ns))
    return lags


def main() -> None:
    """Take turns, and print both and the ratios; exits with 1 when a target was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--turns", type=int, default=10, help="of each kind")
    parser.add_argument("--turn-s", type=float, default=2.0)
    chosen = parser.parse_args()
    cpus, _ = machine.cpus_by_role()
    before = machine.pinned()
    machine.pin(cpus.get("generator"))
    lags: dict[str, list[int]] = {"ours": [], "gevent.sleep": []}
    for turn in range(chosen.turns):
        for name, measure in random.sample([("ours", ours), ("gevent.sleep", theirs)], 2):
            lags[name] += measure(chosen.rate, chosen.turn_s, turn)
    machine.pin(before)
    print(f"{'lag in ms':<16}{'arrivals':>10}{'p50':>9}{'p99':>9}{'max':>9}")
    found = {name: np.array([known.quantile(seen, share) for share in (0.5, 0.99, 1.0)]) for name, seen in lags.items()}
    for name, times_ns in found.items():
        print(f"{name:<16}{len(lags[name]):>10,}" + "".join(f"{time_ns / 1e6:>9.3f}" for time_ns in times_ns))
    p50, p99, _ = found["ours"] / found["gevent.sleep"]
    print(f"{'ratio':<26}{p50:>9.2f}{p99:>9.2f}   targets {P50_TARGET:g} and {P99_TARGET:g}", flush=True)
    with Processes() as processes:
        load = known.arriving(chosen.rate, USERS)
        rows = known.trial(processes, load, "trivial", window_s=chosen.turns * chosen.turn_s).in_window
    seen = rows["wake_lag_us"].dropna()
    times = "".join(f"{known.quantile(seen, share) / 1000:>9.3f}" for share in (0.5, 0.99, 1.0))
    print(f"{'ours, in a trial':<16}{len(seen):>10,}{times}")
    raise SystemExit(bool(p50 > P50_TARGET or p99 > P99_TARGET))


if __name__ == "__main__":
    main()
