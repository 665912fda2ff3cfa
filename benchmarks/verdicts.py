"""How many healthy trials are VALID, backend by backend: `python benchmarks/verdicts.py`.

Runs `session-bench run` with every variant and as many blocks as `--trials` says, at the common rate, and counts
verdicts; attempts that were repeated count as well. Nothing is wrong with any of the subjects, so a trial that is not
VALID was disturbed, or wrongly doubted: the reasons of those are printed with how often each was given. On a machine
with nothing else to do nine in ten must be VALID. Ten trials of every variant take about ten minutes.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.processes import Processes
from tests.instrument.recording import carried_out

if TYPE_CHECKING:
    from reports.format import Run

TARGET = 0.9


def count(run: Run) -> dict[str, Counter[str]]:
    """Return how often each variant's trials got each state."""
    states: dict[str, Counter[str]] = defaultdict(Counter)
    for trial in run.trials:
        states[trial.arms[0].variant][trial.verdict.state] += 1
    return states


def reasons(run: Run) -> Counter[str]:
    """Return how often each reason was given; those that differ only in their numbers count as one."""
    said: Counter[str] = Counter()
    for trial in run.trials:
        if trial.verdict.state != "VALID":
            said.update(
                {f"{trial.verdict.state}: {re.sub(r'[0-9][0-9.,]*', '#', why)}" for why in trial.verdict.reasons}
            )
    return said


def main() -> None:
    """Run, count and print; exits with 1 when fewer than nine in ten trials are VALID."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("variants", nargs="*", help="(default: every variant of a plain run)")
    parser.add_argument("--trials", type=int, default=10, help="of each variant (default: 10)")
    parser.add_argument("--window-s", type=float, default=3.0)
    parser.add_argument("--keep", type=Path, help="copy the recorded run to this folder")
    chosen = parser.parse_args()
    with Processes() as processes:
        settings = {"blocks": chosen.trials, "window_s": chosen.window_s}
        run = carried_out(processes, chosen.variants, settings)
        if chosen.keep:
            shutil.copytree(processes.folder / "recorded" / "results", chosen.keep)
    states = count(run)
    print(f"\r{'variant':<30}{'trials':>8}{'VALID':>8}   others")
    for name, seen in states.items():
        others = ", ".join(f"{state} {number}" for state, number in seen.items() if state != "VALID")
        print(f"{name:<30}{seen.total():>8}{seen['VALID']:>8}   {others}")
    valid, trials = sum(seen["VALID"] for seen in states.values()), sum(seen.total() for seen in states.values())
    print(f"{'all':<30}{trials:>8}{valid:>8}   {valid / trials:.0%}, target {TARGET:.0%}")
    for reason, number in reasons(run).most_common():
        print(f"{number:>4} times {reason}")
    raise SystemExit(valid < TARGET * trials)


if __name__ == "__main__":
    main()
