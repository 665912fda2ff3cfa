"""What a judgement says, before anybody lays it out: headline, rows, noise floor, reasons."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.judging.metrics import effective
from reports.listings.listing import Head, Listing
from reports.record.counts import is_more
from reports.words import measures, units, wording
from reports.words.measures import counted, measure
from reports.words.units import MISSING, Written, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.format import Run
    from reports.record.judgement import Comparison, Judged, Judgement, Revision


ALPHA: Final = 0.05
"""Of a comparison that nothing is spent on."""


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of a pair, in words; base and head are medians of the blocks, `seen` is the noise floor."""

    pair: str
    metric: str
    unit: str
    base: str
    head: str
    change: str
    interval: str
    tolerance: str
    p: str
    seen: str
    verdict: str
    judged: Judged

    @property
    def alarming(self) -> bool:
        """Whether it speaks for a regression."""
        return self.judged.decides and self.judged.state == "slower"


def tolerance(judged: Judged) -> float:
    """Return the share that is tolerated, the floor taken into account."""
    return effective(judged.tolerance, judged.base) if judged.base else judged.tolerance.share


def moved(judged: Judged) -> str:
    """Return "slower by 4.6 % [3.1, 6.0] in p50; the tolerance is 5 %", or faster."""
    if judged.change is None:
        return f"{wording.name(judged.metric)} was not measured"
    found = wording.change(judged.change, judged.metric)
    return f"{found}; the tolerance is {wording.tolerance(tolerance(judged))}"


def unclear(judged: Judged) -> str:
    """Return why a metric is not settled."""
    if judged.change is None:
        return f"{wording.name(judged.metric)} was not measured"
    return wording.unclear(judged.change, judged.metric, tolerance(judged), judged.smallest_seen)


def alpha(judgement: Judgement) -> float:
    """Return what the look at which it ended may spend."""
    if judgement.look is None or not 1 <= judgement.look <= len(judgement.spent):
        return judgement.alpha
    return judgement.alpha * judgement.spent[judgement.look - 1]


def row(pair: str, judged: Judged, level: float) -> Row:
    """Put one metric into words; a change within the tolerance is told when it is real at `level`."""
    told, change = measure(judged.metric), judged.change
    tolerated, seen = tolerance(judged), judged.smallest_seen
    words = {"within": "within", "unclear": "unclear", "slower": "slower", "faster": "faster"}[judged.state]
    p = judged.p_slower_adjusted if judged.p_slower_adjusted is not None else judged.p_slower
    if judged.state == "faster":
        p = judged.p_faster_adjusted if judged.p_faster_adjusted is not None else judged.p_faster
    if real(judged, level):
        words = "within, yet slower"
    elif judged.state == "within":
        p = judged.p_within
    if not judged.decides:
        words += " (shown)"
    return Row(
        pair=pair,
        metric=told.name,
        unit=told.unit,
        base=told.write(statistics.median(judged.base)) if judged.base else MISSING,
        head=told.write(statistics.median(judged.head)) if judged.head else MISSING,
        change=units.change(change.estimate) if change else MISSING,
        interval=units.span(change.low, change.high, units.change) if change else MISSING,
        tolerance=Written(wording.tolerance(tolerated).removesuffix(" %"), tolerated),
        p=MISSING if p is None else units.p_value(p),
        seen=MISSING if seen is None else Written(f"{seen * 100:.1f}", seen),
        verdict=words,
        judged=judged,
    )


def real(judged: Judged, level: float) -> bool:
    """Whether it is slower beyond doubt, and all the same within the tolerance."""
    p = judged.p_slower_adjusted if judged.p_slower_adjusted is not None else judged.p_slower
    return judged.state == "within" and p is not None and p <= level


def rows(comparisons: Iterable[Comparison], level: float = ALPHA) -> list[Row]:
    """Return a row per pair and metric, what decides first."""
    return [
        row(each.name, judged, level)
        for each in comparisons
        for judged in sorted(each.metrics, key=lambda judged: not judged.decides)
    ]


HEADS: Final = (
    Head("metric", words=True), Head("verdict", words=True), Head("change", "%"), Head("95 % interval", "%"),
    Head("tolerance", "%"), Head("p"), Head("could see", "%"), Head("base"), Head("head"),
)  # fmt: skip
HOW: Final = (
    "Change: the middle of the blocks' changes (Hodges-Lehmann), more is worse; base and head are medians of the "
    "blocks. p: exact, one-sided, of what the verdict says (where it is unclear, of slower); slower and faster are "
    "adjusted over all that decides (Holm). Could see: the smallest change that these blocks would have shown, four "
    "times of five. What is only shown decides nothing."
)


def cells(each: Row) -> list[str]:
    """Return what stands under `HEADS`."""
    return [
        f"{each.metric} {each.unit}".strip(), each.verdict, each.change, each.interval, each.tolerance, each.p,
        each.seen, each.base, each.head,
    ]  # fmt: skip


def changes(comparisons: Iterable[Comparison], level: float = ALPHA) -> Listing:
    """Return the table of all pairs."""
    lines = [[each.pair, *cells(each)] for each in rows(comparisons, level)]
    return Listing("changes", "Changes", [Head("pair", words=True), *HEADS], lines, HOW)


def counts(judgement: Judgement) -> Listing | None:
    """Return the exact counts that changed."""
    if not judgement.counts:
        return None
    heads = [Head("variant", words=True), Head("step", words=True), Head("count", words=True)]
    heads += [Head("before"), Head("now"), Head("against", words=True)]
    lines = [
        [
            each.variant, each.step, measures.COUNT_NAMES.get(each.count, each.count),
            *(MISSING if known is None else units.count(known) for known in (each.before, each.now)),
            {"base": "this run's base", "file": "the committed file"}[each.against],
        ]
        for each in judgement.counts
    ]  # fmt: skip
    remark = "Counted once, without load, on a warm connection: there is no noise in them, so any change is one."
    return Listing("counts", "Exact counts that changed", heads, lines, remark)


def headline(judgement: Judgement, comparisons: Sequence[Comparison]) -> str:
    """Return the verdict in a line, without the state that goes before it."""
    said = reasons(judgement, comparisons)
    if judgement.state == "PASS":
        names = ", ".join(each.name for each in comparisons) or "nothing"
        told = f"{names}: nothing that decides is slower by its tolerance or more"
        return f"{told}; {said[0]}{and_more(len(said) - 1)}" if said else told
    return f"{said[0].rstrip('.')}{and_more(len(said) - 1)}" if said else "no reason was recorded"


def reasons(judgement: Judgement, comparisons: Sequence[Comparison]) -> list[str]:
    """Return every reason once, those of the verdict's own state first, those of a pair with its name before them."""
    ordered = sorted(comparisons, key=lambda each: each.state != judgement.state)
    own = [(each, reason) for each in ordered for reason in each.reasons]
    whole = [reason for reason in judgement.reasons if not any(known in reason for _, known in own)]
    risen = [counted(change) for change in judgement.counts if is_more(change)]
    risen = [text for text in risen if not any(text in known for known in whole)]
    pairs = [reason if reason.startswith(f"{each.name}:") else f"{each.name}: {reason}" for each, reason in own]
    first = [text for text, (each, _) in zip(pairs, own, strict=True) if each.state == judgement.state]
    if judgement.state == "INVALID":
        return list(dict.fromkeys([*whole, *pairs, *risen]))
    return list(dict.fromkeys([*first, *risen, *whole, *pairs]))


def and_more(count: int) -> str:
    """Return how many are not named."""
    return f" (and {count} more)" if count > 0 else ""


def revision(each: Revision) -> str:
    """Return a revision as one names it: its label, its commit, and whether anything in it is not committed."""
    facts = [each.commit[:10]] if each.commit and not each.label.startswith(each.commit[:7]) else []
    facts += ["not all committed"] if each.dirty else []
    return f"{each.label} ({', '.join(facts)})" if facts else each.label


def about(run: Run, judgement: Judgement) -> str:
    """Return what was compared, over how many blocks, and with which seed."""
    done = max((each.blocks for each in run.comparisons), default=0)
    looks = f" of at most {judgement.looks[-1]}" if judgement.looks else ""
    if judgement.look:
        looks += f" (look {judgement.look} of {len(judgement.looks)})"
    return (
        f"base {revision(judgement.base)}, head {revision(judgement.head)} · {plural(done, 'block')}{looks} · "
        f"seed {run.plan.seed}"
    )


def over(comparison: Comparison) -> str:
    """Return how many blocks a pair was judged over."""
    return plural(comparison.blocks, "block")


def floor(comparisons: Sequence[Comparison]) -> str:
    """Return the noise floor of the run in a sentence; empty where nothing was measured."""
    seen: dict[str, list[float]] = {}
    for each in comparisons:
        for judged in each.metrics:
            if judged.decides and judged.smallest_seen is not None:
                seen.setdefault(judged.metric, []).append(judged.smallest_seen * 100)
    said = []
    for metric, shares in seen.items():
        ends = dict.fromkeys(f"{share:.1f}" for share in (min(shares), max(shares)))
        said.append(f"{'–'.join(ends)} % in {measure(metric).name}")  # noqa: RUF001 - a range
    if not said:
        return ""
    return f"Noise floor of this run: it would have shown, four times of five, a change of {', '.join(said)}."


def sentinel(judgement: Judgement) -> str:
    """Return what the A/A pair showed; empty where none ran."""
    pair = judgement.sentinel
    if pair is None:
        return ""
    ends = [
        f"{measure(each.metric).name} {units.change(each.change.estimate)} %" for each in pair.metrics if each.change
    ]
    said = f"Sentinel, the same code against itself in {plural(pair.blocks, 'block')}: {', '.join(ends) or MISSING}"
    found = {"PASS": "in range", "INCONCLUSIVE": "too few to tell"}.get(pair.state, "out of range")
    return f"{said}; {found}."


def beside(run: Run, judgement: Judgement) -> list[str]:
    """Return what stands beside the verdict: the noise floor, the sentinel, and whose exact counts are the same."""
    changed = {each.variant for each in judgement.counts if each.against == "base"}
    same = [name for name in judgement.counted if name not in changed]
    counted_alike = f"Exact counts of every step are the same in base and head: {', '.join(same)}." if same else ""
    return [each for each in (floor(run.comparisons), sentinel(judgement), counted_alike) if each]


def void(judgement: Judgement) -> bool:
    """Whether the sentinel takes every time of the run with it."""
    return judgement.sentinel is not None and judgement.sentinel.state in {"INVALID", "REGRESSED"}


def versions(judgement: Judgement) -> str:
    """Return how the installed versions differ; empty where nothing was built."""
    if not (judgement.base.packages or judgement.differences):
        return ""
    if not judgement.differences:
        return "Installed versions do not differ."
    return f"Installed versions that differ: {'; '.join(judgement.differences)}."
