"""The rows of every tidy table of a run, by the names of `reports.tidy.frame_columns`; what is unknown is absent."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Final

from reports import stats
from reports.listings import correctness, counts_listing, crossover, sizes, view
from reports.record.counts import COUNTS, in_order
from reports.tidy import frame_columns as columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from reports.format import Arm, Run, Trial
    from reports.record.judgement import Comparison
    from reports.record.outage import Outage

Row = dict[str, Any]

_SPREAD: Final = ("median", "min", "max")
_INTERVAL: Final = ("estimate", "low", "high", "level", "blocks")
_CAPACITY: Final = ("lower_per_s", "upper_per_s", "limit", "why")
_OPEN: Final = (
    "queued_share", "achieved_share", "queue_growth", "arrivals_p", "app_loop_lag_p50_us", "app_loop_lag_p99_us",
)  # fmt: skip
"""Figures of single trials that no summary has."""
_INSTRUMENT: Final = ("loop_lag_p50_us", "loop_lag_p99_us", "waiting_share", "steal_share", "clock_ppm")
_SLICES: Final = ("requests", *stats.PERCENTILES)
_CHECK: Final = ("number", "name", "state", "strikes", "found", "seconds")
_TALLY: Final = ("checked", "wrong", "wrong_per_million", "upper_per_million")
_TESTED: Final = ("p_slower", "p_slower_adjusted", "p_within", "p_faster", "p_faster_adjusted", "smallest_seen")


def variants(run: Run) -> Iterator[Row]:
    """Yield a row per variant."""
    summaries = {summary.variant: summary for summary in run.summaries}
    capacities = {capacity.variant: capacity for capacity in run.capacities}
    for row in view.sheet(run).rows:
        variant = row.variant
        known: Row = {
            "variant": variant.name,
            "backend": variant.backend,
            "driver": variant.driver,
            "server": variant.server.label if variant.server else None,
            "durability": variant.durability,
            "state": row.state,
            "error": variant.error,
        }
        if (summary := summaries.get(variant.name)) is not None:
            known |= _taken(summary, ("trials", "requests", "errors", "wrong_answers"))
            for metric, spread in summary.metrics.items():
                known |= _taken(spread, _SPREAD, f"{metric}_")
            for metric, interval in summary.over_baseline.items():
                known |= _taken(interval, _INTERVAL, f"{metric}_over_baseline_")
        if (capacity := capacities.get(variant.name)) is not None:
            known |= _taken(capacity, _CAPACITY, "capacity_")
        if run.audits:
            known |= {"struck": bool(row.audit), "audit": _audit(run, variant.name)}
        yield known


def summaries(run: Run) -> Iterator[Row]:
    """Yield a row per variant and metric."""
    for summary in run.summaries:
        for metric, spread in summary.metrics.items():
            yield {"variant": summary.variant, "metric": metric, **spread.model_dump()}


def trials(run: Run) -> Iterator[Row]:
    """Yield a row per trial and arm."""
    for trial in run.trials:
        load = trial.load or run.plan.load
        for arm in trial.arms:
            known = {
                **_of(trial, arm),
                "load": load.kind,
                "users": load.users,
                "rate_per_s": load.rate_per_s,
                "reasons": "; ".join(trial.verdict.reasons) or trial.error,
                **_taken(trial, ("attempt", "started_at", "warmup_s", "steady", "window_s")),
            }
            if arm.figures is not None:
                known |= _counted(arm.figures) | stats.metrics(arm.figures, arm.closed)
                known |= _taken(arm.figures, _OPEN)
                known |= {f"layer_{layer}_us": value for layer, value in arm.figures.layers_us.items()}
            if arm.slices is not None:
                known |= _taken(arm.slices, _SLICES, "slices_")
            if trial.instrument is not None:
                known |= _taken(trial.instrument, _INSTRUMENT, "generator_")
            yield known


def steps(run: Run) -> Iterator[Row]:
    """Yield a row per trial, arm and request name."""
    names = [column.name for column in columns.STEPS.columns]
    for trial in run.trials:
        for arm in trial.arms:
            for step, figures in (arm.figures.steps if arm.figures else {}).items():
                measured = [name for name in names if hasattr(figures, name)]
                known = {**_of(trial, arm), "step": step, **_taken(figures, measured), **_counted(figures)}
                yield known | {"refused": figures.outcomes.get("refused", 0)}


def payloads(run: Run) -> Iterator[Row]:
    """Yield a row per variant, kind of request and payload size."""
    kinds = sizes.kinds(run)
    for variant, line in sizes.points(run, kinds).items():
        for step in kinds:
            for point in line:
                if (counts := point.counts.get(step)) is None:
                    continue
                known = {"variant": variant, "step": step, **_taken(point, ("payload_bytes", "state", "kept"))}
                if (times := point.times.get(step)) is not None:
                    known |= _taken(times, ("median", "low", "high"), "p50_us_")
                yield known | counts._asdict() | {"at_least": "p50_us" if step in point.bounds else ""}


def capacities(run: Run) -> Iterator[Row]:
    """Yield a row per capacity."""
    for each in run.capacities:
        yield {"variant": each.variant, **_taken(each, _CAPACITY), "trials": len(each.trials)}


def told(run: Run) -> Iterator[Row]:
    """Yield a row per two variants and metric."""
    for each in run.told:
        yield {**_taken(each, ("a", "b", "metric", "state")), **_taken(each.change, _INTERVAL)}


def comparisons(run: Run) -> Iterator[Row]:
    """Yield a row per pair of a regression check and metric, its sentinel last."""
    sentinel = run.judgement.sentinel if run.judgement else None
    for pair in [*run.comparisons, *([sentinel] if sentinel else [])]:
        yield from _compared(pair)


def audits(run: Run) -> Iterator[Row]:
    """Yield a row per variant and check."""
    for audit in run.audits:
        known = {"variant": audit.variant, "quick": audit.quick}
        if audit.error is not None:
            yield known | {"state": "ERROR", "found": audit.error}
        for check in audit.checks:
            figures = " ".join(f"{name}={exact(value)}" for name, value in check.figures.items())
            yield known | _taken(check, _CHECK) | {"figures": figures}


def answers(run: Run) -> Iterator[Row]:
    """Yield a row per variant and property that was checked under load."""
    for each in correctness.tallies(run):
        yield {"variant": each.variant, "property": each.name, **_taken(each, _TALLY)}


def counts(run: Run) -> Iterator[Row]:
    """Yield a row per variant and step that was counted, and one of a variant of which nothing could be."""
    for each in counts_listing.found(run):
        known = {**_taken(each, ("variant", "driver", "server")), "notes": " ".join(each.notes)}
        for step in in_order(each.steps):
            yield {**known, "step": step, **_taken(each.steps[step], COUNTS)}
        if not each.steps:
            yield known


def outages(run: Run) -> Iterator[Row]:
    """Yield a row per trial with a fault."""
    for trial in run.trials:
        if (fault := trial.fault) is None:
            continue
        seen = [column.name for column in columns.OUTAGES.columns if hasattr(trial.outage, column.name)]
        for arm in trial.arms:
            known = {**_of(trial, arm), "fault": fault.text, **_taken(fault, ("kind", "at_s", "for_s"))}
            known |= {"reasons": "; ".join(trial.verdict.reasons) or trial.error, **_stages(trial.outage)}
            yield {name: value for name, value in known.items() if name != "purpose"} | _taken(trial.outage, seen)


def _stages(found: Outage | None) -> Row:
    """Return what each stage of a fault came to."""
    known: Row = {}
    for prefix, stages in (("", found.stages), ("sessionless_", found.sessionless)) if found else ():
        for each in stages:
            known |= _taken(
                each, ("arrivals", "goodput_per_s", "p50_us", "p99_us", "longest_us"), f"{prefix}{each.name}_"
            )
            known[f"{prefix}{each.name}_at_least"] = " ".join(each.at_least)
            known[f"{prefix}{each.name}_errors"] = " ".join(f"{kind}={count}" for kind, count in each.errors.items())
    return known


def distances(run: Run) -> Iterator[Row]:
    """Yield a row per variant of every series over distance."""
    for series in crossover.series(run):
        for point in series.points:
            known = {"series": series.name, **_taken(point, ("variant", "rtt_ms", "state"))}
            for metric, each in point.figures.items():
                name = "throughput_per_s" if metric == "requests_per_s" else metric
                known |= _taken(each, ("low", "high", "trials", "exact"), f"{name}_")
                known[f"{name}_median"] = each.middle
            if point.capacity is not None:
                known |= _taken(point.capacity, ("lower_per_s", "upper_per_s"), "capacity_")
            yield known | {"at_least": " ".join(sorted(point.bounds))}


OF: Final[dict[str, Callable[[Run], Iterable[Row]]]] = {
    "variants": variants, "summaries": summaries, "trials": trials, "steps": steps, "sizes": payloads,
    "capacities": capacities, "told": told, "comparisons": comparisons, "audits": audits, "correctness": answers,
    "counts": counts, "outages": outages, "distances": distances,
}  # fmt: skip
"""The rows of each table that a run holds by itself; requests and resources lie in files of their own."""


def exact(value: Any) -> Any:
    """Return whole numbers without a fraction, as they were measured."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _taken(data: object, names: Iterable[str], prefix: str = "") -> Row:
    return {f"{prefix}{name}": getattr(data, name) for name in names}


def _of(trial: Trial, arm: Arm) -> Row:
    return {
        "trial": trial.number, "block": trial.block, "purpose": trial.purpose, "variant": arm.variant,
        "state": trial.verdict.state,
    }  # fmt: skip


def _counted(figures: Any) -> Row:
    return {
        "requests": figures.requests,
        "errors": stats.errors(figures),
        "wrong_answers": figures.outcomes.get("wrong_answer", 0),
        "at_least": " ".join(figures.at_least),
    }


def _compared(pair: Comparison) -> Iterator[Row]:
    for judged in pair.metrics:
        known = {
            **_taken(pair, ("base", "head", "blocks")), "pair": pair.name, "verdict": pair.state,
            **_taken(judged, ("metric", "decides", "state", *_TESTED)),
            **_taken(judged.tolerance, ("share", "floor"), "tolerance_"),
        }  # fmt: skip
        if judged.base and judged.head:
            known |= {"base_median": statistics.median(judged.base), "head_median": statistics.median(judged.head)}
        if judged.change is not None:
            known |= _taken(judged.change, _INTERVAL, "change_")
        yield known


def _audit(run: Run, name: str) -> str | None:
    """Return what a variant's audits came to; nothing where there were none."""
    made = [audit for audit in run.audits if audit.variant == name]
    failed = [f"{check.number} {check.name}" for audit in made for check in audit.failed]
    if failed:
        return f"fails {', '.join(failed)}"
    if any(audit.error is not None for audit in made):
        return "could not be audited"
    return "fails nothing" if made else None
