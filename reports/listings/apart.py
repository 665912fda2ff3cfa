"""Which variants of a run differ, pair by pair: a matrix of all, and a row for each two with its intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.listings import struck
from reports.listings.listing import Head, Listing, Struck
from reports.words import units
from reports.words.measures import measure
from reports.words.units import MISSING, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.format import Run
    from reports.record.judgement import Told

_SIGNS: Final = {"tied": "=", "not told apart": "?", "too few blocks": "·"}
_ORDER: Final = ("differ", "tied", "not told apart", "too few blocks")
_MOST: Final = 2
"""Metrics that have room in a matrix, on either side of its diagonal."""


def tellable(run: Run) -> bool:
    """Whether any two variants have blocks enough to be told apart."""
    return any(each.state != "too few blocks" for each in run.told)


def too_few(run: Run) -> str | None:
    """Return in a sentence that no two variants can be told apart; None where some can, or nothing was asked."""
    if not run.told or tellable(run):
        return None
    pairs = len({(each.a, each.b) for each in run.told})
    blocks = max(each.change.blocks for each in run.told)
    return (
        f"No two variants are told apart: {plural(blocks, 'block')} cannot bear so much of {plural(pairs, 'pair')} at "
        "once. --profile standard has 12 blocks, and says which differ, by how much, and which are tied."
    )


def matrix(run: Run) -> Listing | None:
    """Return every two variants in a square: how much more the row takes than the column.

    With two metrics the first stands below the diagonal and the second above it.
    """
    if not tellable(run):
        return None
    metrics = list(dict.fromkeys(each.metric for each in run.told))[:_MOST]
    known = {(each.a, each.b, each.metric): each for each in run.told}
    told = {name for each in run.told for name in (each.a, each.b)}
    names = [variant.name for variant in run.variants if variant.name in told]
    names.sort(key=lambda name: name != run.baseline)
    out = struck.checks(run)
    rows = []
    for place, name in enumerate(names):
        cells = [MISSING if other == name else "" for other in names]
        for column, other in enumerate(names):
            if other != name:
                metric = metrics[0] if column < place else metrics[-1]
                cells[column] = _cell(known, name, other, metric)
        label = f"{letter(place)} {name}"
        rows.append([Struck(label) if name in out else label, *cells])
    below, above = (measure(metric).name for metric in (metrics[0], metrics[-1]))
    where = f"{below} below the diagonal, {above} above it" if below != above else below
    signs = {sign: meaning for meaning, sign in _SIGNS.items() if any(sign in row[1:] for row in rows)}
    shown = ", ".join(f"{sign} {meaning}" for sign, meaning in signs.items())
    remark = f"The row over the column, in %: {where}{f'; {shown}' if shown else ''}. {_level(run.told)}"
    heads = [Head("variant", words=True), *(Head(letter(place)) for place in range(len(names)))]
    return Listing("told", "Which variants differ", heads, rows, remark)


def pairs(run: Run) -> Listing | None:
    """Return a row per two variants and metric with its interval, those that differ first and most."""
    if not tellable(run):
        return None
    ordered = sorted(run.told, key=lambda each: (_ORDER.index(each.state), -abs(each.change.estimate)))
    rows = [
        [
            each.b, each.a, measure(each.metric).name, each.state, units.change(each.change.estimate),
            units.span(each.change.low, each.change.high, units.change), units.count(each.change.blocks),
        ]
        for each in ordered
    ]  # fmt: skip
    heads = [Head("variant", words=True), Head("over", words=True), Head("metric", words=True)]
    heads += [Head("verdict", words=True), Head("change", "%"), Head("from – to", "%"), Head("blocks")]  # noqa: RUF001 - a range
    return Listing("pairs", "Every two variants", heads, rows, _level(run.told))


def _cell(known: dict[tuple[str, str, str], Told], name: str, other: str, metric: str) -> str:
    if (each := known.get((other, name, metric))) is not None:
        change = each.change.estimate
    elif (each := known.get((name, other, metric))) is not None:
        change = 1 / (1 + each.change.estimate) - 1
    else:
        return MISSING
    return _SIGNS.get(each.state) or _short(change)


def _short(change: float) -> str:
    """Return a change in whole per cent, where that does not make it nothing."""
    text = units.signed(change * 100, lambda value: f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}")  # noqa: PLR2004 - two digits
    return units.Written(text, change)


def _level(told: Sequence[Told]) -> str:
    blocks = sorted({each.change.blocks for each in told if each.change.level is not None})
    levels = sorted({each.change.level for each in told if each.change.level is not None})
    over = " to ".join(dict.fromkeys(str(each) for each in (blocks[0], blocks[-1])))
    return f"At {levels[0] * 100:.3g} % all at once, {over} blocks."


def letter(place: int) -> str:
    """Return A to Z, then AA, AB and so on."""
    return (letter(place // 26 - 1) if place >= 26 else "") + chr(ord("A") + place % 26)  # noqa: PLR2004 - letters
