"""The report as two CSV files: one row per variant, and one row per trial. Times are µs, sizes bytes."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from reports import stats, view

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.format import Run

_SPREAD: Final = ("median", "min", "max")
_VARIANT: Final = (
    "variant", "backend", "driver", "server", "durability", "state", "error", "trials", "requests", "errors",
    "wrong_answers",
)  # fmt: skip
_TRIAL: Final = (
    "trial", "block", "attempt", "started_at", "variant", "state", "reasons", "requests", "errors",
    "wrong_answers", "at_least",
)  # fmt: skip


def variants(run: Run) -> str:
    """Return one row per variant: median, smallest and largest of every metric over its trials."""
    summaries = {summary.variant: summary for summary in run.summaries}
    rows = []
    for row in view.sheet(run).rows:
        variant = row.variant
        summary = summaries.get(variant.name)
        known: dict[str, Any] = {
            "variant": variant.name,
            "backend": variant.backend,
            "driver": variant.driver,
            "server": variant.server.label if variant.server else None,
            "durability": variant.durability,
            "state": row.state,
            "error": variant.error,
        }
        if summary is not None:
            known |= {name: getattr(summary, name) for name in ("trials", "requests", "errors", "wrong_answers")}
            for metric, spread in summary.metrics.items():
                known |= {f"{metric}_{pick}": getattr(spread, pick) for pick in _SPREAD}
        rows.append(known)
    return _write([*_VARIANT, *(f"{metric}_{pick}" for metric in stats.METRICS for pick in _SPREAD)], rows)


def trials(run: Run) -> str:
    """Return one row per trial and arm, INVALID ones included: their `state` says so."""
    rows = []
    for trial in run.trials:
        for arm in trial.arms:
            known: dict[str, Any] = {
                "trial": trial.number,
                "block": trial.block,
                "attempt": trial.attempt,
                "started_at": trial.started_at,
                "variant": arm.variant,
                "state": trial.verdict.state,
                "reasons": "; ".join(trial.verdict.reasons) or trial.error,
            }
            if arm.figures is not None:
                known |= {
                    "requests": arm.figures.requests,
                    "errors": stats.errors(arm.figures),
                    "wrong_answers": arm.figures.outcomes.get("wrong_answer", 0),
                    "at_least": " ".join(arm.figures.at_least),
                    **stats.metrics(arm.figures),
                }
            rows.append(known)
    return _write([*_TRIAL, *stats.METRICS], rows)


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
