"""What a report of ten million requests costs: `python benchmarks/report.py`.

A run is made up with numpy in a temporary folder, several variants under open load with a closed phase, and written as
the harness writes one. Then `session-bench report` is started on it in a process of its own: its time on the clock,
from start to end, its largest resident memory, and the size of the page.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from reports import stats
from reports.files import write_run, write_trial
from reports.format import Arm, Instrument, Load, Plan, Run, Trial, Variant, Verdict
from reports.record import tables
from reports.record.environment import Environment

BACKENDS = ("none", "memory", "cookie", "redis", "mongodb", "postgres", "http", "sqlite")
STEPS = ("POST /login", "GET /profile", "POST /profile", "POST /logout")
SHARES = (0.08, 0.75, 0.12, 0.05)
RATE_PER_S = 8_000.0
USERS = 256
WARMUP_S, CLOSED_S = 2.0, 3.0
CLOSED_SHARE = 0.1
ERROR_SHARE = 1e-4
MACHINE = Environment(
    cpu="made up", cores=2, memory_bytes=8 * 2**30, kernel="", system="made up", python="", pinning="none"
)
LIMITS = {"s": 15.0, "GB": 1.5, "MB of page": 6.0}


def requests(dice: np.random.Generator, count: int, mean_us: float) -> dict[str, Any]:
    """Return the columns of a trial: a warm-up and a window of arrivals, and behind them a closed phase."""
    closed = int(count * CLOSED_SHARE)
    arrivals = count - closed
    scheduled = np.cumsum(dice.exponential(1e6 / RATE_PER_S, arrivals)).astype(np.int64) - int(WARMUP_S * 1e6)
    lag = dice.exponential(80, arrivals).astype(np.int64)
    late = np.sort(dice.integers(0, int((CLOSED_S + 0.5) * 1e6), closed)) + scheduled[-1] + 100_000
    service = (dice.lognormal(0, 0.5, count) * mean_us).astype(np.int64)
    unknown = np.zeros(closed, dtype=bool)
    known = np.ones(arrivals, dtype=bool)

    def of_arrivals(values: Any) -> Any:
        """Return a column that is null in the closed phase, as pyarrow takes it."""
        return np.ma.MaskedArray(
            np.concatenate([values, np.zeros(closed, np.int64)]), mask=~np.concatenate([known, unknown])
        )

    sent = np.concatenate([scheduled + lag, late])
    outcome = np.where(dice.random(count) < ERROR_SHARE, "http_error", "ok")
    return {
        "arm": np.zeros(count, dtype=np.int8),
        "name": dice.choice(STEPS, count, p=SHARES),
        "phase": np.concatenate([np.where(scheduled < 0, "warmup", "solo"), np.full(closed, "closed")]),
        "slice": [None] * count,
        "user": dice.integers(0, USERS, count),
        "worker": np.zeros(count, dtype=np.int16),
        "scheduled_us": of_arrivals(scheduled),
        "wake_lag_us": of_arrivals(lag),
        "sent_us": sent,
        "service_us": service,
        "response_us": service + np.concatenate([lag, np.zeros(closed, np.int64)]),
        "received_bytes": np.full(count, 180),
        "status": np.where(outcome == "ok", 200, 503),
        "outcome": outcome,
    }


def resources(window_s: float, app_us: float) -> list[dict[str, Any]]:
    """Return samples each 250 ms of an app, a store and a generator."""
    return [
        {
            "t_us": round(at * 1e6), "role": role, "arm": None if role == "generator" else 0, "pid": pid,
            "cpu_ns": round(1e9 + (at + WARMUP_S) * RATE_PER_S * cost_us * 1e3), "pss_bytes": 60 * 2**20,
            "rss_bytes": 70 * 2**20, "threads": 3, "fds": 300, "ctx_switches": round((at + WARMUP_S) * 900),
            "waited_ns": 0, "ticks_ns": 0,
        }
        for at in np.arange(-WARMUP_S, window_s + CLOSED_S + 1, 0.25)
        for pid, (role, cost_us) in enumerate({"app": app_us, "store": app_us / 9, "generator": 40.0}.items(), 100)
    ]  # fmt: skip


def record(folder: Path, *, total: int, variants: int, blocks: int, seed: int) -> int:
    """Write a run of so many requests in all, and return how many there are."""
    dice = np.random.default_rng(seed)
    names = BACKENDS[:variants]
    count = total // (variants * blocks)
    load = Load(kind="open", users=USERS, rate_per_s=RATE_PER_S)
    window_s = round(count * (1 - CLOSED_SHARE) / RATE_PER_S - WARMUP_S, 2)
    run = Run(
        harness_version="0", started_at="2026-05-04T10:00:00Z", finished_at="2026-05-04T11:00:00Z", status="finished",
        plan=Plan(
            name="made-up", profile="thorough", scenario="login_profile", load=load, closed_users=16,
            closed_s=CLOSED_S, blocks=blocks, warmup_s=WARMUP_S, window_s=window_s, drain_s=1, sessions=10_000,
            seed=seed, order=[list(names)] * blocks,
        ),
        environment=MACHINE,
        variants=[
            Variant(name=name, slug=name, backend=name, traits={"keeps": "nothing"} if name == "none" else {})
            for name in names
        ],
    )  # fmt: skip
    for block in range(blocks):
        for place, name in enumerate(names):
            number = len(run.trials) + 1
            columns = requests(dice, count, 600 + 250 * place)
            closed_from_s = float(columns["sent_us"][-int(count * CLOSED_SHARE)]) / 1e6 + 0.5
            table = tables.write_requests(folder, number, columns)
            samples = tables.write_resources(folder, number, resources(window_s, 90 + 10 * place))
            figures = stats.figures(table, samples, arm=0, window_s=window_s, load=load)
            closed = stats.closed_figures(table, samples, arm=0, from_s=closed_from_s, window_s=CLOSED_S)
            trial = Trial(
                number=number, block=block, arms=[Arm(variant=name, figures=figures, closed=closed)],
                started_at="2026-05-04T10:00:00Z", warmup_s=WARMUP_S, window_s=window_s, closed_from_s=closed_from_s,
                closed_s=CLOSED_S, instrument=Instrument(loop_lag_p99_us=300), verdict=Verdict(state="VALID"),
            )  # fmt: skip
            write_trial(folder, trial)
            run.trials.append(trial)
    run.summaries = stats.summaries(run.trials, "none")
    write_run(folder, run)
    return count * variants * blocks


def main() -> None:
    """Make the run up, report on it, print what that took; exit with 1 when it was more than is promised."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--variants", type=int, default=8, choices=range(1, len(BACKENDS) + 1))
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "made-up"
        shape = {"variants": chosen.variants, "blocks": chosen.blocks}
        written = record(folder, total=chosen.requests, seed=chosen.seed, **shape)
        # As the installed command does, but surely of this interpreter.
        command = [sys.executable, "-c", "from harness.cli import main; main()", "report", str(folder)]
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        took_s = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        page_bytes = (folder / "report" / "index.html").stat().st_size
    unit = 1 if sys.platform == "darwin" else 1024
    found = {"s": took_s, "GB": used.ru_maxrss * unit / 1e9, "MB of page": page_bytes / 1e6}
    print(f"{written:,} requests in {chosen.variants * chosen.blocks} trials of {chosen.variants} variants")
    print(f"{used.ru_utime + used.ru_stime:>8.2f} s of CPU")
    for what, value in found.items():
        print(f"{value:>8.2f} {what:<12} of {LIMITS[what]:g}")
    sys.exit(any(value > LIMITS[what] for what, value in found.items()))


if __name__ == "__main__":
    main()
