"""From the trials of a regression check to what is judged: values of base and head, by pair, metric and block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.judging.metrics import DECIDING, Pair
from reports.judging.sentinel import lag_apart
from reports.stats import errors, metrics
from reports.verdict import ERROR_SHARE_LIMIT
from reports.words import wording
from reports.words.units import percent, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reports.format import Arm, Figures, Trial
    from reports.record.judgement import Tolerance

DUET: Final = ("app_cpu_us_per_request", "p50_us", "store_cpu_us_per_request")
SLICES: Final = ("p95_us", "p99_us")
"""Tails are those of slices: in a duet the arms queue behind each other, and share them."""
LOST_SHARE: Final = 0.1
"""Of the blocks that ran, a metric that decides may be unknown in so many."""


def pairs_of(
    trials: Sequence[Trial],
    *,
    tolerances: Mapping[str, Mapping[str, Tolerance]] | None = None,
    deciding: Mapping[str, Collection[str]] | None = None,
    names: Mapping[tuple[str, str], str] | None = None,
) -> list[Pair]:
    """Return the pairs of all trials that were made for pairs, in the order in which they first ran.

    `tolerances` (by metric) and `deciding` are by the names of pairs; what they lack is as by default. `names` are by
    the variants' names of base and head, else as `name_of` has them.

    Of a block the last trial counts that is not INVALID and has figures of both arms. A metric that one arm's block
    lacks, or knows only a lower bound of, is left out of that block for both; where that happens too often to a metric
    that decides, the pair is invalid, since what is missing is most often what was too bad to be known. So it is when
    the base failed as well as when the generator was later for one arm; when only the head failed, it is the head's.
    """
    ran: dict[tuple[str, str], dict[int, tuple[Arm, Arm]]] = {}
    for trial in trials:
        if trial.purpose != "pair" or len(trial.arms) != 2:  # noqa: PLR2004 - base and head
            continue
        base, head = trial.arms
        blocks = ran.setdefault((base.variant, head.variant), {})
        if trial.verdict.state != "INVALID" and base.figures is not None and head.figures is not None:
            blocks[trial.block] = base, head
    pairs = []
    for variants, blocks in ran.items():
        name = (names or {}).get(variants) or name_of(*variants)
        bands, metrics_that_decide = (tolerances or {}).get(name, {}), (deciding or {}).get(name, DECIDING)
        pair = Pair(name, *variants, values={}, tolerances=bands, deciding=metrics_that_decide)
        _fill(pair, [blocks[number] for number in sorted(blocks)])
        pairs.append(pair)
    return pairs


def name_of(base: str, head: str) -> str:
    """Return what a pair is called: "redis" for redis@base and redis@head, else both names."""
    stem = base.removesuffix("@base")
    return stem if stem != base and head == f"{stem}@head" else f"{base} → {head}"


def _fill(pair: Pair, blocks: Sequence[tuple[Arm, Arm]]) -> None:
    """Take in a pair's blocks: values, and reasons why they do not count."""
    known = [(_known(of_base), _known(of_head)) for of_base, of_head in blocks]
    for metric in (*DUET, *SLICES):
        both = [(base[metric], head[metric]) for base, head in known if metric in base and metric in head]
        # What both arms' only store used was divided among all requests, and says nothing of either.
        shared = metric == "store_cpu_us_per_request" and all(base == head for base, head in both)
        if both and not shared:
            pair.values[metric] = [base for base, _ in both], [head for _, head in both]
        lost = len(blocks) - len(both)
        if metric in pair.deciding and lost > LOST_SHARE * len(blocks):
            pair.invalid.append(f"{wording.name(metric)} is not known in {lost} of {plural(len(blocks), 'block')}")
    _fail(pair, blocks)
    if late := _late(pair, blocks):
        pair.invalid.append(late)


def _known(arm: Arm) -> dict[str, float]:
    """Return the metrics of an arm but for lower bounds."""
    found: dict[str, float] = {}
    for figures, names in ((arm.figures, DUET), (arm.slices, SLICES)):
        if figures is not None:
            exact = metrics(figures)
            found |= {name: exact[name] for name in names if name in exact and name not in figures.at_least}
    return found


def _fail(pair: Pair, blocks: Sequence[tuple[Arm, Arm]]) -> None:
    """Say whose fault errors and wrong answers are: the head's alone, or nobody's that could be named."""
    of_base, of_head = (_troubles([figures for each in arms for figures in _all(each)]) for arms in _by_arm(blocks))
    if of_base:
        pair.invalid.append(f"the base failed: {', '.join(of_base)}")
        if of_head:
            pair.invalid.append(f"so did the head: {', '.join(of_head)}")
    elif of_head:
        pair.head_only_errors.append(f"only the head failed: {', '.join(of_head)}")


def _by_arm(blocks: Sequence[tuple[Arm, Arm]]) -> tuple[list[Arm], list[Arm]]:
    return [base for base, _ in blocks], [head for _, head in blocks]


def _all(arm: Arm) -> list[Figures]:
    return [figures for figures in (arm.figures, arm.slices) if figures is not None]


def _troubles(measured: Sequence[Figures]) -> list[str]:
    requests = sum(each.requests for each in measured)
    wrong = sum(each.outcomes.get("wrong_answer", 0) for each in measured)
    failed = sum(map(errors, measured)) - wrong
    found = [f"{wrong:,} of {plural(requests, 'answer')} were wrong"] if wrong else []
    if failed > ERROR_SHARE_LIMIT * requests:
        found.append(
            f"{percent(failed / requests)} of {plural(requests, 'request')} failed (limit {percent(ERROR_SHARE_LIMIT)})"
        )
    return found


def _late(pair: Pair, blocks: Sequence[tuple[Arm, Arm]]) -> str | None:
    base_us, head_us = (
        [lag for each in arms if each.figures and (lag := each.figures.dispatch_lag_p50_us) is not None]
        for arms in _by_arm(blocks)
    )
    return lag_apart(base_us, head_us, pair.tolerance("p50_us"), pair.values.get("p50_us", ([], []))[0])
