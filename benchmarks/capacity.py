"""Whether a capacity that is found twice is found alike: `python benchmarks/capacity.py`.

Every backend stands in one run under two names, and each of the two is searched by itself, in turns with all others.
The two intervals must overlap: each holds the capacity at 95 % by its own word. Three backends take eight minutes.
"""

from __future__ import annotations

import argparse

from harness.processes import Processes
from tests.instrument.recording import carried_out

AGAIN = "-again"


def main() -> None:
    """Search, print and compare; exits with 1 when two intervals of one backend do not overlap."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("backends", nargs="*", default=["memory", "redis", "postgres"])
    parser.add_argument("--slo", default="p99<50ms", help="the objective (default: %(default)s)")
    chosen = parser.parse_args()
    tables = "".join(f'[variants.{name}{AGAIN}]\nbackend = "{name}"\n' for name in chosen.backends)
    variants = [name + suffix for name in chosen.backends for suffix in ("", AGAIN)]
    with Processes() as processes:
        run = carried_out(processes, variants, {"blocks": 1, "slo": chosen.slo}, toml=tables)
    found = {each.variant: each for each in run.capacities}
    print(f"\rarrivals/s that keep {chosen.slo}{'first':>10}{'':>16}{'again':>10}")
    apart = 0
    for name in chosen.backends:
        first, again = found[name], found[name + AGAIN]
        bounds = [(each.lower_per_s or 0.0, each.upper_per_s or float("inf")) for each in (first, again)]
        overlap = max(low for low, _ in bounds) <= min(high for _, high in bounds)
        apart += not overlap
        written = "   ".join(f"{low:>10,.0f} to {high:>7,.0f}" for low, high in bounds)
        print(f"{name:<16}{written}   {'agree' if overlap else 'APART'}; {first.limit}, {again.limit}")
    raise SystemExit(bool(apart))


if __name__ == "__main__":
    main()
