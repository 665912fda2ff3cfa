"""Who is best in a figure: block by block where there are blocks enough, by ranges that lie apart where not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.choice import needs_capacity
from reports.choice.needs import SERVED, Answer, Figure, called, costs, listed
from reports.choice.needs_metrics import APP_CPU, CPU, latencies, memory, throughput
from reports.choice.needs_relations import Relations
from reports.judging.metrics import LEVEL
from reports.listings import crossover, view
from reports.words.units import plural

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reports.choice.needs import Candidates, State
    from reports.choice.needs_metrics import Metric
    from reports.format import Run, Variant

_BLOCK: Final = "A block is every variant once, in random order."
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
    """Return what stands in brackets behind a figure, what a block is, and how it is told who differs."""
    blocks = {trial.block for trial in view.latency_trials(run) if trial.verdict.state != "INVALID"}
    if len(blocks) >= crossover.FEWEST_TRIALS:
        level = f"{LEVEL * 100:.3g} %"
        apart = ", but of capacities by intervals that lie apart" if run.capacities else ""
        return (
            f"In brackets: the {level} signed-rank interval over {len(blocks)} blocks. {_BLOCK} Who differs is told "
            f"block by block, at {level} for all pairs at once{apart}."
        )
    if len(blocks) > 1:
        return f"In brackets: the smallest and the largest of {len(blocks)} blocks, which is no interval. {_BLOCK}"
    return ""


def contest(run: Run, variants: Sequence[Variant], metric: Metric) -> Contest:
    """Compare the candidates that have the figure, every two of them."""
    values = {name: seen for name, seen in _values(run, variants, metric).items() if seen}
    figures = {name: _figure(name, seen, metric) for name, seen in values.items()}
    relations = Relations(run, values, metric)
    best = relations.unbeaten() or list(values)
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
        state = "tied" if relations.all_tied(best) else "not told apart"
    return Contest(state, best, ordered, blocks)


def in_words(
    run: Run,
    variants: Sequence[Variant],
    metric: Metric,
    *,
    before: str = "",
    known: Collection[str] = (),
    next_too: bool = True,
    found: Contest | None = None,
    brief: bool = False,
) -> str:
    """Say in sentences who is best in a figure; `before` goes before what is found of all of them: `found`, if known.

    `brief` leaves the figures of those out that share a place: it is said elsewhere what they are.

    Who does without a server wins most races: how the others stand among themselves is said behind it.
    """
    found, behind = found or contest(run, variants, metric), ""
    served = [variant for variant in variants if not costs(variant)]
    if served and any(costs(variant) for variant in variants if variant.name in found.best):
        among = contest(run, served, metric)
        # Where they share the place with the others, they were named with them.
        if among.state != "unknown" and not set(among.best) <= set(found.best):
            # A figure that stands before is not said again.
            told = () if found.state == "best" else found.best[:_MOST]
            named = _named(among, served, known, next_too=next_too, brief=brief, told=told)
            behind = f" {_heading(among, SERVED)}{named}."
            # Whoever leads there is said there.
            next_too = next_too and found.figures[1].variant not in among.best
    named = _named(found, variants, known, next_too=next_too, brief=brief)
    return f"{_heading(found, before, brief=brief)}{named}.{behind}"


def _heading(found: Contest, before: str, *, brief: bool = False) -> str:
    """Return what goes before the names: that there is no winner, where there is none."""
    how = ""
    if found.state == "tied":
        how = "tied"
    elif found.state == "not told apart":
        # Where this is said before, it was said in how many blocks.
        how = (
            "not told apart"
            if brief or before == SERVED
            else f"cannot be told apart in {plural(found.blocks, 'block')}"
        )
    said = f"{before} {how}".strip()
    return f"{said[0].upper()}{said[1:]}: " if said else ""


def _named(
    found: Contest,
    variants: Sequence[Variant],
    known: Collection[str],
    *,
    next_too: bool,
    brief: bool,
    told: Collection[str] = (),
) -> str:
    """Return those that are best with their figures unless `told`, and who comes next where there is a winner."""
    names = {variant.name: called(variant, known) for variant in variants}
    texts = {one.variant: one.text for one in found.figures}
    if found.state in {"best", "only"}:
        rest = found.figures[1:] if next_too else []
        second = f"; next {rest[0].variant}, {rest[0].text}" if rest else ""
        return f"{names[found.best[0]]}, {texts[found.best[0]]}{second}"
    if brief:
        return listed([names[name] for name in found.best])
    more = f" and {plural(len(found.best) - _MOST, 'other')}" if len(found.best) > _MOST else ""
    said = (names[name] if name in told else f"{names[name]}, {texts[name]}" for name in found.best[:_MOST])
    return "; ".join(said) + more


def _answer(run: Run, variants: Sequence[Variant], metric: Metric, known: Collection[str]) -> Answer:
    found = contest(run, variants, metric)
    if found.state == "unknown":
        return Answer(metric.key, metric.need, "unknown", [], "Not known: nobody measured it.")
    said = in_words(run, variants, metric, known=known, found=found)
    measured = {one.variant for one in found.figures}
    if lacking := [variant.name for variant in variants if variant.name not in measured]:
        said += f" Not known of {listed(lacking)}."
    return Answer(metric.key, metric.need, found.state, found.best, said, found.figures)


def figure(run: Run, variant: Variant, metric: Metric) -> Figure | None:
    """Return a variant's figure over the blocks that count; None where nobody measured it."""
    seen = _values(run, [variant], metric)[variant.name]
    return _figure(variant.name, seen, metric) if seen else None


def _values(run: Run, variants: Sequence[Variant], metric: Metric) -> dict[str, dict[int, tuple[float, bool]]]:
    """Return the figure by variant and block, each of its last trial that counts."""
    asked = {variant.name: variant for variant in variants}
    found: dict[str, dict[int, tuple[float, bool]]] = {name: {} for name in asked}
    for trial in view.latency_trials(run):
        for arm in trial.arms if trial.verdict.state != "INVALID" else ():
            variant = asked.get(arm.variant)
            if variant is not None and arm.figures and (value := metric.of(run, variant, arm)) is not None:
                found[arm.variant][trial.block] = value
    return found


def _figure(name: str, seen: Mapping[int, tuple[float, bool]], metric: Metric) -> Figure:
    values = [value for value, _ in seen.values()]
    at_least = any(bounded for _, bounded in seen.values())
    over = crossover.reach(values)
    text = metric.text(over.middle, over.low, over.high, at_least=at_least)
    return Figure(name, over.middle, over.low, over.high, text, at_least)
