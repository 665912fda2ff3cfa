"""What a history says, before anybody lays it out: trends, changes, runs, what parts them, what was left out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Self

from reports.judging import change_points
from reports.listings.listing import Head, Listing
from reports.words import units
from reports.words.measures import Measure, measure
from reports.words.units import MISSING, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.judging.history import Change, History, Point, Series

ADVICE: Final = (
    "Runs of different days: advice, never a gate. Each variant is seen against what keeps nothing in the same block, "
    "which takes most of the day out of it, but not all. A verdict takes both in one run."
)
_THROUGHPUT: Final = Measure("req/s", "", units.per_second)
TIMES: Final = "×"  # noqa: RUF001 - a multiple
_BARS: Final = "▁▂▃▄▅▆▇█"
_GAP: Final = "·"
_MOST_BARS: Final = 12


def told(metric: str) -> Measure:
    """Return how a metric is called and written."""
    return _THROUGHPUT if metric == "throughput_per_s" else measure(metric)


def figure(series: Series, value: float) -> str:
    """Return a figure of a series: a multiple, or in the metric's own unit."""
    return units.significant(value) if series.relative else told(series.metric).write(value)


def unit(series: Series) -> str:
    """Return what figures of a series are in."""
    return TIMES if series.relative else told(series.metric).unit


def ends(series: Series, point: Point) -> str:
    """Return the interval of a figure, or its extremes; a dash for a single block."""
    if series.relative and point.over is not None:
        low, high, blocks = point.over.low, point.over.high, point.over.blocks
    elif point.value is not None:
        low, high, blocks = point.value.min, point.value.max, point.value.trials
    else:
        return MISSING
    return MISSING if blocks == 1 else units.span(low, high, partial(figure, series), "–")  # noqa: RUF001 - a range


def doubt(point: Point) -> str:
    """Return how many trials of a figure are SUSPECT, or nothing."""
    return f"{plural(point.suspect, 'trial')} SUSPECT" if point.suspect else ""


def moment(history: History, place: int) -> str:
    """Return when a run began, to the minute."""
    return history.runs[place].started_at[:16].replace("T", " ")


def trends(history: History, *, drawn: bool = False) -> Listing:
    """Return a row per series: how many runs, the first and the latest figure, and what changed; `drawn` as bars."""
    rows = []
    for series in history.series:
        known = series.known
        first, last = (known[0], known[-1]) if known else (None, None)
        cells = [
            series.variant,
            f"{told(series.metric).name} {unit(series)}".rstrip(),
            series.label,
            units.count(len(known)),
            MISSING if first is None else figure(series, first.figure or 0),
            MISSING if last is None else figure(series, last.figure or 0),
            MISSING if last is None else ends(series, last),
        ]
        rows.append([*cells, *([_bars(series), _last(series)] if drawn else [_changed(history, series)])])
    heads = [
        Head("variant", words=True), Head("metric", words=True), Head("of", words=True), Head("runs"), Head("first"),
        Head("latest"), Head("from–to"), *([Head("trend", words=True)] if drawn else []),  # noqa: RUF001 - a range
        Head("changed", words=True),
    ]  # fmt: skip
    remark = (
        f"{TIMES}: multiples of what the variant that keeps nothing took in the same block, the middle of the blocks. "
        "Of the latest run the 95 % interval, or under six blocks the smallest and the largest. Runs of another letter "
        "differ in what figures rest on, and are series of their own."
    )
    return Listing("trends", "Trends", heads, rows, remark)


def _bars(series: Series) -> str:
    """Return the latest figures of a series as bars between its smallest and its largest; a dot where there is none."""
    figures = [point.figure for point in series.points][-_MOST_BARS:]
    known = [each for each in figures if each is not None]
    if not known:
        return ""
    low, reach = min(known), max(known) - min(known)
    top = len(_BARS) - 1
    return "".join(
        _GAP if each is None else _BARS[round((each - low) / reach * top) if reach else top // 2] for each in figures
    )


def _last(series: Series) -> str:
    """Return the latest change in a few characters."""
    return f"{units.change(series.changes[-1].change)} %" if series.changes else ""


def _changed(history: History, series: Series) -> str:
    if not series.changes:
        return "" if len(series.known) < change_points.FEWEST_RUNS or not history.searched else "no change seen"
    last = series.changes[-1]
    earlier = f", and {plural(len(series.changes) - 1, 'time')} before" if len(series.changes) > 1 else ""
    return f"{units.change(last.change)} % on {moment(history, last.run)[:10]}{earlier}"


class Said(str):
    """A sentence about a variant."""

    __slots__ = ("variant",)
    variant: str

    def __new__(cls, text: str, variant: str) -> Self:
        """Return the text, which remembers whom it is about."""
        said = super().__new__(cls, text)
        said.variant = variant
        return said


def changes(history: History) -> list[Said]:
    """Return a sentence per change, the latest first, each with what else differed from the run before."""
    found = [(change, series) for series in history.series for change in series.changes]
    return [
        Said(_said(history, series, change), series.variant)
        for change, series in sorted(found, key=lambda each: -each[0].run)
    ]


def _said(history: History, series: Series, change: Change) -> str:
    measured = told(series.metric)
    before, after = figure(series, change.before), figure(series, change.after)
    what = f"{series.variant}, {measured.name}: {units.change(change.change)} % from {moment(history, change.run)} on"
    said = f"{what} ({before} → {after} {unit(series)}), first in {history.runs[change.run].folder}"
    beside = [each for each in change.beside if each.what != "fsync, p50"]
    if beside:
        also = "; ".join(f"{each.what} {each.a} → {each.b}" for each in beside)
        return f"{said}. Since the run before it: {also}."
    return f"{said}."


def missing(history: History) -> list[Said]:
    """Return a sentence per series that has no figure in some of its runs, in its first metric, with the reasons."""
    said = []
    for series in history.series:
        without = [point for point in series.points if point.figure is None]
        if series.metric != "p50_us" or not without:
            continue
        whys = dict.fromkeys(point.why.rstrip(".") for point in without)
        first = history.runs[without[0].run].folder
        count = f"{len(without)} of {plural(len(series.points), 'run')}"
        text = f"{series.variant}, {series.label}: no figure in {count}, first in {first}: {'; '.join(whys)}."
        said.append(Said(text, series.variant))
    return said


def how(history: History) -> str:
    """Return how changes were looked for, or why not."""
    if not history.searched:
        return f"Changes were not looked for: that takes ruptures, pip install '{change_points.EXTRA}'."
    longest = max((len(series.known) for series in history.series), default=0)
    few = change_points.FEWEST_RUNS
    if longest < few:
        return f"Changes are looked for in series of {few} runs or more; the longest here has {longest}."
    return (
        f"Changes: PELT over the ranks of series of {few} runs or more (ruptures), at least "
        f"{change_points.FEWEST_BETWEEN} runs each; of series in which nothing changed it marks one in a hundred. A "
        "change of the last few runs is not seen yet."
    )


def runs(history: History) -> Listing:
    """Return the runs."""
    heads = [
        Head("run", words=True), Head("began", words=True), Head("of", words=True), Head("plan", words=True),
        Head("blocks"), Head("status", words=True),
    ]  # fmt: skip
    rows = [
        [each.folder, moment(history, place), each.setting, each.plan, units.count(each.blocks), each.status]
        for place, each in enumerate(history.runs)
    ]
    return Listing("runs", "Runs", heads, rows)


def parts(history: History) -> Listing | None:
    """Return what parts the series: in what each setting differs from the first, and each edition of a variant."""
    rows = [
        [each.letter, "", difference.what, difference.a, difference.b]
        for each in history.settings
        for difference in each.differences
    ]
    seen = set()
    for series in history.series:
        if (key := (series.variant, series.label)) not in seen:
            seen.add(key)
            rows += [
                [series.label, series.variant, difference.what, difference.a, difference.b]
                for difference in series.differences
            ]
    if not rows:
        return None
    heads = [
        Head("of", words=True), Head("variant", words=True), Head("what", words=True), Head("first", words=True),
        Head("here", words=True),
    ]  # fmt: skip
    remark = "In what the runs of a letter differ from those of A, and those of a number in a variant from its first."
    return Listing("parts", "What parts the series", heads, rows, remark).without_empty_columns()


def left(history: History) -> Listing | None:
    """Return what was left out, and why."""
    if not history.left_out:
        return None
    heads = [Head("folder", words=True), Head("why", words=True)]
    return Listing("left-out", "Left out", heads, [[each.folder, each.why] for each in history.left_out])


def points(history: History) -> Listing:
    """Return every figure of every series."""
    heads = [
        Head("variant", words=True), Head("metric", words=True), Head("began", words=True), Head("of", words=True),
        Head("multiple", TIMES), Head("from–to", TIMES), Head("median"), Head("unit", words=True),  # noqa: RUF001 - a range
        Head("note", words=True),
    ]  # fmt: skip
    rows = []
    for series in history.series:
        measured = told(series.metric)
        for point in series.points:
            known = point.over is not None and series.relative
            over = [figure(series, point.over.estimate), ends(series, point)] if known and point.over else [MISSING] * 2
            value = MISSING if point.value is None else measured.write(point.value.median)
            note = point.why or doubt(point)
            began = moment(history, point.run)
            rows.append([series.variant, measured.name, began, series.label, *over, value, measured.unit, note])
    return Listing("points", "Every run of every series", heads, rows).without_empty_columns()


def summary(history: History) -> Sequence[str]:
    """Return what it is of, a line each: how many runs and when, how many were left out."""
    count = len(history.runs)
    when = ""
    if count:
        first, last = (moment(history, place)[:10] for place in (0, -1))
        when = f" of {first}" if first == last else f" from {first} to {last}"
    said = f"{plural(count, 'run')}{when}"
    if len(history.settings) > 1:
        said += f", in {len(history.settings)} settings that differ in what figures rest on"
    return [said]
