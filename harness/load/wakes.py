"""How late this machine wakes, by our alarm and by `gevent.sleep`: `python -m harness.load.wakes`, for `doctor`."""

from __future__ import annotations

import argparse
import json
import random
import sys
from time import monotonic_ns

import gevent
from gevent.event import Event

from harness.load.alarm import alarm
from harness.load.gate import intervals_ns

_AHEAD_NS = 10_000_000
_TURNS = 2


def ours(due_ns: list[int]) -> list[int]:
    """Return how late, in ns, the alarm rang for each of these ascending times."""
    lags: list[int] = []
    done = Event()

    def ring() -> None:
        lags.append(monotonic_ns() - due_ns[len(lags)])
        if len(lags) < len(due_ns):
            bell.at(due_ns[len(lags)])
        else:
            done.set()

    bell = alarm(ring)
    bell.at(due_ns[0])
    done.wait()
    bell.close()
    return lags


def theirs(due_ns: list[int]) -> list[int]:
    """Return how late, in ns, `gevent.sleep` woke for each of them, as Locust's own pacing uses it."""
    lags = []
    for due in due_ns:
        while (left_ns := due - monotonic_ns()) > 0:
            gevent.sleep(left_ns / 1e9)
        lags.append(monotonic_ns() - due)
    return lags


def main() -> None:
    """Take turns, and print every lag in ns as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=float, default=1000.0, help="wakings a second, at exponential intervals")
    parser.add_argument("--turn-s", type=float, default=0.5)
    chosen = parser.parse_args()
    intervals = intervals_ns(chosen.rate, "exponential", random.Random(1))  # noqa: S311 - a load is no secret
    lags: dict[str, list[int]] = {"alarm": [], "sleep": []}
    for _ in range(_TURNS):
        for name, measure in (("alarm", ours), ("sleep", theirs)):
            due: float = monotonic_ns() + _AHEAD_NS
            times = []
            for _ in range(round(chosen.rate * chosen.turn_s)):
                due += next(intervals)
                times.append(round(due))
            lags[name] += measure(times)
    sys.stdout.write(json.dumps(lags))


if __name__ == "__main__":
    main()
