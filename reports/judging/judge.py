"""The verdict on pairs of arms: slower, within the tolerance, or not to be told from these blocks.

Pure arithmetic on one value per block, arm and metric. Of d = ln(head/base), positive is worse.

What is promised: over all looks, pairs and deciding metrics together, a head that is not slower is called REGRESSED
with a probability of at most alpha. Look k tests at alpha_k, and these add up to no more than alpha; within a look
Holm's correction runs over the whole family that was asked about, always of the same size.

A pair that was decided is dropped from later blocks, and so has no p-values for later looks. Its old ones stay in the
family, times alpha_k over the alpha of the look they are from: each is then as large a part of what its own look could
spend as a new one is of what this look can. That keeps the promise, whatever made the pair stop. For where Holm rejects
a true hypothesis first, at whichever look, that one had p <= alpha_j/m at its own look j, m being the number of true
ones; over all looks j this adds up to alpha/m, and over those m to alpha. The verdict that a pair was given stands: the
bound covers whatever was rejected at any look.

PASS needs no correction between metrics, since all of them must agree (an intersection-union test): a pair whose head
is slower by the tolerance passes with a probability of at most alpha over all looks.

A look may have other numbers of blocks than planned, where trials were lost or time ran out, as long as nobody chose
them by the values.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from reports.judging import paired
from reports.judging.family import ALPHA, LOOKS, SPENT, STANDARD, Rules, blocks_for, holm
from reports.judging.metrics import DECIDING, TOLERANCES, Pair, effective, log_ratios, measured
from reports.judging.sentinel import lag_apart, sentinel, sentinel_out
from reports.words import wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.record.judgement import Comparison, Judged, State

__all__ = [
    "ALPHA", "DECIDING", "LOOKS", "SPENT", "STANDARD", "TOLERANCES", "Pair", "Rules", "blocks_to_settle", "family_of",
    "judge", "lag_apart", "sentinel", "sentinel_out", "undecided", "whole",
]  # fmt: skip

GRAVITY: Final[tuple[State, ...]] = ("REGRESSED", "INVALID", "INCONCLUSIVE", "PASS")
MOST_BLOCKS: Final = 999
"""Nobody waits for more."""


def judge(
    pairs: Sequence[Pair], rules: Rules = STANDARD, *, look: int, earlier: Sequence[Sequence[Comparison]] = ()
) -> list[Comparison]:
    """Return one comparison per pair, in their order.

    `pairs` are all that were asked about, also those that were decided and dropped; `look` counts from 1. `earlier` is
    what this function returned at the looks before, the first look first: who was decided there keeps that comparison.
    Raises ValueError when the looks do not fit the rules.
    """
    alpha, family = rules.alpha_at(look), family_of(pairs)
    if len(earlier) >= look:
        raise ValueError(f"look {look} cannot have {len(earlier)} looks before it")
    before = _decided(earlier, rules)
    found: list[Comparison] = []
    weights: list[float] = []
    for pair in pairs:
        known = before.get(pair.name)
        found.append(known[0] if known else measured(pair, fewest=rules.looks[0], alpha=alpha, family=family))
        weights.append(alpha / rules.alpha_at(known[1]) if known else 1.0)
    slower, faster = (_adjusted(found, weights, family, name) for name in ("p_slower", "p_faster"))
    for place, comparison in enumerate(found):
        if comparison.name in before:
            continue
        for each in comparison.metrics:
            if each.decides:
                each.p_slower_adjusted = slower.get((place, each.metric))
                each.p_faster_adjusted = faster.get((place, each.metric))
        _decide(comparison, rules, look, family)
    return found


def family_of(pairs: Sequence[Pair]) -> int:
    """Return how many hypotheses were asked about: pairs times the metrics that decide."""
    return sum(len(pair.deciding) for pair in pairs)


def undecided(comparisons: Sequence[Comparison], rules: Rules = STANDARD) -> list[str]:
    """Return the names of the pairs that more blocks may still decide, in their order.

    INVALID is final, but where blocks are what is missing.
    """
    return [each.name for each in comparisons if not _is_decided(each, rules)]


def blocks_to_settle(comparison: Comparison, rules: Rules = STANDARD, *, look: int, family: int) -> int | None:
    """Return about how many blocks would settle what is unclear, if what was seen so far is the truth.

    For each unclear metric that decides it is the nearer of two ends, to show that it is slower or that it is within
    its tolerance, four times of five. None where nothing is unclear, nothing is known, or no number of blocks would do.
    """
    alpha = rules.alpha_at(look)
    open_ones = [each for each in comparison.metrics if each.decides and _is_open(each) and len(each.base) > 1]
    needed = max((_settles(each, alpha, family) for each in open_ones), default=math.inf)
    return max(comparison.blocks + 1, math.ceil(needed)) if math.isfinite(needed) else None


def whole(
    comparisons: Sequence[Comparison],
    *,
    counts_more: bool = False,
    sentinel: Comparison | None = None,
    sentinel_out: str | None = None,
) -> State:
    """Return the gravest of all that a regression check found.

    Errors in the head alone, and exact counts that grew, are REGRESSED whatever the clock says: they rest on no time. A
    sentinel out of range takes every time with it, and leaves INVALID. One pair's slowdown stands beside another pair
    that is INVALID, since each was measured for itself; PASS and INCONCLUSIVE do not. Nothing at all is INVALID.
    """
    states = {each.state for each in comparisons}
    if counts_more or any(each.state == "REGRESSED" and not _timed(each) for each in comparisons):
        return "REGRESSED"
    if not states or sentinel_out is not None or (sentinel is not None and sentinel.state == "INVALID"):
        return "INVALID"
    return next(state for state in GRAVITY if state in states)


def _is_decided(comparison: Comparison, rules: Rules) -> bool:
    if comparison.state == "INVALID":
        return comparison.blocks >= rules.looks[0]
    return comparison.state != "INCONCLUSIVE"


def _decided(earlier: Sequence[Sequence[Comparison]], rules: Rules) -> dict[str, tuple[Comparison, int]]:
    """Return who was decided, and at which look, from 1."""
    found: dict[str, tuple[Comparison, int]] = {}
    for look, comparisons in enumerate(earlier, 1):
        for each in comparisons:
            if _is_decided(each, rules):
                found.setdefault(each.name, (each, look))
    return found


def _timed(comparison: Comparison) -> bool:
    """Return whether a verdict rests on what was measured, and not on errors."""
    return comparison.state in {"PASS", "INCONCLUSIVE"} or any(
        each.decides and each.state == "slower" for each in comparison.metrics
    )


def _adjusted(
    comparisons: Sequence[Comparison], weights: Sequence[float], family: int, name: str
) -> dict[tuple[int, str], float]:
    """Return Holm's p-values by place and metric; what was not measured counts as never refuted."""
    known = {
        (place, each.metric): min(1.0, weight * p)
        for place, (comparison, weight) in enumerate(zip(comparisons, weights, strict=True))
        for each in comparison.metrics
        if each.decides and _timed(comparison) and (p := getattr(each, name)) is not None
    }
    return dict(zip(known, holm([*known.values()], family), strict=True))


def _decide(comparison: Comparison, rules: Rules, look: int, family: int) -> None:
    """Give a comparison and its metrics their states, and the reasons for them."""
    if comparison.state != "INCONCLUSIVE":
        return
    alpha = rules.alpha_at(look)
    for each in comparison.metrics:
        each.state = _state(each, alpha)
    deciding = [each for each in comparison.metrics if each.decides]
    guilty = [each for each in deciding if each.state == "slower" and _fails(each, rules, alpha)]
    if guilty:
        comparison.state, comparison.reasons = "REGRESSED", [_slower(each) for each in guilty]
    elif all(each.state in {"within", "faster"} for each in deciding):
        comparison.state = "PASS"
        comparison.reasons = [text for each in deciding if (text := _real(each, alpha))]
    else:
        settle = blocks_to_settle(comparison, rules, look=look, family=family)
        comparison.reasons = [text for each in deciding if (text := _unsettled(each))]
        if settle is not None and settle <= MOST_BLOCKS:
            comparison.reasons.append(f"about {settle} blocks would settle it")
        else:
            comparison.reasons.append(f"not even {MOST_BLOCKS} blocks would settle it")


def _state(judged: Judged, alpha: float) -> Literal["within", "slower", "faster", "unclear"]:
    slower, faster = judged.p_slower, judged.p_faster
    if judged.decides:
        slower, faster = judged.p_slower_adjusted, judged.p_faster_adjusted
    if judged.p_within is not None and judged.p_within <= alpha:
        return "faster" if faster is not None and faster <= alpha else "within"
    return "slower" if slower is not None and slower <= alpha else "unclear"


def _is_open(judged: Judged) -> bool:
    return judged.state in {"unclear", "slower"}


def _fails(judged: Judged, rules: Rules, alpha: float) -> bool:
    """Return whether a slowdown that is beyond doubt fails."""
    if rules.fail_on == "any":
        return True
    found = paired.interval(log_ratios(judged.base, judged.head), alpha)
    return found is not None and found[0] > _bound(judged)


def _bound(judged: Judged) -> float:
    return math.log1p(effective(judged.tolerance, judged.base))


def _settles(judged: Judged, alpha: float, family: int) -> float:
    ratios = log_ratios(judged.base, judged.head)
    seen, bound, deviation = paired.estimate(ratios), _bound(judged), float(np.std(ratios, ddof=1))
    beyond = seen - bound if judged.state == "slower" else seen
    return min(blocks_for(deviation, beyond, alpha, family), blocks_for(deviation, bound - seen, alpha))


def _slower(judged: Judged) -> str:
    delta = effective(judged.tolerance, judged.base)
    if judged.change is not None and judged.change.estimate <= delta:
        return f"{_change(judged)}, and not shown to stay within the tolerance of {wording.tolerance(delta)}"
    return f"{_change(judged)}; the tolerance is {wording.tolerance(delta)}"


def _real(judged: Judged, alpha: float) -> str | None:
    """Return what is worth saying of a metric that passes."""
    if judged.state == "faster":
        return _change(judged)
    if judged.p_slower_adjusted is not None and judged.p_slower_adjusted <= alpha:
        return f"{_change(judged)}: real, but below the tolerance of {_tolerance(judged)}"
    return None


def _unsettled(judged: Judged) -> str | None:
    if judged.state == "slower":
        return f"{_change(judged)}, which is not beyond doubt more than the tolerance of {_tolerance(judged)}"
    if judged.state != "unclear" or judged.change is None:
        return None
    delta = effective(judged.tolerance, judged.base)
    return wording.unclear(judged.change, judged.metric, delta, judged.smallest_seen)


def _change(judged: Judged) -> str:
    return wording.change(judged.change, judged.metric) if judged.change else wording.name(judged.metric)


def _tolerance(judged: Judged) -> str:
    return wording.tolerance(effective(judged.tolerance, judged.base))
