"""Many runs of the same plan in the order in which they were made: series that may be read as one, and their changes.

Runs that differ in what their figures rest on are never in one series; see `judging.fingerprint`. All of it is advice.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from string import ascii_uppercase
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict

from reports.format import Spread  # noqa: TC001 - pydantic reads it at run time
from reports.judging import change_points, fingerprint
from reports.judging.compared import measured, same
from reports.judging.fingerprint import Difference  # noqa: TC001 - pydantic reads it at run time
from reports.judging.metrics import log_ratios, shown
from reports.record.model import Interval
from reports.words.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reports.format import Run
    from reports.judging.compared import Measured

VERSION: Final = 1
METRICS: Final = ("p50_us", "p99_us", "app_cpu_us_per_request", "throughput_per_s")


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Made(_Data):
    """A run of the history."""

    folder: str
    started_at: str
    setting: str
    """The letter of what it was measured on and with."""
    plan: str
    blocks: int
    status: str


class LeftOut(_Data):
    """A folder that is not in it, and why."""

    folder: str
    why: str


class Setting(_Data):
    """What the figures of some runs rest on, but for their variants: machine, load, scenario, generator."""

    letter: str
    runs: int
    differences: list[Difference]
    """From the first one, whose letter is A."""


class Point(_Data):
    """A variant in one run, in one metric; null where no trial of it counts, or none was measured."""

    run: int
    """Place among the runs, from 0."""
    value: Spread | None
    """Over its blocks, in the metric's own unit."""
    over: Interval | None
    """In multiples of what the variant that keeps nothing took in the same block: the middle, and its interval."""
    suspect: int = 0
    """How many of its trials were SUSPECT, and counted."""
    why: str = ""
    """Why there is no figure."""

    @property
    def figure(self) -> float | None:
        """What the series goes by."""
        return self.over.estimate if self.over else self.value.median if self.value else None


class Change(_Data):
    """A new level; advice, since days differ in more than is known."""

    run: int
    """The first run of it, by its place among the runs."""
    before: float
    after: float
    """Medians of the runs between this change and its neighbours."""
    change: float
    """After over before, less one."""
    beside: list[Difference] = []
    """In what this run differs from the one before it, and what does not forbid to compare them."""


class Series(_Data):
    """A variant in one metric over the runs that may be read as one."""

    variant: str
    metric: str
    setting: str
    edition: int
    """From 1; more where the variant itself was another: its driver, store, options, durability."""
    differences: list[Difference]
    """From its first edition in this setting."""
    relative: bool
    """Whether it goes by multiples of the variant that keeps nothing."""
    points: list[Point]
    changes: list[Change]

    @property
    def label(self) -> str:
        """The setting, and the edition where it is not the first: A, A2."""
        return self.setting + (str(self.edition) if self.edition > 1 else "")

    @property
    def known(self) -> list[Point]:
        """The points that have a figure."""
        return [point for point in self.points if point.figure is not None]


class History(_Data):
    """Recorded runs over time. Advice: no change here is a verdict."""

    version: int = VERSION
    folder: str
    runs: list[Made]
    left_out: list[LeftOut]
    settings: list[Setting]
    series: list[Series]
    searched: bool
    """Whether changes were looked for: the library for it was installed."""


@dataclass
class _Runs:
    """Runs that belong into a history, by time, and where each comes from."""

    folders: list[str]
    runs: list[Run]
    left: list[LeftOut]


def history(folder: str, found: Iterable[tuple[str, Run]], left: Sequence[LeftOut] = ()) -> History:
    """Put runs into their order and into series, and look for changes; `found` are folders and what lies in them.

    A run without latency trials, or that holds the trials of another, is left out. `left` are those that could not be
    read.
    """
    kept = _kept(found, left)
    facts = [fingerprint.of(run, ()) for run in kept.runs]
    letters = _grouped(facts)
    firsts = dict(zip(reversed(letters), reversed(facts), strict=True))
    searched = change_points.installed()
    return History(
        folder=folder,
        runs=[
            Made(
                folder=name, started_at=run.started_at, setting=letter, plan=run.plan.name, blocks=run.plan.blocks,
                status=run.status,
            )
            for name, run, letter in zip(kept.folders, kept.runs, letters, strict=True)
        ],
        left_out=kept.left,
        settings=[
            Setting(letter=letter, runs=letters.count(letter), differences=fingerprint.apart(facts[0], firsts[letter]))
            for letter in dict.fromkeys(letters)
        ],
        series=[
            series
            for letter in dict.fromkeys(letters)
            for series in _of_setting(letter, [at for at, own in enumerate(letters) if own == letter], kept.runs)
        ],
        searched=searched,
    )  # fmt: skip


def _kept(found: Iterable[tuple[str, Run]], left: Sequence[LeftOut]) -> _Runs:
    kept = _Runs([], [], [*left])
    for folder, run in sorted(found, key=lambda each: (each[1].started_at, each[0])):
        twin = next((at for at, other in enumerate(kept.runs) if same(run, other)), None)
        if not any(trial.purpose == "latency" for trial in run.trials):
            kept.left.append(LeftOut(folder=folder, why=_why_not(run)))
        elif twin is None:
            kept.folders.append(folder)
            kept.runs.append(run)
        elif len(run.trials) > len(kept.runs[twin].trials):
            # It goes on from the other, and says more.
            kept.left.append(LeftOut(folder=kept.folders[twin], why=f"it holds trials of {folder}"))
            kept.folders[twin], kept.runs[twin] = folder, run
        else:
            kept.left.append(LeftOut(folder=folder, why=f"it holds trials of {kept.folders[twin]}"))
    return kept


def _why_not(run: Run) -> str:
    if run.judgement is not None or any(trial.purpose == "pair" for trial in run.trials):
        return "a regression check: base and head were measured in pairs, and it carries its own verdict"
    if run.audits and not run.plan.blocks:
        return "an audit: nothing was timed"
    return "no trial of it was finished" if not run.trials else "it has no latency trials"


def _grouped(facts: Sequence[Mapping[str, str]]) -> list[str]:
    """Return a letter for each, the same for equal ones, in the order in which they come."""
    seen: list[Mapping[str, str]] = []
    for each in facts:
        if each not in seen:
            seen.append(each)
    return [_letter(seen.index(each)) for each in facts]


def _letter(place: int) -> str:
    """Return A, B and so on, and after Z AA, AB and so on."""
    above, own = divmod(place, len(ascii_uppercase))
    return (_letter(above - 1) if above else "") + ascii_uppercase[own]


def _of_setting(letter: str, places: Sequence[int], runs: Sequence[Run]) -> list[Series]:
    """Return the series of the runs at these places, all of one setting."""
    names = dict.fromkeys(variant.name for at in places for variant in runs[at].variants)
    seen = {at: {each.name: measured(runs[at], each.name) for each in runs[at].variants} for at in places}
    found = []
    for name in names:
        having = [at for at in places if name in seen[at]]
        facts = [_of_variant(runs[at], name) for at in having]
        editions: list[dict[str, str]] = []
        for each in facts:
            if each not in editions:
                editions.append(each)
        for number, edition in enumerate(editions, 1):
            own = [at for at, each in zip(having, facts, strict=True) if each == edition]
            for metric in METRICS:
                points = [_point(at, runs[at], name, metric, seen[at]) for at in own]
                # Who never has a figure is there with the reason, once.
                if any(point.value for point in points) or metric == METRICS[0]:
                    apart = fingerprint.apart(editions[0], edition)
                    made = Series(
                        variant=name, metric=metric, setting=letter, edition=number, differences=apart,
                        relative=any(point.over for point in points), points=points, changes=[],
                    )  # fmt: skip
                    found.append(_searched(made, runs))
    return found


def _of_variant(run: Run, name: str) -> dict[str, str]:
    """Return the facts that a variant's multiples rest on: its own, and those of what they are multiples of."""
    base = run.baseline
    own = fingerprint.of(run, [name] if base in {None, name} else [name, base or ""])
    return own | {"what keeps nothing": base or "–"}  # noqa: RUF001 - the dash of tables


def _point(at: int, run: Run, name: str, metric: str, seen: Mapping[str, Measured]) -> Point:
    own = seen[name]
    value = own.spread(metric)
    over = None if run.baseline in {None, name} else multiples(own, seen[run.baseline or ""], metric)
    why = "" if value else _why_none(run, own)
    return Point(run=at, value=value, over=over, suspect=len(own.suspect), why=why)


def _why_none(run: Run, own: Measured) -> str:
    if (error := run.variant(own.variant).error) is not None:
        return error
    if own.struck and not own.blocks:
        return ", ".join(
            f"{len(trials)} of {plural(own.trials, 'trial')} {state}" for state, trials in own.struck.items()
        )
    return "not measured"


def multiples(own: Measured, base: Measured, metric: str) -> Interval | None:
    """Return multiples of the baseline over the blocks that both have: the middle, and an interval where it may be."""
    both = [
        (without[metric], values[metric])
        for block, values in sorted(own.blocks.items())
        if metric in values and values[metric] > 0 and (without := base.blocks.get(block, {})).get(metric, 0) > 0
    ]
    if not both:
        return None
    change = shown(log_ratios([without for without, _ in both], [mine for _, mine in both]))
    ends = {name: getattr(change, name) + 1 for name in ("estimate", "low", "high")}
    return Interval(**ends, level=change.level, blocks=change.blocks)


def _searched(series: Series, runs: Sequence[Run]) -> Series:
    """Return a series with its changes, and without figures that are in another unit than their neighbours'."""
    if series.relative:
        points = [
            point if point.over or not point.value else point.model_copy(update={"value": None, "why": _NO_BASE})
            for point in series.points
        ]
        series = series.model_copy(update={"points": points})
    return series.model_copy(update={"changes": _changes(series, runs)})


_NO_BASE: Final = "no block has it beside what keeps nothing"


def _changes(series: Series, runs: Sequence[Run]) -> list[Change]:
    known = series.known
    values = [point.figure or 0.0 for point in known]
    if not change_points.installed():
        return []
    starts = change_points.changes(values)
    found = []
    for number, start in enumerate(starts):
        since = starts[number - 1] if number else 0
        until = starts[number + 1] if number + 1 < len(starts) else len(values)
        before, after = statistics.median(values[since:start]), statistics.median(values[start:until])
        earlier, later = runs[known[start - 1].run], runs[known[start].run]
        beside = fingerprint.beside(earlier, later, [series.variant])
        change = after / before - 1 if before else 0.0
        found.append(Change(run=known[start].run, before=before, after=after, change=change, beside=beside))
    return found
