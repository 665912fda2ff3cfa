"""What a report says beyond its table: steps, layers, store operations, single trials, machine and software."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

from reports import stats
from reports.listings import findings, sizes, struck, view
from reports.listings.listing import Head, Listing
from reports.words import units
from reports.words.units import MISSING, plural

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.format import Arm, Figures, Plan, Run, Trial

_PERCENTILES: Final = tuple(stats.PERCENTILES)


def tables(run: Run) -> list[Listing]:
    """Return every table of the details, those that the run has anything for."""
    found = (steps(run), *findings.inside(run), trials(run), searches(run))
    return [each.striking(struck.checks(run)) for each in found if each.rows]


def steps(run: Run) -> Listing:
    """Return every step of every variant: its requests in all trials, those refused, the medians of its percentiles.

    A step that nobody got an answer to has its row too, without times.
    """
    rows = []
    for variant in view.ordered(run):
        seen = [figures for _, figures in view.measured(run, variant.name)]
        for name in sorted({name for figures in seen for name in figures.steps}, key=sizes.place):
            parts = [figures.steps[name] for figures in seen if name in figures.steps]
            times = [_median(parts, metric) for metric in _PERCENTILES]
            refused = sum(each.outcomes.get("refused", 0) for each in parts)
            counts = [units.count(sum(each.requests for each in parts)), units.count(refused) if refused else MISSING]
            rows.append([variant.name, name, *counts, *times])
    heads = [
        Head("variant", words=True), Head("step", words=True), Head("requests"), Head("refused"), Head("p50", "ms"),
        Head("p95", "ms"), Head("p99", "ms"),
    ]  # fmt: skip
    remark = "" if all(row[3] == MISSING for row in rows) else "What is refused as planned is answered, and timed too."
    return Listing("steps", "Requests by step", heads, rows, remark).without_empty_columns()


_FIGURES: Final = (
    Head("requests"), Head("p50", "ms"), Head("p95", "ms"), Head("p99", "ms"), Head("max", "ms"),
    Head("answered", "/s"), Head("achieved"), Head("queued"), Head("dispatch lag p99", "ms"),
    Head("closed phase", "req/s"), Head("generator CPU"), Head("generator lag p99", "ms"), Head("steal"),
)  # fmt: skip


def trials(run: Run) -> Listing:
    """Return every latency trial, or every trial of a pair, INVALID ones and their repeats included."""
    heads = [Head("trial"), Head("block"), Head("variant", words=True), Head("verdict", words=True)]
    rows = [
        [
            units.number(trial.number),
            units.number(trial.block),
            arm.variant,
            trial.verdict.state,
            *_figures(trial, arm),
            _said(run, trial),
        ]
        for trial in (view.latency_trials(run) if run.judgement is None else _of_pairs(run))
        for arm in trial.arms
    ]
    said = [] if run.judgement is None else ["Figures of the duet, in which both arms are up at once."]
    if run.judgement is None and view.is_open(run):
        said.append("Achieved: answered of what arrived; queued: waited for a user.")
    if rows:
        number = int(rows[0][0])
        said.append(
            f"Trial {number} is the folder trials/{number:04d}: requests.parquet holds its requests, "
            "resources.parquet CPU and memory."
        )
    remark = " ".join(said)
    listing = Listing("trials", "Every trial", [*heads, *_FIGURES, Head("reasons", words=True)], rows, remark)
    return listing.without_empty_columns()


def _of_pairs(run: Run) -> list[Trial]:
    return [trial for trial in run.trials if trial.purpose == "pair"]


def searches(run: Run) -> Listing:
    """Return the trials that answer for themselves: the ladder's, the searches for capacity, the probes."""
    heads = [Head("trial"), Head("purpose", words=True), Head("load", words=True)]
    heads += [Head("variant", words=True), Head("verdict", words=True)]
    rows = []
    for trial in run.trials:
        if trial.purpose in {"latency", "pair"}:
            continue
        told = trial.load or run.plan.load
        load = view.arrivals(told) if told.kind == "open" else plural(told.users, "user")
        rows += [
            [
                units.number(trial.number), trial.purpose, load, arm.variant, trial.verdict.state,
                *_figures(trial, arm), _said(run, trial),
            ]
            for arm in trial.arms
        ]  # fmt: skip
    faults = ", of faults" if any(trial.purpose == "fault" for trial in run.trials) else ""
    listing = Listing(
        "searches",
        f"Trials of the ladder, of capacity{faults} and of probes",
        [*heads, *_FIGURES, Head("reasons", words=True)],
        rows,
        "None of them is in the table of figures.",
    )
    return listing.without_empty_columns()


def _figures(trial: Trial, arm: Arm) -> list[str]:
    """Return what is written under `_FIGURES`."""
    figures, instrument = arm.figures, trial.instrument
    known = stats.metrics(figures) if figures else {}

    def written(metric: str, write: Callable[[float], str]) -> str:
        if figures is None or metric not in known:
            return MISSING
        return units.at_least(write(known[metric]), bounded=metric in figures.at_least)

    return [
        units.count(figures.requests) if figures else MISSING,
        *(written(metric, units.ms) for metric in (*_PERCENTILES, "max_us")),
        written("requests_per_s", units.per_second),
        _or_dash(figures.achieved_share if figures else None, units.percent),
        _or_dash(figures.queued_share if figures else None, units.percent),
        _or_dash(figures.dispatch_lag_p99_us if figures else None, units.ms),
        _or_dash(arm.closed.requests_per_s if arm.closed else None, units.per_second),
        written("generator_cpu_share", units.percent),
        _or_dash(instrument.loop_lag_p99_us if instrument else None, units.ms),
        _or_dash(instrument.steal_share if instrument else None, units.percent),
    ]


def _said(run: Run, trial: Trial) -> str:
    """Return why its verdict is what it is, and which trial it repeats or is repeated by."""
    place = [each for each in run.trials if _place(each) == _place(trial)]
    said = []
    if trial.attempt > 1:
        first = [each.number for each in place if each.attempt == 1 and each.number < trial.number]
        said.append(f"attempt {trial.attempt}" + (f" of trial {max(first)}'s place" if first else ""))
    said += trial.verdict.reasons or ([trial.error] if trial.error else [])
    later = [each.number for each in place if each.attempt == trial.attempt + 1 and each.number > trial.number]
    if trial.verdict.state == "INVALID" and later:
        said.append(f"repeated as trial {min(later)}")
    return "; ".join(said)


def _place(trial: Trial) -> tuple[object, ...]:
    """Return what the attempts at one trial have in common."""
    rate = trial.load.rate_per_s if trial.load else None
    return trial.purpose, trial.block, rate, tuple(arm.variant for arm in trial.arms)


def _or_dash(value: float | None, write: Callable[[float], str]) -> str:
    return MISSING if value is None else write(value)


def facts(run: Run) -> list[tuple[str, str]]:
    """Return the machine, the software and the plan as terms and texts."""
    environment, plan = run.environment, run.plan
    planned = (
        {}
        if view.only_audited(run)
        else {
            "plan": f"{plan.name}, profile {plan.profile}, seed {plan.seed}",
            "servers and client": f"{plan.servers}, {plan.client}",
            "scenario": " ".join([plan.scenario, *(f"{name}={value}" for name, value in plan.parameters.items())]),
            "load": _load(plan),
            "times": f"warm-up {_warmup(plan)}, window {units.seconds(plan.window_s)}, "
            f"drain {'at most ' if plan.load.kind == 'open' else ''}{units.seconds(plan.drain_s)}",
            "live sessions": f"{plan.sessions:,} in each store before the first trial",
        }
    )
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
        **planned,
        "bytes per session": ", ".join(
            f"{variant.name} {variant.bytes_per_session:,.0f}"
            for variant in view.ordered(run)
            if variant.bytes_per_session is not None
        ),
        "recorded": f"{run.started_at} to {run.finished_at or '?'} by session-bench {run.harness_version}",
    }
    return [(term, text) for term, text in found.items() if text]


def _load(plan: Plan) -> str:
    """Return all loads of the plan; nothing where the title says it all."""
    if plan.load.kind == "closed":
        return ""
    chosen = " (chosen by a probe)" if plan.rate_source == "probe" else ""
    said = [f"latency: {view.load(plan.load)}{chosen}"]
    if plan.closed_s:
        users = plural(plan.closed_users, "user")
        said.append(f"throughput: closed load, {users} for {units.seconds(plan.closed_s)} behind each window")
    if plan.ladder_per_s:
        rates = ", ".join(map(units.per_second, plan.ladder_per_s))
        said.append(f"ladder: {rates} arrivals/s in {plural(plan.ladder_blocks, 'block')}")
    if plan.objective:
        said.append(f"capacity: {plan.objective.text}")
    return "; ".join(said)


def _warmup(plan: Plan) -> str:
    if plan.warmup_most_s <= plan.warmup_s:
        return units.seconds(plan.warmup_s)
    return f"{units.seconds(plan.warmup_s)} to {units.seconds(plan.warmup_most_s)}"


def _median(steps_of_trials: list[Figures], metric: str) -> str:
    values = [value for each in steps_of_trials if (value := getattr(each, metric)) is not None]
    return units.ms(statistics.median(values)) if values else MISSING
