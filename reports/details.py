"""What a report says beyond its table: steps, single trials, machine and software."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports import stats, units, view
from reports.units import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.format import Figures, Run

_PERCENTILES: Final = tuple(stats.PERCENTILES)
STEP: Final = ("requests", "p50 ms", "p95 ms", "p99 ms")
ATTEMPT: Final = ("requests", "p50 ms", "p95 ms", "p99 ms", "max ms", "req/s", "generator CPU")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a variant: its requests in all trials, and its percentiles' medians as they are written."""

    variant: str
    name: str
    requests: int
    times: list[str]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One variant's part in one trial; `figures` are written under the heads of `ATTEMPT`."""

    number: int
    block: int
    variant: str
    state: str
    figures: list[str]
    reasons: str


def steps(run: Run) -> list[Step]:
    """Return every step of every variant."""
    found = []
    for variant in view.ordered(run):
        trials = [figures for _, figures in view.measured(run, variant.name)]
        names = dict.fromkeys(name for figures in trials for name in sorted(figures.steps))
        for name in names:
            seen = [figures.steps[name] for figures in trials if name in figures.steps]
            times = [_median(seen, metric) for metric in _PERCENTILES]
            if any(time != MISSING for time in times):
                found.append(Step(variant.name, name, sum(each.requests for each in seen), times))
    return found


def attempts(run: Run) -> list[Attempt]:
    """Return every trial, INVALID ones included."""
    return [
        Attempt(
            trial.number,
            trial.block,
            arm.variant,
            trial.verdict.state,
            [
                f"{arm.figures.requests:,}" if arm.figures else MISSING,
                *(_written(arm.figures, metric, units.ms) for metric in (*_PERCENTILES, "max_us")),
                _written(arm.figures, "requests_per_s", units.per_second),
                _written(arm.figures, "generator_cpu_share", units.percent),
            ],
            "; ".join(trial.verdict.reasons) or trial.error or "",
        )
        for trial in run.trials
        for arm in trial.arms
    ]


def facts(run: Run) -> list[tuple[str, str]]:
    """Return the machine, the software and the plan as terms and texts."""
    environment, plan = run.environment, run.plan
    found = {
        "CPU": f"{environment.cpu}, {environment.cores} cores",
        "memory": f"{environment.memory_bytes / 2**30:.1f} GiB",
        "system": f"{environment.system}, kernel {environment.kernel}",
        "virtualization": environment.virtualization,
        "pinning": environment.pinning,
        "clock": environment.clock,
        "data folder": environment.data_folder_filesystem,
        "fsync p50": f"{units.ms(environment.fsync_p50_us)} ms" if environment.fsync_p50_us is not None else "",
        "Python": environment.python,
        "packages": ", ".join(f"{name} {version}" for name, version in environment.packages.items()),
        "drivers": ", ".join(dict.fromkeys(view.drivers(run).values())),
        "plan": f"{plan.name}, profile {plan.profile}, seed {plan.seed}",
        "servers and client": f"{plan.servers}, {plan.client}",
        "scenario": " ".join([plan.scenario, *(f"{name}={value}" for name, value in plan.parameters.items())]),
        "times": f"warm-up {units.seconds(plan.warmup_s)}, window {units.seconds(plan.window_s)}, "
        f"drain {units.seconds(plan.drain_s)}",
        "live sessions": f"{plan.sessions:,} in each store before the first trial",
        "bytes per session": ", ".join(
            f"{variant.name} {variant.bytes_per_session:,.0f}"
            for variant in view.ordered(run)
            if variant.bytes_per_session is not None
        ),
        "recorded": f"{run.started_at} to {run.finished_at or '?'} by session-bench {run.harness_version}",
    }
    return [(term, text) for term, text in found.items() if text]


def _median(steps_of_trials: list[Figures], metric: str) -> str:
    values = [value for each in steps_of_trials if (value := getattr(each, metric)) is not None]
    return units.ms(statistics.median(values)) if values else MISSING


def _written(figures: Figures | None, metric: str, write: Callable[[float], str]) -> str:
    if figures is None or (value := stats.metrics(figures).get(metric)) is None:
        return MISSING
    return (units.AT_LEAST if metric in figures.at_least else "") + write(value)
