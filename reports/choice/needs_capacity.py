"""Who carries most under the plan's objective: by the intervals of the search, which hold at 95 %."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.choice.needs import SERVED, Answer, Figure, called, costs, listed
from reports.words import units

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from reports.choice.needs import Candidates, State
    from reports.format import Capacity, Run, Variant


_OVERLAP: Final = "cannot be told apart, since their intervals overlap"


def answer(run: Run, who: Candidates, known: Collection[str] = ()) -> Answer:
    """Return the answer of a run that searched for capacities; of `known` it is known what they give up."""
    need = f"highest load {f'with {run.plan.objective.text}' if run.plan.objective else 'that is sustained'}"
    found = [each for each in run.capacities if each.variant in who.names and (each.lower_per_s or each.upper_per_s)]
    lacking = [name for name in who.names if name not in {each.variant for each in found}]
    beside = f" Not known of {listed(lacking)}." if lacking else ""
    if not any(each.lower_per_s for each in found):
        said = "Nobody was shown to carry any rate." if found else "Not known: it was found of no candidate."
        return Answer("capacity", need, "nobody" if found else "unknown", [], said)
    best, state = _best(found)
    ordered = sorted(found, key=lambda each: (each not in best, -(each.lower_per_s or 0.0)))
    behind, next_too = "", True
    served = [variant for variant in who.variants if not costs(variant)]
    among = [each for each in found if each.variant in {variant.name for variant in served}]
    if any(each not in among for each in best) and any(each.lower_per_s for each in among):
        others, _ = _best(among)
        if not all(each in best for each in others):
            behind = f" {SERVED}: {_said(among, served, known)}."
            # Whoever leads there is said there.
            next_too = ordered[1] not in others
    said = f"{_said(found, who.variants, known, next_too=next_too)}."
    if said.startswith(_OVERLAP):
        said = said[0].upper() + said[1:]
    names = [each.variant for each in ordered if each in best]
    return Answer("capacity", need, state, names, said + behind + beside, [_figure(each) for each in ordered])


def _best(found: Sequence[Capacity]) -> tuple[list[Capacity], State]:
    """Return those of whom nobody surely carries more."""
    best = [each for each in found if not any(_carries_more(other, each) for other in found)]
    return best, "only" if len(found) == 1 else "best" if len(best) == 1 else "not told apart"


def _carries_more(one: Capacity, other: Capacity) -> bool:
    return one.lower_per_s is not None and other.upper_per_s is not None and one.lower_per_s >= other.upper_per_s


def _said(
    found: Sequence[Capacity], variants: Sequence[Variant], known: Collection[str], *, next_too: bool = True
) -> str:
    """Say who carries most, without a full stop."""
    names = {variant.name: called(variant, known) for variant in variants}
    best, state = _best(found)
    ordered = sorted(found, key=lambda each: (each not in best, -(each.lower_per_s or 0.0)))
    texts = [f"{names[each.variant]}, {_figure(each).text}" for each in ordered]
    if state == "not told apart":
        return f"{_OVERLAP}: {'; '.join(texts[: len(best)])}"
    told = ordered[0].limit != "unknown" and ordered[0].upper_per_s is not None
    limit = f", where the {ordered[0].limit} gives out" if told else ""
    after = f"; next {ordered[1].variant}, {_figure(ordered[1]).text}" if next_too and len(ordered) > 1 else ""
    return f"{texts[0]}{limit}{after}"


def _figure(each: Capacity) -> Figure:
    lower, upper = each.lower_per_s or 0.0, each.upper_per_s
    if upper is None:
        text = f"at least {units.per_second(lower)} arrivals/s, where the search ended"
        return Figure(each.variant, lower, lower, lower, text, at_least=True)
    between = f"{units.per_second(lower)} to" if lower else "under"
    return Figure(each.variant, (lower + upper) / 2, lower, upper, f"{between} {units.per_second(upper)} arrivals/s")
