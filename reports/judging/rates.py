"""How often the judge says what: recorded blocks drawn again and again, and looked at as a regression check does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from reports.judging import paired
from reports.judging.family import STANDARD, smallest_effect
from reports.judging.metrics import DECIDING, TOLERANCES, log_ratios
from reports.record.judgement import Tolerance
from reports.words import wording

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    import numpy.typing as npt

    from reports.judging.family import Rules
    from reports.judging.paired import Floats
    from reports.record.recorded_blocks import Block, RecordedBlocks

    Ints: TypeAlias = npt.NDArray[np.int64]

REPEATS: Final = 2_000
REGRESSED, PASS, INCONCLUSIVE = 0, 1, 2
FOUND: Final = 0.9
"""An effect counts as found when so many of the repeats find it."""


@dataclass(frozen=True)
class Cell:
    """One variant at one planted slowdown; verdicts are shares of the repeats."""

    variant: str
    planted: float
    draw_from: int
    """Blocks; where arms are swapped, each counts twice."""
    regressed: float
    passed: float
    inconclusive: float
    blocks: float
    """Mean number until the verdict."""
    minutes: float
    """The same in time; NaN where the file does not say how long a block took."""
    seen: dict[str, float]
    """By metric: the median change, as a share."""


@dataclass(frozen=True)
class Rates:
    """All cells of a file, in its order."""

    rules: Rules
    pairs: int
    cells: list[Cell]
    swapped: list[Cell]
    """Base against base with the arms of each drawn block swapped by a coin, so that no change can be true.

    So many blocks differ on average by some chance, which drawing from them takes for the truth; here it cannot.
    """
    smallest: dict[str, dict[str, float]]
    """By variant and metric: the smallest change that as many blocks as there may be show four times of five."""

    too_few: list[str]
    """Cells with fewer blocks than the first look takes, in words: nothing is said of them."""

    def found(self, variant: str) -> float | None:
        """Return the smallest planted slowdown that nine repeats of ten find, as they do all larger ones."""
        least = None
        for cell in sorted(self.cells, key=lambda each: -each.planted):
            if cell.variant == variant and cell.planted > 0:
                if cell.regressed < FOUND:
                    break
                least = cell.planted
        return least


def rates(
    recorded: RecordedBlocks,
    rules: Rules = STANDARD,
    *,
    repeats: int = REPEATS,
    seed: int = 0,
    pairs: int = 1,
    deciding: Sequence[str] = DECIDING,
    tolerances: Mapping[str, Tolerance] = TOLERANCES,
) -> Rates:
    """Draw from every cell's blocks with replacement, `repeats` times all that a check may have, and judge each draw.

    `pairs` is how many were asked about: for more than one, the others are taken to show nothing, which is the
    strictest that Holm can be. Blocks that lack a metric that decides are left out. The verdicts are exactly those of
    `reports.judging.judge`, and the same seed gives the same.
    """
    family = pairs * len(deciding)
    found = Rates(rules, pairs, [], [], {}, [])
    for number, ((variant, planted), blocks) in enumerate(recorded.cells().items()):
        usable = [each for each in blocks if all(min(each.metrics.get(metric, (0.0,))) > 0 for metric in deciding)]
        if len(usable) < rules.looks[0]:
            found.too_few.append(f"{variant} at {planted:.0%}: {len(usable)} blocks of at least {rules.looks[0]}")
            continue
        asked = _Asked(rules, repeats, family, recorded.seconds_per_block.get(variant, math.nan))
        metrics = [_Metric(usable, metric, tolerances) for metric in deciding]
        found.cells.append(asked.cell(usable[0], metrics, np.random.default_rng([seed, number])))
        if planted == 0:
            both_ways = [*usable, *map(_mirrored, usable)]
            either = [_Metric(both_ways, metric, tolerances) for metric in deciding]
            found.swapped.append(asked.cell(usable[0], either, np.random.default_rng([seed, number, 1])))
            last, alpha = rules.looks[-1], rules.alpha_at(len(rules.looks))
            found.smallest[variant] = {
                each.name: smallest_effect(float(np.std(each.ratios, ddof=1)), last, alpha, family) for each in metrics
            }
    return found


def lines(found: Rates) -> list[str]:
    """Return the rates as a table of text, and under it what can be seen."""
    metrics = list(found.cells[0].seen) if found.cells else []
    heads = "".join(f"{wording.name(metric):>22}" for metric in metrics)
    table = [
        f"{'':<16}{'planted':>8}{'REGRESSED':>11}{'PASS':>8}{'INCONCLUSIVE':>14}{'blocks':>8}{'minutes':>9}{heads}"
    ]
    rows = [(each, f"{each.planted:.0%}") for each in found.cells] + [(each, "swapped") for each in found.swapped]
    for cell, planted in rows:
        shares = zip((cell.regressed, cell.passed, cell.inconclusive), (11, 8, 14), strict=True)
        seen = "".join(f"{cell.seen[metric]:>+20.1%}  " for metric in metrics)
        table.append(
            f"{cell.variant:<16}{planted:>8}{''.join(f'{share:>{width}.1%}' for share, width in shares)}"
            f"{cell.blocks:>8.1f}{cell.minutes:>9.1f}{seen}".rstrip()
        )
    for variant, smallest in found.smallest.items():
        parts = " and ".join(f"{wording.share(value)} in {wording.name(metric)}" for metric, value in smallest.items())
        least = found.found(variant)
        found_too = "" if least is None else f"; of what was planted, {least:.0%} and more is found nine times of ten"
        table.append(f"{variant}: {found.rules.looks[-1]} blocks show {parts} four times of five{found_too}")
    return [*table, *(f"too few blocks: {each}" for each in found.too_few)]


@dataclass(frozen=True)
class _Asked:
    """How cells are drawn and judged."""

    rules: Rules
    repeats: int
    family: int
    seconds_per_block: float

    def cell(self, of: Block, metrics: Sequence[_Metric], dice: np.random.Generator) -> Cell:
        blocks = len(metrics[0].ratios)
        draws = dice.integers(0, blocks, size=(self.repeats, self.rules.looks[-1]))
        verdicts, looks = _verdicts(metrics, draws, self.rules, self.family)
        mean = float(np.asarray(self.rules.looks)[looks].mean())
        return Cell(
            variant=of.variant,
            planted=of.planted,
            draw_from=blocks,
            regressed=float(np.mean(verdicts == REGRESSED)),
            passed=float(np.mean(verdicts == PASS)),
            inconclusive=float(np.mean(verdicts == INCONCLUSIVE)),
            blocks=mean,
            minutes=mean * self.seconds_per_block / 60,
            seen={each.name: math.expm1(paired.estimate(each.ratios)) for each in metrics},
        )


def _mirrored(block: Block) -> Block:
    return block.model_copy(update={"metrics": {name: (head, base) for name, (base, head) in block.metrics.items()}})


class _Metric:
    """One deciding metric of a cell, by block."""

    def __init__(self, blocks: Sequence[Block], name: str, tolerances: Mapping[str, Tolerance]) -> None:
        self.name = name
        self.base = np.asarray([each.metrics[name][0] for each in blocks])
        self.ratios = log_ratios(self.base.tolist(), [each.metrics[name][1] for each in blocks])
        self._tolerance = tolerances.get(name) or Tolerance(share=0.0)

    def bounds(self, draws: Ints) -> Floats:
        """Return for each draw what is tolerated, as a log-ratio."""
        floors = self._tolerance.floor / np.median(self.base[draws], axis=1)
        return np.asarray(np.log1p(np.maximum(self._tolerance.share, floors)))


def _verdicts(metrics: Sequence[_Metric], draws: Ints, rules: Rules, family: int) -> tuple[Ints, Ints]:
    """Return for each draw (a row of numbers of blocks) its verdict, and the look at which it fell, from 0."""
    verdicts, at = np.full(len(draws), INCONCLUSIVE), np.full(len(draws), len(rules.looks) - 1)
    alive = np.arange(len(draws))
    for look, blocks in enumerate(rules.looks):
        alpha, now = rules.alpha_at(look + 1), draws[alive, :blocks]
        ratios = [each.ratios[now] for each in metrics]
        bounds = [each.bounds(now) for each in metrics]
        within = np.stack([tails(b[:, None] - d) <= alpha for b, d in zip(bounds, ratios, strict=True)], axis=1)
        slower = (_holm(np.stack([tails(each) for each in ratios], axis=1), family) <= alpha) & ~within
        if rules.fail_on == "delta":
            for row, column in np.argwhere(slower):
                found = paired.interval(ratios[column][row], alpha)
                slower[row, column] = found is not None and found[0] > bounds[column][row]
        regressed = slower.any(axis=1)
        passed = within.all(axis=1) & ~regressed
        verdicts[alive[regressed]], verdicts[alive[passed]] = REGRESSED, PASS
        at[alive[regressed | passed]] = look
        alive = alive[~(regressed | passed)]
        if not len(alive):
            break
    return verdicts, at


def tails(values: Floats) -> Floats:
    """Return for each row what `paired.p_not_above` does, or 1 where positive ranks make up half of all or less."""
    sizes = np.abs(values)
    order = np.argsort(sizes, axis=1)
    sizes, signed = (np.take_along_axis(each, order, axis=1) for each in (sizes, values))
    ranks = _doubled_ranks(sizes) * (signed != 0)
    # Sums of ranks that are as large as the one seen are as likely as those that are as small as what it lacks.
    lacking, total = (ranks * (signed <= 0)).sum(axis=1), ranks.sum(axis=1)
    p = np.ones(len(values))
    small = np.flatnonzero(2 * lacking < total)
    if len(small):
        p[small] = _at_most(ranks[small], lacking[small])
    return p


def _doubled_ranks(ordered: Floats) -> Ints:
    """Return twice the mid-ranks of rows that are in ascending order."""
    places = np.broadcast_to(np.arange(ordered.shape[1]), ordered.shape)
    begins = np.ones(ordered.shape, dtype=np.bool_)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    ends = np.ones(ordered.shape, dtype=np.bool_)
    ends[:, :-1] = begins[:, 1:]
    first = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, places, ordered.shape[1])[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(first + last + 2, dtype=np.int64)


def _at_most(ranks: Ints, limits: Ints) -> Floats:
    """Return for each row with what probability those of its ranks that a fair coin leaves in add up to its limit."""
    width = int(limits.max()) + 1
    widest = int(ranks.max())
    # What a rank moves in from the left of the first sum is nothing.
    chances = np.zeros((len(ranks), widest + width))
    chances[:, widest] = 1.0
    sums = np.arange(widest, widest + width)
    for column in ranks.T:
        held = chances / 2
        chances[:, widest:] = held[:, widest:] + np.take_along_axis(held, sums - column[:, None], axis=1)
    return np.asarray(np.where(np.arange(width) <= limits[:, None], chances[:, widest:], 0.0).sum(axis=1))


def _holm(p_values: Floats, family: int) -> Floats:
    """Return the adjusted p-values of each row; see `reports.judging.family.holm`."""
    order = np.argsort(p_values, axis=1, kind="stable")
    steps = np.minimum(1.0, np.take_along_axis(p_values, order, axis=1) * (family - np.arange(p_values.shape[1])))
    adjusted = np.empty_like(steps)
    np.put_along_axis(adjusted, order, np.maximum.accumulate(steps, axis=1), axis=1)
    return adjusted
