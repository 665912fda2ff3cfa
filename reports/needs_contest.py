"""Who is best in a figure: block by block where there are blocks enough, by ranges that lie apart where not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Final

from reports import crossover, needs_capacity, view
from reports.metrics import LEVEL, TOLERANCES, effective, log_ratios, shown
from reports.needs import SERVED, Answer, Figure, called, costs, listed
from reports.needs_metrics import APP_CPU, CPU, latencies, memory, throughput
from reports.units import plural

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reports.format import Run, Variant
    from reports.needs import Candidates, State
    from reports.needs_metrics import Metric

FEWEST_FOR_RANGES: Final = 3
"""Of two blocks each the ranges of equals lie apart in one case of three; of three each in one of ten."""
_MOST: Final = 4
"""So many figures have room in a sentence."""


@dataclass(frozen=True, slots=True)
class Contest:
    """How candidates stand to each other in one figure; `best` are those that nobody beats."""

    state: State
    best: list[str]
    figures: list[Figure]
    """The best first, then by their middle."""
    blocks: int


def answers(run: Run, who: Candidates) -> list[Answer]:
    """Return the answers to what was measured: latency, load, CPU, memory."""
    said: list[Answer] = []
    # What a variant gives up is said where it is first an answer.
    known: set[str] = set()
    drawn = [throughput(run)] if run.plan.closed_s or not view.is_open(run) else []
    for metric in [*latencies(run), *([None] if run.capacities else drawn), APP_CPU, CPU, memory(run)]:
        if metric is None:
            said.append(needs_capacity.answer(run, who, known))
        else:
            said.append(_answer(run, who.variants, metric, known))
        known.update(said[-1].best)
    if not view.is_open(run):
        why = "Not known: closed loops wait for the answers, and so have no rate to be compared at."
        said.insert(1, Answer("p99", "lowest p99 at a rate", "unknown", [], why))
    return said


def ranges(run: Run) -> str:
    """Return what stands in brackets behind a figure."""
    blocks = {trial.block for trial in view.latency_trials(run) if trial.verdict.state != "INVALID"}
    if len(blocks) >= crossover.FEWEST_TRIALS:
        return f"In brackets: the {LEVEL * 100:.3g} % interval of the median over {len(blocks)} blocks."
    if len(blocks) > 1:
        return f"In brackets: the smallest and the largest of {len(blocks)} blocks, which is no interval."
    return ""


def contest(run: Run, variants: Sequence[Variant], metric: Metric) -> Contest:
    """Compare the candidates that have the figure, every two of them."""
    values = {variant.name: seen for variant in variants if (seen := _values(run, variant, metric))}
    figures = {name: _figure(name, seen, metric) for name, seen in values.items()}
    relations = _relations(run, values, metric)
    beaten = {b for (a, b), relation in relations.items() if relation == "beats"}
    best = [name for name in values if name not in beaten] or list(values)
    ordered = sorted(
        figures.values(), key=lambda one: (one.variant not in best, -one.value if metric.more else one.value)
    )
    best.sort(key=[one.variant for one in ordered].index)
    blocks = max((len(seen) for seen in values.values()), default=0)
    state: State
    if len(values) < 2:  # noqa: PLR2004 - it takes two
        state = "only" if values else "unknown"
    elif len(best) == 1:
        state = "best"
    else:
        tied = all(relations.get(pair) == "tied" for pair in permutations(best, 2))
        state = "tied" if tied else "not told apart"
    return Contest(state, best, ordered, blocks)


def in_words(
    run: Run,
    variants: Sequence[Variant],
    metric: Metric,
    *,
    before: str = "",
    known: Collection[str] = (),
    next_too: bool = True,
) -> str:
    """Say in sentences who is best in a figure; `before` goes before what is found of all of them.

    Who does without a server wins most races: how the others stand among themselves is said behind it.
    """
    found, behind = contest(run, variants, metric), ""
    served = [variant for variant in variants if not costs(variant)]
    if served and any(costs(variant) for variant in variants if variant.name in found.best):
        among = contest(run, served, metric)
        # Where they share the place with the others, they were named with them.
        if among.state != "unknown" and not set(among.best) <= set(found.best):
            behind = f" {_heading(among, SERVED)}{_named(among, served, known, next_too=next_too)}."
            # Whoever leads there is said there.
            next_too = next_too and found.figures[1].variant not in among.best
    return f"{_heading(found, before)}{_named(found, variants, known, next_too=next_too)}.{behind}"


def _heading(found: Contest, before: str) -> str:
    """Return what goes before the names: that there is no winner, where there is none."""
    how = ""
    if found.state == "tied":
        how = "tied"
    elif found.state == "not told apart":
        # Where this is said before, it was said in how many blocks.
        how = "not told apart" if before == SERVED else f"cannot be told apart in {plural(found.blocks, 'block')}"
    said = f"{before} {how}".strip()
    return f"{said[0].upper()}{said[1:]}: " if said else ""


def _named(found: Contest, variants: Sequence[Variant], known: Collection[str], *, next_too: bool) -> str:
    """Return those that are best with their figures, and who comes next where there is a winner."""
    names = {variant.name: called(variant, known) for variant in variants}
    texts = {one.variant: one.text for one in found.figures}
    if found.state in {"best", "only"}:
        rest = found.figures[1:] if next_too else []
        second = f"; next {rest[0].variant}, {rest[0].text}" if rest else ""
        return f"{names[found.best[0]]}, {texts[found.best[0]]}{second}"
    more = f" and {plural(len(found.best) - _MOST, 'other')}" if len(found.best) > _MOST else ""
    return "; ".join(f"{names[name]}, {texts[name]}" for name in found.best[:_MOST]) + more


def _answer(run: Run, variants: Sequence[Variant], metric: Metric, known: Collection[str]) -> Answer:
    found = contest(run, variants, metric)
    if found.state == "unknown":
        return Answer(metric.key, metric.need, "unknown", [], "Not known: nobody measured it.")
    said = in_words(run, variants, metric, known=known)
    measured = {one.variant for one in found.figures}
    if lacking := [variant.name for variant in variants if variant.name not in measured]:
        said += f" Not known of {listed(lacking)}."
    return Answer(metric.key, metric.need, found.state, found.best, said, found.figures)


def figure(run: Run, variant: Variant, metric: Metric) -> Figure | None:
    """Return a variant's figure over the blocks that count; None where nobody measured it."""
    seen = _values(run, variant, metric)
    return _figure(variant.name, seen, metric) if seen else None


def _values(run: Run, variant: Variant, metric: Metric) -> dict[int, tuple[float, bool]]:
    """Return the figure by block, each of its last trial that counts."""
    found: dict[int, tuple[float, bool]] = {}
    for trial, figures in view.measured(run, variant.name):
        for arm in trial.arms:
            if arm.figures is figures and (value := metric.of(run, variant, arm)) is not None:
                found[trial.block] = value
    return found


def _figure(name: str, seen: Mapping[int, tuple[float, bool]], metric: Metric) -> Figure:
    values = [value for value, _ in seen.values()]
    at_least = any(bounded for _, bounded in seen.values())
    over = crossover.reach(values)
    text = metric.text(over.middle, over.low, over.high, at_least=at_least)
    return Figure(name, over.middle, over.low, over.high, text, at_least)


def _relations(
    run: Run, values: Mapping[str, Mapping[int, tuple[float, bool]]], metric: Metric
) -> dict[tuple[str, str], str]:
    """Return for every two candidates, in both orders, whether the one beats the other, or is tied with it."""
    told = {
        frozenset((each.a, each.b)): each
        for each in run.told
        if each.metric == metric.recorded and each.state != "too few blocks"
    }
    pairs = len(values) * (len(values) - 1) // 2
    found: dict[tuple[str, str], str] = {}
    for a, b in permutations(values, 2):
        if (known := told.get(frozenset((a, b)))) is not None:
            less = known.b if known.change.estimate < 0 else known.a
            wins = (less == a) != metric.more
            found[a, b] = ("beats" if wins else "") if known.state == "differ" else known.state
        else:
            found[a, b] = _relation(values[a], values[b], metric, pairs)
    return found


def _relation(
    a: Mapping[int, tuple[float, bool]], b: Mapping[int, tuple[float, bool]], metric: Metric, pairs: int
) -> str:
    shared = sorted(a.keys() & b.keys())
    exact = shared and not any(of[block][1] or of[block][0] <= 0 for of in (a, b) for block in shared)
    if exact:
        of_a, of_b = ([of[block][0] for block in shared] for of in (a, b))
        change = shown(log_ratios(of_b, of_a), (1 - LEVEL) / 2 / pairs)
        if change.level is not None:
            if change.low > 0 or change.high < 0:
                return "beats" if (change.low > 0) == metric.more else ""
            tolerance = TOLERANCES.get(metric.recorded)
            delta = effective(tolerance, of_b) if tolerance else 0.0
            tied = -math.log1p(delta) < math.log1p(change.low) and change.high < delta
            return "tied" if tied else "not told apart"
    if min(len(a), len(b)) < FEWEST_FOR_RANGES:
        return "not told apart"
    # Of a lower bound nobody knows how much more it is.
    better, worse = (b, a) if metric.more else (a, b)
    if any(bounded for _, bounded in better.values()):
        return "not told apart"
    apart = max(value for value, _ in better.values()) < min(value for value, _ in worse.values())
    return "beats" if apart else "not told apart"
