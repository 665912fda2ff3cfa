"""Two variants of one run, judged: the second against the first, over the blocks that both have."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from reports.judging import judge, pairs
from reports.judging.compared import CLOSED, VERSION, measured, why
from reports.judging.family import STANDARD, Rules
from reports.judging.metrics import Pair, effective
from reports.judging.sentinel import lag_apart
from reports.record.counts import is_more
from reports.record.judgement import Comparison  # noqa: TC001 - pydantic reads it at run time
from reports.words import measures, wording
from reports.words.measures import counted
from reports.words.units import plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.format import Run
    from reports.judging.compared import Measured
    from reports.record.judgement import Judged, Tolerance


class Between(BaseModel):
    """A verdict on two variants of one run."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: int = VERSION
    kind: Literal["verdict"] = "verdict"
    recorded: bool
    """Whether the run's own regression check gave this verdict; else it was judged just now."""
    comparison: Comparison
    notes: list[str] = []
    """What was left out."""


def between(
    run: Run, base: str, head: str, rules: Rules = STANDARD, tolerances: Mapping[str, Tolerance] | None = None
) -> Between:
    """Judge `head` against `base`, two variants of the run; slower is worse, and faster is told as clearly.

    What a regression check has judged is returned as it was recorded. All else is judged over the blocks in which both
    have a trial that counts, once, at the last look whose number of blocks is reached. Wrong answers and rates that
    were not sustained are the head's own fault where the base has none, and otherwise leave nothing to compare.
    """
    recorded = {(each.base, each.head): each for each in run.comparisons}
    if found := recorded.get((base, head)):
        return Between(recorded=True, comparison=_in_its_run(found, run))
    turned = recorded.get((head, base))
    for pair in pairs.pairs_of(run.trials):
        if (pair.base, pair.head) == (head, base):
            pair = _turned(pair, turned)  # noqa: PLW2901 - asked for the other way round
        if (pair.base, pair.head) == (base, head):
            return Between(recorded=False, comparison=_in_its_run(_judged(pair, rules), run))
    first, second = measured(run, base), measured(run, head)
    pair = _paired(first, second, tolerances or {})
    notes = [*first.notes(), *second.notes()]
    if run.plan.load.kind == "closed":
        notes.append(CLOSED)
    base_us, _ = pair.values.get("p50_us", ([], []))
    if late := lag_apart(first.lags_us, second.lags_us, pair.tolerance("p50_us"), base_us):
        notes.append(f"Of what p50 differs, some is not the variants': {late}.")
    return Between(recorded=False, comparison=_judged(pair, rules), notes=notes)


def concluded(comparison: Comparison) -> bool:
    """Whether the verdict rests on times; else it does on errors, or there is none."""
    slower = any(judged.decides and judged.state == "slower" for judged in comparison.metrics)
    return comparison.state in {"PASS", "INCONCLUSIVE"} or (comparison.state == "REGRESSED" and slower)


def _judged(pair: Pair, rules: Rules) -> Comparison:
    """Judge one pair by all its blocks, once."""
    blocks = min((len(pair.values.get(metric, ([], []))[0]) for metric in pair.deciding), default=0)
    look = max((number for number, least in enumerate(rules.looks, 1) if least <= blocks), default=1)
    comparison = judge.judge([pair], rules, look=look)[0]
    if blocks < rules.looks[0] and comparison.state == "INVALID":
        few = f"{plural(blocks, 'block')} of both count, and a verdict takes {rules.looks[0]} or more"
        comparison.reasons = [*pair.invalid, few]
    return comparison


def _turned(pair: Pair, recorded: Comparison | None) -> Pair:
    """Return a pair with its arms the other way round, under the tolerances with which it was judged."""
    judged = recorded.metrics if recorded else []
    return Pair(
        name=pairs.name_of(pair.head, pair.base),
        base=pair.head,
        head=pair.base,
        values={metric: (head, base) for metric, (base, head) in pair.values.items()},
        tolerances={each.metric: each.tolerance for each in judged},
        deciding=[each.metric for each in judged if each.decides] or pair.deciding,
        invalid=[*pair.invalid, *pair.head_only_errors],
    )


def _in_its_run(comparison: Comparison, run: Run) -> Comparison:
    """Return a comparison in the light of what else the run's check found.

    Exact counts that rose are a regression whatever the clock says. With the sentinel out of range, no time counts.
    """
    if run.judgement is None:
        return comparison
    sentinel = run.judgement.sentinel
    rose = [counted(each) for each in run.judgement.counts if each.variant == comparison.name and is_more(each)]
    state = judge.whole([comparison], counts_more=bool(rose), sentinel=sentinel)
    if state == comparison.state and not rose:
        return comparison
    reasons = sentinel.reasons if sentinel is not None and state == "INVALID" else [*rose, *comparison.reasons]
    return comparison.model_copy(update={"state": state, "reasons": reasons})


def _paired(base: Measured, head: Measured, tolerances: Mapping[str, Tolerance]) -> Pair:
    """Return two variants that were each served alone, block by block.

    A metric that a block lacks is left out of it for both; where that happens too often to one that decides, nothing
    counts, since what is missing is most often what was too bad to be known.
    """
    blocks = sorted(base.blocks.keys() & head.blocks.keys())
    pair = Pair(pairs.name_of(base.variant, head.variant), base.variant, head.variant, {}, tolerances)
    for metric in (*pairs.DUET, *pairs.SLICES):
        both = [(base.blocks[block].get(metric), head.blocks[block].get(metric)) for block in blocks]
        known = [(own, other) for own, other in both if own is not None and other is not None]
        if known:
            pair.values[metric] = [own for own, _ in known], [other for _, other in known]
        lost = len(both) - len(known)
        if metric in pair.deciding and lost > pairs.LOST_SHARE * len(both):
            pair.invalid.append(f"{wording.name(metric)} is not known in {lost} of {plural(len(both), 'block')}")
    if faults := _own_fault(base):
        pair.invalid += [*faults, *_own_fault(head)]
    else:
        pair.head_only_errors += _own_fault(head)
    return pair


def _own_fault(seen: Measured) -> list[str]:
    """Return what a variant did wrong, in words."""
    return [
        f"{seen.variant} {state} in {len(trials)} of {plural(seen.trials, 'trial')}: {why(trials[0])}"
        for state, trials in seen.struck.items()
        if state != "INVALID"
    ]


def told(comparison: Comparison) -> list[str]:
    """Return what is said of each deciding metric, a sentence each; medians alone where nothing could be concluded."""
    base, head = comparison.base, comparison.head
    say = _found if concluded(comparison) else _medians
    return [say(judged, base, head) for judged in comparison.metrics if judged.decides]


def _found(judged: Judged, base: str, head: str) -> str:
    if judged.change is None:
        return f"{wording.name(judged.metric)} was not measured."
    way, _, how_much = wording.change(judged.change, judged.metric).partition(" ")
    tolerated = wording.tolerance(effective(judged.tolerance, judged.base))
    if judged.state in {"slower", "faster"}:
        return f"{head} is {judged.state} than {base} {how_much}; the tolerance is {tolerated}."
    if judged.state == "within":
        return f"{head} is as good as {base} within the tolerance of {tolerated}: {way} {how_much}."
    seen = judged.smallest_seen
    could = "" if seen is None else f"; {plural(judged.change.blocks, 'block')} would have shown {wording.share(seen)}"
    return f"These blocks cannot tell {head} from {base}: {way} {how_much}, with a tolerance of {tolerated}{could}."


def _medians(judged: Judged, base: str, head: str) -> str:
    measure = measures.measure(judged.metric)
    if not (judged.base and judged.head):
        return f"{measure.name}: no block of both counts."
    both = (
        f"{name} {measure.write(statistics.median(seen))}" for name, seen in ((base, judged.base), (head, judged.head))
    )
    return f"{measure.name}: {', '.join(both)} {measure.unit}, the medians of {plural(len(judged.base), 'block')}."
