"""Two runs set against each other: advice, or a refusal with its reason. Two variants of one run: see between."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict

from reports import stats
from reports.format import Spread
from reports.judging import fingerprint
from reports.judging.fingerprint import Difference  # noqa: TC001 - pydantic reads it at run time
from reports.words.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reports.format import Run, Trial

VERSION: Final = 1
"""Of what an answer looks like as JSON, this one and that of `reports.judging.between`."""
METRICS: Final = ("app_cpu_us_per_request", "p50_us")
CLOSED: Final = "Closed load: latency is service time under saturation, not that at a common rate."
STRUCK: Final = ("INVALID", "FAILED", "OVERLOADED")
"""A wrong answer is not fast, and the latency of a growing queue is that of the window's length."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Row(_Data):
    """A metric of a variant in two runs, in the metric's own unit, over the blocks of each."""

    variant: str
    metric: str
    a: Spread | None
    b: Spread | None
    a_over: Spread | None = None
    """In multiples of what the baseline took in the same block; null where nothing may be computed."""
    b_over: Spread | None = None
    change: float | None = None
    """Of the medians of these multiples, as a share of the first run's: +0.05 is 5 % more."""


class Across(_Data):
    """Two runs: advice that never gates, or both shown and no difference computed."""

    version: int = VERSION
    kind: Literal["advisory", "refused"]
    reasons: list[str] = []
    """Why it was refused."""
    differences: list[Difference] = []
    """Facts that forbid to compare."""
    beside: list[Difference] = []
    """Facts that differ, and do not."""
    baseline: str | None
    """The variant that keeps nothing, by which each block is normalised; null where one of the runs has none."""
    rows: list[Row]
    notes: list[str] = []


@dataclass
class Measured:
    """A variant's metrics by block, the trials that do not count, and those that are doubtful."""

    variant: str
    blocks: dict[int, dict[str, float]] = field(default_factory=dict)
    struck: dict[str, list[Trial]] = field(default_factory=dict)
    suspect: list[Trial] = field(default_factory=list)
    lags_us: list[float] = field(default_factory=list)
    """Median dispatch lag of each trial that counts."""
    trials: int = 0

    def spread(self, metric: str) -> Spread | None:
        """Return what it took over its blocks."""
        return _spread([values[metric] for values in self.blocks.values() if metric in values])

    def over(self, base: Measured, metric: str) -> Spread | None:
        """Return the spread of what it took in multiples of the baseline of the same block."""
        pairs = [(values.get(metric), base.blocks.get(block, {}).get(metric)) for block, values in self.blocks.items()]
        return _spread([own / without for own, without in pairs if own is not None and without])

    def notes(self) -> Iterable[str]:
        """Yield what was left out, what is doubtful, and why."""
        found = [(state, "left out", trials) for state, trials in self.struck.items()]
        for state, what, trials in [*found, ("SUSPECT", "kept", self.suspect)]:
            if trials:
                counted = f"{len(trials)} of {plural(self.trials, 'trial')} {state}, {what}"
                yield f"{self.variant}: {counted}; trial {trials[0].number}: {why(trials[0])}."


def measured(run: Run, name: str) -> Measured:
    """Return a variant's latency trials; a block's last attempt that counts stands for it."""
    found = Measured(name)
    for trial in run.trials:
        figures, closed = next(((arm.figures, arm.closed) for arm in trial.arms if arm.variant == name), (None, None))
        if trial.purpose != "latency" or not any(arm.variant == name for arm in trial.arms):
            continue
        found.trials += 1
        if trial.verdict.state in STRUCK:
            found.struck.setdefault(trial.verdict.state, []).append(trial)
            continue
        if trial.verdict.state == "SUSPECT":
            found.suspect.append(trial)
        if figures is not None:
            # What is only known to be longer is no figure to divide by.
            known = stats.metrics(figures, closed)
            found.blocks[trial.block] = {each: value for each, value in known.items() if each not in figures.at_least}
            found.lags_us += [known[each] for each in known if each == "dispatch_lag_p50_us"]
    return found


def why(trial: Trial) -> str:
    """Return the first reason of a trial's verdict."""
    return next(iter(trial.verdict.reasons), trial.error or "no reason was recorded").rstrip(".")


def _spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    return Spread(median=statistics.median(values), min=min(values), max=max(values), trials=len(values))


def same(a: Run, b: Run) -> bool:
    """Whether two runs hold the very same trials: one of them is a copy of the other, or goes on from it."""
    moments = [{(trial.started_at, trial.t0_monotonic_ns) for trial in run.trials} for run in (a, b)]
    return a.started_at == b.started_at and bool(moments[0] & moments[1])


def across(a: Run, b: Run) -> Across:
    """Set two runs side by side: advice where their fingerprints agree, or else both and no difference.

    Each block's figure is divided by that of the baseline in the same block, and the medians of that are compared.
    There is no interval: the blocks of a run say nothing of how one day differs from another, and figures
    normalised like this still false-alarm at any level that one would print.
    """
    own, other = ([variant.name for variant in run.variants] for run in (a, b))
    common = [name for name in own if name in other]
    baseline = a.baseline if a.baseline == b.baseline else None
    seen = [{variant.name: measured(run, variant.name) for variant in run.variants} for run in (a, b)]
    differences = fingerprint.differences(a, b, common)
    reasons = []
    if differences:
        whats = ", ".join(each.what for each in differences)
        reasons.append(f"The runs differ in what their figures rest on: {whats}.")
    if refusal := _refusal(a, b, seen, common):
        reasons.append(f"{refusal[0].upper()}{refusal[1:]}.")
    names = [name for name in dict.fromkeys([*own, *other]) if reasons or (name in common and name != baseline)]
    rows = [
        _row(name, metric, [side.get(name, Measured(name)) for side in seen])
        if reasons
        else _over(name, metric, [side[name] for side in seen], [side[baseline or ""] for side in seen])
        for name in names
        for metric in METRICS
    ]
    return Across(
        kind="refused" if reasons else "advisory",
        reasons=reasons,
        differences=differences,
        beside=fingerprint.beside(a, b, common),
        baseline=baseline,
        rows=[row for row in rows if row.a or row.b],
        notes=_notes(a, b, seen),
    )


def _refusal(a: Run, b: Run, seen: Sequence[Mapping[str, Measured]], common: Sequence[str]) -> str | None:
    """Return why two runs cannot be compared, whatever their fingerprints say."""
    sides = (("A", a, seen[0]), ("B", b, seen[1]))
    if pairs := " and ".join(side for side, run, _ in sides if not _has_latency(run)):
        return (
            f"in {pairs} variants were served in pairs, not each alone: a regression check carries its own verdict, on "
            "those pairs. Ask for it with compare RUN BASE HEAD"
        )
    if lacking := " and ".join(side for side, run, _ in sides if run.baseline is None):
        return (
            f"there is no variant that keeps nothing (none) in {lacking}, and only as multiples of what that one took "
            "in the same blocks may days be compared. Run again with none among the variants"
        )
    base = a.baseline or ""
    if base != b.baseline:
        return f"what keeps nothing is {base} in A and {b.baseline} in B"
    if not [name for name in common if name != base]:
        return f"they have no variant in common but {base}"
    if spoilt := " and ".join(side for side, _, measured in sides if not measured[base].blocks):
        return f"no trial of {base} counts in {spoilt}"
    return None


def _has_latency(run: Run) -> bool:
    return any(trial.purpose == "latency" for trial in run.trials)


def _row(name: str, metric: str, sides: Sequence[Measured]) -> Row:
    a, b = (side.spread(metric) for side in sides)
    return Row(variant=name, metric=metric, a=a, b=b)


def _over(name: str, metric: str, sides: Sequence[Measured], bases: Sequence[Measured]) -> Row:
    a, b = (side.over(base, metric) for side, base in zip(sides, bases, strict=True))
    change = b.median / a.median - 1 if a and b and a.median else None
    return _row(name, metric, sides).model_copy(update={"a_over": a, "b_over": b, "change": change})


def _notes(a: Run, b: Run, seen: Sequence[Mapping[str, Measured]]) -> list[str]:
    notes = []
    if a.plan.load.kind == "closed":
        notes.append(CLOSED)
    for side, run, other, measured in (("A", a, b, seen[0]), ("B", b, a, seen[1])):
        if run.status != "finished":
            notes.append(f"{side} {'is not finished' if run.status == 'running' else 'was interrupted'}.")
        known = {variant.name for variant in other.variants}
        if alone := [variant.name for variant in run.variants if variant.name not in known]:
            notes.append(f"Only {side} has {', '.join(alone)}.")
        for variant in run.variants:
            if variant.error is not None:
                notes.append(f"{side}: {variant.name} took no part: {variant.error.rstrip('.')}.")
            notes += [f"{side}: {note}" for note in measured[variant.name].notes()]
    return notes
