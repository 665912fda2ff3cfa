"""How often the judge is right, from blocks recorded on real stores: `python benchmarks/verdict_rates.py FILE`.

The file is what `session-bench selftest --record FILE` wrote: for each backend blocks of base against base, and of base
against a head that wastes a known share of its CPU. Every cell's blocks are drawn with replacement `--repeats` times,
and each draw is looked at and judged as `session-bench regress` does. A table shows how often each verdict fell and
after how many blocks; what misses the bar that the design sets is marked, and makes the exit code 1. In the rows named
"swapped" a coin swaps the arms of each drawn block of base against base, so that the chance by which the recorded
blocks differ on average is not taken for a true change.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from reports.files import RunUnreadable
from reports.judging.family import Rules
from reports.judging.rates import REPEATS, Cell, lines, rates
from reports.record.recorded_blocks import read_blocks

FALSE_ALARMS, CANNOT_TELL = 0.05, 0.10
"""The most that base against base may have."""
ALWAYS_FROM = 0.10
FOUND = {"memory": {0.03: 0.90, 0.05: 0.95}, "redis": {0.03: 0.90, 0.05: 0.95}}
"""How often a planted share must be found; 3 % is promised for these two alone."""
FOUND_ELSEWHERE = {0.05: 0.95}
MINUTES = 5.0
"""The most that finding the smallest of them may take on these two."""


def missed(cell: Cell) -> list[str]:
    """Return in words which bars a cell misses."""
    if cell.planted == 0:
        found = [] if cell.regressed <= FALSE_ALARMS else [f"false alarms above {FALSE_ALARMS:.0%}"]
        return found + ([] if cell.inconclusive <= CANNOT_TELL else [f"INCONCLUSIVE above {CANNOT_TELL:.0%}"])
    if cell.planted >= ALWAYS_FROM:
        found = [] if cell.regressed == 1 else ["not always found"]
        return found + ([] if cell.passed == 0 else ["passed"])
    least = FOUND.get(cell.variant, FOUND_ELSEWHERE).get(cell.planted)
    found = [] if least is None or cell.regressed >= least else [f"found less often than {least:.0%}"]
    slow = cell.variant in FOUND and cell.minutes > MINUTES
    return [*found, *([f"took more than {MINUTES:g} minutes"] if slow else [])]


def main() -> None:
    """Read, draw, print; exits with 1 when a bar is missed or the file cannot be read."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="what `session-bench selftest --record` wrote")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="draws a cell (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the draws (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=1, help="backends asked about at once (default: %(default)s)")
    parser.add_argument(
        "--fail-on", choices=("any", "delta"), default="any", help="as of regress (default: %(default)s)"
    )
    chosen = parser.parse_args()
    try:
        recorded = read_blocks(chosen.file)
    except RunUnreadable as error:
        raise SystemExit(str(error)) from None
    found = rates(recorded, Rules(fail_on=chosen.fail_on), repeats=chosen.repeats, seed=chosen.seed, pairs=chosen.pairs)
    print(f"{recorded.environment.label}; session-bench {recorded.harness_version}")
    print(f"{chosen.repeats:,} draws a cell, seed {chosen.seed}, {chosen.pairs} asked about, fail on {chosen.fail_on}")
    print("\n".join(lines(found)))
    short = [f"{cell.variant} at {cell.planted:.0%}: {why}" for cell in found.cells for why in missed(cell)]
    for each in short:
        print(f"MISSED: {each}")
    raise SystemExit(bool(short or found.too_few or not found.cells))


if __name__ == "__main__":
    main()
