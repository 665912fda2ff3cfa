"""What variants cost over the one that keeps nothing, paired block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.judging import paired
from reports.record.model import Interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Blocks = Mapping[int, Mapping[str, float]]

LEVEL: Final = 0.95
FEWEST_BLOCKS: Final = 6
"""Under six, nothing but the extremes is shown, whatever the level would allow."""


def over(values: Mapping[str, Blocks], baseline: str, names: Sequence[str]) -> dict[str, dict[str, Interval]]:
    """Return by variant and metric what it costs over the baseline, in the metric's own unit.

    `values` are by variant, block and metric. A metric that is missing from one of a variant's blocks, or of the
    baseline's, while others have it, has no cost: what is missing is most often what was too bad to be known. The
    intervals of a metric cover all its true costs at once with a probability of `LEVEL` (Bonferroni, over as many as
    are shown).
    """
    found: dict[str, dict[str, Interval]] = {}
    for name in names:
        differences = {
            variant: seen
            for variant, blocks in values.items()
            if variant != baseline and (seen := _differences(blocks, values.get(baseline, {}), name))
        }
        for variant, seen in differences.items():
            found.setdefault(variant, {})[name] = _interval(seen, alpha=(1 - LEVEL) / 2 / len(differences))
    return found


def _differences(blocks: Blocks, base: Blocks, name: str) -> list[float]:
    both = [(blocks[block], base[block]) for block in sorted(blocks.keys() & base.keys())]
    if not all(name in one for pair in both for one in pair):
        return []
    return [own[name] - without[name] for own, without in both]


def _interval(differences: list[float], alpha: float) -> Interval:
    estimate, blocks = paired.estimate(differences), len(differences)
    found = paired.interval(differences, alpha) if blocks >= FEWEST_BLOCKS else None
    low, high = found or (min(differences), max(differences))
    return Interval(estimate=estimate, low=low, high=high, level=LEVEL if found else None, blocks=blocks)
