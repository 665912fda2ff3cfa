"""Whole regression checks of apps whose slowdown is known: `python benchmarks/live_verdicts.py [BACKEND…]`.

For each backend one check of the app against itself and one against itself with CPU burnt in it (10, 5, 10, 5 % in
turn), by `session-bench regress --against`, on real stores; then one in which one request of a hundred waits for 20 ms,
which must show in p99 and not in p50. The exit code is 1 when a verdict is wrong; INCONCLUSIVE is not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any

ROOT = Path(__file__).parent.parent
BACKENDS = ("memory", "redis", "postgres", "mongodb")
PLANTED = ("cpu_10", "cpu_5")
TABLES = """
[variants.twin]
backend = "{backend}"

[variants.planted]
backend = "{backend}"
app = "benchmarks.planted:{plant}"
cwd = "{root}"
"""
TAIL = """
[regress]
decide = ["app_cpu_us_per_request", "p50_us", "p99_us"]
slices = 4
"""


def check(backend: str, head: str, plant: str, more: str = "") -> dict[str, Any]:
    """Carry one check out, and return its judgement with the minutes that it took."""
    with tempfile.TemporaryDirectory(prefix="live-verdicts-") as name:
        folder = Path(name)
        (folder / "session-bench.toml").write_text(TABLES.format(backend=backend, plant=plant, root=ROOT) + more)
        begun = monotonic()
        command = [sys.executable, "-c", "from harness.cli import main; main()", "regress", head, "--against", backend]
        done = subprocess.run([*command, "--json"], cwd=folder, capture_output=True, text=True, check=False)
        if not done.stdout:
            sys.exit(f"regress ended with {done.returncode}: {done.stderr}")
        return {**json.loads(done.stdout), "minutes": (monotonic() - begun) / 60}


def main() -> None:
    """Carry all of them out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("backends", nargs="*", default=BACKENDS, help="(default: %(default)s)")
    parser.add_argument("--no-tail", action="store_true", help="leave the slow tail out")
    chosen = parser.parse_args()
    wrong = 0
    for backend, plant in zip(chosen.backends, itertools.cycle(PLANTED), strict=False):
        for head, right in (("twin", "PASS"), ("planted", "REGRESSED")):
            found = check(backend, head, plant)
            wrong += not _say(f"{backend}, {'itself' if head == 'twin' else plant}", found, right)
    if not chosen.no_tail:
        found = check("memory", "planted", "tail", TAIL)
        wrong += not _say("memory, tail", found, "REGRESSED")
        states = {each["metric"]: each["state"] for each in found["comparisons"][0]["metrics"]}
        wrong += states["p50_us"] == "slower" or states["p99_us"] not in {"slower", "unclear"}
    sys.exit(1 if wrong else 0)


def _say(what: str, found: dict[str, Any], right: str) -> bool:
    (pair,) = found["comparisons"]
    changes = ", ".join(
        f"{each['metric']} {each['change']['estimate']:+.1%} "
        f"[{each['change']['low']:+.1%}, {each['change']['high']:+.1%}] {each['state']}"
        for each in pair["metrics"]
        if each["change"]
    )
    print(
        f"{what:<20} {pair['state']:<13} {pair['blocks']:>2} blocks {found['minutes']:4.1f} min  {changes}", flush=True
    )
    return pair["state"] in {right, "INCONCLUSIVE"}


if __name__ == "__main__":
    main()
