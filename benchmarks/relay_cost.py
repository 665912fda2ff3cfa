"""What the relay between app and store costs by itself: `python benchmarks/relay_cost.py`.

A server that answers 200 bytes with 1 kB is asked directly and through the relay, in turns, from the CPU that the app
has in a run, with relay and server where they are then. What the relay adds at no delay, what it carries, and how far
from what was asked the round trips are at each delay, in one run of about ten seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from harness import machine
from harness.link_cost import DELAYS_MS, own_cost
from harness.processes import Processes


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000, help="of round trips at each delay (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="for what it carries (default: %(default)s)")
    chosen = parser.parse_args()
    cpus, words = machine.cpus_by_role()
    machine.pin(cpus.get("app"))
    with TemporaryDirectory() as folder, Processes() as processes:
        cost = own_cost(
            processes,
            cpus=cpus.get("generator"),
            store_cpus=cpus.get("store"),
            log_folder=Path(folder),
            pairs=chosen.pairs,
            delays_ms=DELAYS_MS,
            seconds=chosen.seconds,
        )
    print(f"{words}; the relay with the generator")
    print(f"{'round trip, µs':<20}{'directly':>10}{'relayed':>10}{'added':>10}{'ratio':>8}")
    ratio = cost.relayed_us / cost.direct_us
    print(f"{'one connection':<20}{cost.direct_us:>10.0f}{cost.relayed_us:>10.0f}{cost.added_us:>10.0f}{ratio:>8.2f}")
    print(f"{'round trips/s':<20}{'directly':>10}{'relayed':>10}{'core':>10}{'CPU µs':>8}")
    carried = f"{cost.direct_most_per_s:>10,.0f}{cost.most_per_s:>10,.0f}{cost.busy_share:>10.0%}{cost.cpu_us:>8.1f}"
    print(f"{'16 connections':<20}{carried}")
    print(f"{'asked for, ms':<20}{'p50':>10}{'p99':>10}{'of it':>10}   µs more than asked")
    for each in cost.additions:
        share = each.p50_us / 1000 / each.rtt_ms
        print(f"{each.rtt_ms:<20g}{each.p50_us:>10.0f}{each.p99_us:>10.0f}{share:>10.1%}   {each.pairs:,} pairs")


if __name__ == "__main__":
    main()
