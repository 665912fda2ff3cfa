"""What open and closed load tell of a server that freezes for a second: `python benchmarks/stall.py`.

Both send 200 requests a second while nothing is frozen, to the same server, in trials of the same length. What each
must tell by arithmetic is derived in tests/instrument/stall.py and printed beside what it told. Open load tells the
freeze; closed load stops asking when nobody answers, so four requests of two thousand have seen it.
"""

from __future__ import annotations

import argparse

from harness.processes import Processes
from tests.instrument import known, stall

LIMIT = 0.05


def row(name: str, trial: known.Trial, p99_us: float) -> bool:
    """Print what a load told beside what it had to, and return whether both figures lie within the limit."""
    rows = trial.in_window
    told_us = known.quantile(rows["response_us"], 0.99)
    largest_us = float(rows["response_us"].max())
    off = told_us / p99_us - 1, largest_us / stall.MAX_US - 1
    print(
        f"{name:<14}{len(rows):>9,}{p99_us / 1000:>14,.0f}{told_us / 1000:>9,.0f}{off[0]:>+8.1%}"
        f"{stall.MAX_US / 1000:>14,.0f}{largest_us / 1000:>9,.0f}{off[1]:>+8.1%}"
    )
    return max(map(abs, off)) <= LIMIT


def main() -> None:
    """Measure both loads and print their figures; exits with 1 when open load is further off than the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--window-s", type=float, default=10.0)
    chosen = parser.parse_args()
    print(f"{'':14}{'requests':>9}{'p99 must be':>14}{'is':>9}{'off':>8}{'max must be':>14}{'is':>9}{'off':>8}   ms")
    with Processes() as processes:
        opened = stall.trial(processes, stall.OPEN, chosen.window_s)
        good = row("open load", opened, stall.open_p99_us(chosen.window_s))
        closed = stall.trial(processes, stall.CLOSED, chosen.window_s)
        row("closed load", closed, stall.DELAY_S * 1e6)
    true_us = stall.open_p99_us(chosen.window_s)
    told_us = known.quantile(closed.in_window["response_us"], 0.99)
    print(f"Closed load's p99 is {true_us / told_us:,.0f} times too short for who arrives at such a rate.")
    raise SystemExit(not good)


if __name__ == "__main__":
    main()
