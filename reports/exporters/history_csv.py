"""A history as a CSV file: a row per run, variant and metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.exporters import csv

if TYPE_CHECKING:
    from reports.judging.history import History

_COLUMNS: Final = (
    "folder", "started_at", "variant", "metric", "setting", "edition", "median", "min", "max", "blocks",
    "over_baseline", "over_baseline_low", "over_baseline_high", "over_baseline_level", "suspect_trials", "changed",
    "missing_why",
)  # fmt: skip


def table(history: History) -> str:
    """Return a CSV file with a row per run, variant and metric; `changed` is the share by which a new level differs."""
    rows = []
    for series in history.series:
        changed = {change.run: change.change for change in series.changes}
        for point in series.points:
            run, value, over = history.runs[point.run], point.value, point.over
            row: dict[str, object] = {
                "folder": run.folder, "started_at": run.started_at, "variant": series.variant, "metric": series.metric,
                "setting": series.setting, "edition": series.edition, "suspect_trials": point.suspect,
                "changed": changed.get(point.run), "missing_why": point.why,
            }  # fmt: skip
            if value is not None:
                row |= {"median": value.median, "min": value.min, "max": value.max, "blocks": value.trials}
            if over is not None:
                row |= {"over_baseline": over.estimate, "over_baseline_low": over.low}
                row |= {"over_baseline_high": over.high, "over_baseline_level": over.level}
            rows.append(row)
    return csv.write(_COLUMNS, rows)
