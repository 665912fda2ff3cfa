"""Whether the generator's memory stays flat over millions of recorded requests: `python benchmarks/soak.py`.

A closed load at its full rate against a server that does nothing, each on a CPU of its own where there are two; every
request is recorded as in a trial. The generator's resident memory is read ten times a second, together with the number
of requests that had reached the disk by then. Five million requests take some minutes, and 300 MB of disk for as long;
`--requests` takes fewer.
"""

from __future__ import annotations

import argparse
import sys
import time

from harness.processes import Processes
from tests.instrument import memory

FLAT_BYTES = 1.0
"""Bytes per request that still count as flat: a row of the spool, were it kept, would take fifty times as much."""


def main() -> None:
    """Soak and print the memory at a tenth, at half and at the end, and its slope."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=5_000_000)
    chosen = parser.parse_args()
    begun = time.monotonic()
    with Processes() as processes:
        for seen in memory.soak(processes, chosen.requests):
            if sys.stderr.isatty():
                print(f"\r{seen.requests[-1]:>12,} requests", end="", file=sys.stderr, flush=True)
    took_s = time.monotonic() - begun
    print(f"{seen.requests[-1]:,} requests recorded in {took_s:,.0f} s, {seen.requests[-1] / took_s:,.0f} a second")
    for share in (0.1, 0.5, 1.0):
        print(f"  memory at {share:>4.0%} {seen.at(share) / 2**20:>8.2f} MiB")
    slope = seen.bytes_per_request(after=0.1)
    verdict = "flat" if abs(slope) <= FLAT_BYTES else "NOT flat"
    print(f"  slope behind the first tenth: {slope:+.3f} bytes per request: {verdict}")


if __name__ == "__main__":
    main()
