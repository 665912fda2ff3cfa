"""The report as CSV files: a row per variant, trial, two variants, check, property. Times are µs, sizes bytes."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from reports import correctness, stats, view
from reports.format import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.format import Run

_SPREAD: Final = ("median", "min", "max")
_INTERVAL: Final = ("estimate", "low", "high", "level", "blocks")
_CAPACITY: Final = ("lower_per_s", "upper_per_s", "limit", "why")
_VARIANT: Final = (
    "variant", "backend", "driver", "server", "durability", "state", "error", "trials", "requests", "errors",
    "wrong_answers",
)  # fmt: skip
_TRIAL: Final = (
    "trial", "block", "attempt", "purpose", "load", "users", "rate_per_s", "started_at", "variant", "state", "reasons",
    "warmup_s", "steady", "window_s", "requests", "errors", "wrong_answers", "at_least",
)  # fmt: skip
_OPEN: Final = (
    "queued_share", "achieved_share", "queue_growth", "arrivals_p", "app_loop_lag_p50_us", "app_loop_lag_p99_us",
)  # fmt: skip
"""Figures of single trials that no summary has."""
_INSTRUMENT: Final = ("loop_lag_p50_us", "loop_lag_p99_us", "waiting_share", "steal_share", "clock_ppm")
_CHECK: Final = ("number", "name", "state", "strikes", "found", "seconds")
_TALLY: Final = ("checked", "wrong", "wrong_per_million", "upper_per_million")
_SLICES: Final = ("requests", *stats.PERCENTILES)
"""Figures of an arm's solo slices, which only trials of a pair have."""


def variants(run: Run) -> str:
    """Return one row per variant: its metrics over its trials, its costs over the baseline, its capacity, its audit."""
    summaries = {summary.variant: summary for summary in run.summaries}
    capacities = {capacity.variant: capacity for capacity in run.capacities}
    rows = []
    for row in view.sheet(run).rows:
        variant = row.variant
        known: dict[str, Any] = {
            "variant": variant.name,
            "backend": variant.backend,
            "driver": variant.driver,
            "server": variant.server.label if variant.server else None,
            "durability": variant.durability,
            "state": row.state,
            "error": variant.error,
        }
        if (summary := summaries.get(variant.name)) is not None:
            known |= {name: getattr(summary, name) for name in ("trials", "requests", "errors", "wrong_answers")}
            for metric, spread in summary.metrics.items():
                known |= {f"{metric}_{pick}": getattr(spread, pick) for pick in _SPREAD}
            for metric, interval in summary.over_baseline.items():
                known |= {f"{metric}_over_baseline_{pick}": getattr(interval, pick) for pick in _INTERVAL}
        if (capacity := capacities.get(variant.name)) is not None:
            known |= {f"capacity_{name}": getattr(capacity, name) for name in _CAPACITY}
        if run.audits:
            known |= {"struck": bool(row.audit), "audit": _audit(run, variant.name)}
        rows.append(known)
    columns = [*_VARIANT, *(("struck", "audit") if run.audits else ())]
    columns += [*(f"{metric}_{pick}" for metric in stats.METRICS for pick in _SPREAD)]
    columns += [f"{metric}_over_baseline_{pick}" for metric in stats.COSTS for pick in _INTERVAL]
    return _write([*columns, *(f"capacity_{name}" for name in _CAPACITY)], rows)


def trials(run: Run) -> str:
    """Return one row per trial and arm, INVALID ones and every purpose included: `state` and `purpose` say so."""
    rows = []
    for trial in run.trials:
        told = trial.load or run.plan.load
        for arm in trial.arms:
            known: dict[str, Any] = {
                "trial": trial.number,
                "block": trial.block,
                "attempt": trial.attempt,
                "purpose": trial.purpose,
                "load": told.kind,
                "users": told.users,
                "rate_per_s": told.rate_per_s,
                "started_at": trial.started_at,
                "variant": arm.variant,
                "state": trial.verdict.state,
                "reasons": "; ".join(trial.verdict.reasons) or trial.error,
                "warmup_s": trial.warmup_s,
                "steady": trial.steady,
                "window_s": trial.window_s,
            }
            if arm.figures is not None:
                known |= {
                    "requests": arm.figures.requests,
                    "errors": stats.errors(arm.figures),
                    "wrong_answers": arm.figures.outcomes.get("wrong_answer", 0),
                    "at_least": " ".join(arm.figures.at_least),
                    **stats.metrics(arm.figures, arm.closed),
                    **{name: getattr(arm.figures, name) for name in _OPEN},
                    **{f"layer_{layer}_us": value for layer, value in arm.figures.layers_us.items()},
                }
            if arm.slices is not None:
                known |= {f"slices_{name}": getattr(arm.slices, name) for name in _SLICES}
            if trial.instrument is not None:
                known |= {f"generator_{name}": getattr(trial.instrument, name) for name in _INSTRUMENT}
            rows.append(known)
    layers = [f"layer_{layer}_us" for layer in LAYERS]
    instrument = [f"generator_{name}" for name in _INSTRUMENT]
    slices = [f"slices_{name}" for name in _SLICES if run.judgement is not None]
    return _write([*_TRIAL, *stats.METRICS, *_OPEN, *layers, *instrument, *slices], rows)


def told(run: Run) -> str:
    """Return one row per two variants and metric: by what share the second takes more than the first."""
    rows = [
        {"a": each.a, "b": each.b, "metric": each.metric, "state": each.state}
        | {name: getattr(each.change, name) for name in _INTERVAL}
        for each in run.told
    ]
    return _write(["a", "b", "metric", "state", *_INTERVAL], rows)


def audits(run: Run) -> str:
    """Return one row per variant and check; the state of what could not be audited at all is ERROR."""
    rows: list[dict[str, Any]] = []
    for audit in run.audits:
        known = {"variant": audit.variant, "quick": audit.quick}
        if audit.error is not None:
            rows.append(known | {"state": "ERROR", "found": audit.error})
        for check in audit.checks:
            figures = " ".join(f"{name}={_exact(value)}" for name, value in check.figures.items())
            rows.append(known | {name: getattr(check, name) for name in _CHECK} | {"figures": figures})
    return _write(["variant", "quick", *_CHECK, "figures"], rows)


def answers(run: Run) -> str:
    """Return one row per variant and property that was checked under load."""
    rows = [
        {"variant": each.variant, "property": each.name} | {name: getattr(each, name) for name in _TALLY}
        for each in correctness.tallies(run)
    ]
    return _write(["variant", "property", *_TALLY], rows)


def _audit(run: Run, name: str) -> str | None:
    """Return what a variant's audits came to; nothing where there were none."""
    made = [audit for audit in run.audits if audit.variant == name]
    failed = [f"{check.number} {check.name}" for audit in made for check in audit.failed]
    if failed:
        return f"fails {', '.join(failed)}"
    if any(audit.error is not None for audit in made):
        return "could not be audited"
    return "fails nothing" if made else None


def _write(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    """Write rows under a fixed header; what a row does not know stays empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _exact(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _exact(value: Any) -> Any:
    """Write whole numbers without a fraction, as they were measured."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
