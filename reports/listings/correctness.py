"""Correctness under load: how many answers were held against each property, and how many broke it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.listings import view
from reports.listings.listing import Head, Listing
from reports.words import units
from reports.words.units import MISSING

if TYPE_CHECKING:
    from reports.format import Run

MILLION: Final = 1_000_000
_RULE: Final = 3
_FEWEST: Final = 30
"""Answers below which the rule of three says too little."""


@dataclass(frozen=True, slots=True)
class Tally:
    """A property of a variant over all trials of a run."""

    variant: str
    name: str
    checked: int
    wrong: int

    @property
    def wrong_per_million(self) -> float | None:
        """How many of a million; None where nothing was checked."""
        return self.wrong / self.checked * MILLION if self.checked else None

    @property
    def upper_per_million(self) -> float | None:
        """What the true share lies below with 95 % confidence, where none was wrong: the rule of three, 3/n.

        Hanley & Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249 (1983). None where some were
        wrong, and of fewer than thirty answers, for which it does not hold.
        """
        return _RULE / self.checked * MILLION if not self.wrong and self.checked >= _FEWEST else None


def tallies(run: Run) -> list[Tally]:
    """Return every property of every variant, INVALID trials included: a wrong answer is wrong on a loud machine too.

    Two arms of one trial were checked together, and are told together. What a fault was meant to lose is told beside
    the fault, and what was never checked is left out.
    """
    order = {variant.name: place for place, variant in enumerate(view.ordered(run))}
    found: dict[tuple[tuple[str, ...], str], list[int]] = {}
    for trial in run.trials:
        if trial.fault is not None:
            continue
        names = tuple(arm.variant for arm in trial.arms)
        for name, each in trial.checked.items():
            sums = found.setdefault((names, name), [0, 0])
            sums[0] += each.checked
            sums[1] += each.wrong
    said = [
        Tally(", ".join(names), name, checked, wrong) for (names, name), (checked, wrong) in found.items() if checked
    ]
    return sorted(said, key=lambda each: order.get(each.variant, len(order)))


def listing(run: Run) -> Listing | None:
    """Return the table; None where no trial checked anything.

    Properties of a variant that none broke, of as many answers, share a row: most are checked of every answer.
    """
    names: dict[tuple[str, ...], str] = {}
    first: dict[tuple[str, ...], Tally] = {}
    for each in tallies(run):
        key = each.variant, "" if not each.wrong else each.name, str(each.checked)
        names[key] = ", ".join(filter(None, [names.get(key), each.name.replace("_", " ")]))
        first.setdefault(key, each)
    rows = [
        [
            each.variant, names[key], units.count(each.checked), units.count(each.wrong),
            units.significant(each.wrong_per_million) if each.wrong_per_million else MISSING,
            _below(each.upper_per_million),
        ]
        for key, each in first.items()
    ]  # fmt: skip
    if not rows:
        return None
    heads = [
        Head("variant", words=True), Head("properties", words=True), Head("checked"), Head("wrong"),
        Head("wrong", "per million"), Head("95 % bound", "per million"),
    ]  # fmt: skip
    remark = (
        "Answers under load that were held against a property, in all trials without a fault and their warm-ups, and "
        "how many broke it. 95 % bound: where none did, fewer than so many of a million do, by the rule of three (3/n; "
        "Hanley & Lippman-Hand 1983)."
    )
    if any(row[1] == "concurrent updates" and row[3] != "0" for row in rows):
        remark += " What concurrent updates lose, conflict=last-wins gives up by choice; reject and retry do not."
    return Listing("correctness", "Correctness under load", heads, rows, remark).without_empty_columns()


def _below(bound: float | None) -> str:
    return MISSING if bound is None else units.Written(f"< {units.significant(bound)}", bound)
