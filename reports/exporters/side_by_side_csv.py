"""Two runs side by side as a CSV file: a row per variant and metric of either run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.exporters import csv
from reports.judging.compared import METRICS, measured
from reports.judging.history import METRICS as SHOWN
from reports.judging.history import multiples

if TYPE_CHECKING:
    from reports.judging.compared import Measured
    from reports.listings.side_by_side import Side, SideBySide

_COLUMNS: Final = (
    "kind", "variant", "metric",
    *(
        f"{side}_{name}"
        for side in "ab"
        for name in ("median", "min", "max", "blocks", "over_baseline", "over_baseline_low", "over_baseline_high")
    ),
    "change",
)  # fmt: skip


def table(shown: SideBySide) -> str:
    """Return a CSV file with a row per variant and metric of either run.

    Multiples are the middle of the blocks with its interval, or under six blocks the extremes; `change` is that of the
    medians of the multiples, as the answer has it: empty where none may be computed.
    """
    known = {(row.variant, row.metric): row.change for row in shown.answer.rows}
    names = dict.fromkeys(variant.name for side in shown.sides for variant in side.run.variants)
    seen = [{each.name: measured(side.run, each.name) for each in side.run.variants} for side in shown.sides]
    rows = []
    for name in names:
        for metric in dict.fromkeys([*METRICS, *SHOWN]):
            row: dict[str, object] = {"kind": shown.answer.kind, "variant": name, "metric": metric}
            for side, measures in zip(shown.sides, seen, strict=True):
                row |= _of_side(side, measures.get(name), measures.get(side.run.baseline or ""), metric)
            if len(row) > len(("kind", "variant", "metric")):
                rows.append(row | {"change": known.get((name, metric))})
    return csv.write(_COLUMNS, rows)


def _of_side(side: Side, own: Measured | None, base: Measured | None, metric: str) -> dict[str, object]:
    if own is None or (value := own.spread(metric)) is None:
        return {}
    prefix = side.letter.lower()
    row: dict[str, object] = {
        f"{prefix}_median": value.median, f"{prefix}_min": value.min, f"{prefix}_max": value.max,
        f"{prefix}_blocks": value.trials,
    }  # fmt: skip
    if base is not None and base is not own and (over := multiples(own, base, metric)) is not None:
        row |= {f"{prefix}_over_baseline": over.estimate}
        row |= {f"{prefix}_over_baseline_low": over.low, f"{prefix}_over_baseline_high": over.high}
    return row
