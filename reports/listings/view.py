"""What a report says, before anybody lays it out: rows, cells, servers, captions, shared by all exporters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from reports.listings import evidence, struck
from reports.listings.notes import Footnotes, remarks
from reports.verdict import GRAVITY
from reports.words import units
from reports.words.units import MISSING, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reports.format import Figures, Load, Run, Server, Spread, Summary, Trial, Variant
    from reports.record.audited import Check


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of figures: `short` is its head under that of its `group`; `note` explains it."""

    key: str
    group: str
    short: str
    unit: str
    note: str

    @property
    def head(self) -> str:
        """What it is called where groups have no head of their own."""
        return f"{self.short} {self.group}" if self.group in {"CPU", "RSS"} else self.short


COLUMNS: Final = (
    Column("p50", "latency", "p50", "ms", "half of the requests took no longer; the median of the blocks"),
    Column("range", "latency", "p50 range", "ms", "the smallest and the largest p50 of a block"),
    Column("p95", "latency", "p95", "ms", "95 % of requests took no longer; the median of the blocks"),
    Column("p99", "latency", "p99", "ms", "99 % of requests took no longer; the median of the blocks"),
    Column("max", "latency", "max", "ms", "the slowest request of all blocks"),
    Column("rate", "throughput", "req/s", "", "right answers per second; the median of the blocks"),
    Column("app_cpu", "CPU", "app", "µs/req", "CPU time of the app's processes per request; the median of the blocks"),
    Column("store_cpu", "CPU", "store", "µs/req", "CPU time of the store's processes, likewise"),
    Column("app_rss", "RSS", "app", "MiB", "resident memory of the app's processes; the largest of all blocks"),
    Column("store_rss", "RSS", "store", "MiB", "resident memory of the store's processes, likewise"),
    Column("errors", "errors", "errors", "", "requests that failed or were answered wrongly, and their share"),
)
_IN_OPEN_LOAD: Final = {
    "p50": "half of the arrivals took no longer, from their intended start; the median of the blocks",
    "p95": "95 % of arrivals took no longer, from their intended start; the median of the blocks",
    "p99": "99 % of arrivals took no longer, from their intended start; the median of the blocks",
    "max": "the slowest arrival of all blocks",
    "rate": "right answers per second of the closed phase behind the window; the median of the blocks",
    "app_cpu": "CPU time of the app's processes per request of the open window; the median of the blocks",
}
"""What a column means there, where it is something else."""


def columns(run: Run) -> list[Column]:
    """Return the columns of a run's table, with their notes; open load without a closed phase has no req/s."""
    if not is_open(run):
        return list(COLUMNS)
    return [
        replace(column, note=_IN_OPEN_LOAD.get(column.key, column.note))
        for column in COLUMNS
        if column.key != "rate" or run.plan.closed_s
    ]


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure as it is written, and as it is recorded: µs, bytes, counts; None where there is none."""

    text: str = MISSING
    value: float | None = None

    @property
    def written(self) -> str:
        """The text, which remembers the value where there is one."""
        return self.text if self.value is None else units.Written(self.text, self.value)


@dataclass(frozen=True, slots=True)
class Row:
    """A variant in the table; `notes` are numbers of footnotes."""

    variant: Variant
    state: str
    """The gravest verdict of its trials, or why it has none: NOT RUN, NO TRIAL, EXCLUDED."""
    cells: dict[str, Cell]
    notes: tuple[int, ...]
    trials: int
    name: str
    """The variant's, `Struck` where its audit takes it out of the choice."""
    audit: str = ""
    """Which checks strike it."""
    suspect: int = 0
    """How many of the trials that count are SUSPECT."""

    @property
    def mark(self) -> str:
        """What must be said beside the name; nothing when all is well."""
        return self._said("" if self.state == "VALID" else self._whole)

    @property
    def verdict(self) -> str:
        """The same, where also what is well is said."""
        return self._said(self._whole)

    @property
    def brief(self) -> str:
        """The same where there is room for a word: SUSPECT are those of whose trials half or more are."""
        few = self.state == "SUSPECT" and 2 * self.suspect < self.trials
        return self._said("" if self.state == "VALID" or few else self.state)

    @property
    def _whole(self) -> str:
        some = self.state == "SUSPECT" and self.suspect < self.trials
        return f"{self.suspect} of {self.trials} SUSPECT" if some else self.state

    def _said(self, state: str) -> str:
        return ", ".join(filter(None, [state, self.audit]))

    @property
    def trusted(self) -> bool:
        """Whether its figures may be read as they stand, SUSPECT ones with their footnote."""
        return self.state in {"VALID", "SUSPECT"}

    @property
    def alarming(self) -> bool:
        """Whether the mark is one that nobody may overlook."""
        return not self.trusted or bool(self.audit)

    @property
    def server(self) -> str:
        """The store server's name and version, or a dash."""
        return self.variant.server.label if self.variant.server else MISSING


@dataclass(frozen=True, slots=True)
class Sheet:
    """The table of a run and what stands around it."""

    title: str
    rows: list[Row]
    footnotes: list[str]
    """Numbered from 1."""
    remarks: list[str]
    machine: list[str]
    evidence: dict[int, list[str]] = field(default_factory=dict)
    """Where the evidence is that a footnote rests on, by its number: ids on the page."""


def sheet(run: Run) -> Sheet:
    """Say all that a run's table says."""
    footnotes = Footnotes()
    out = struck.checks(run)
    rows = [_row(run, variant, footnotes, out.get(variant.name, [])) for variant in ordered(run)]
    return Sheet(
        title=title(run),
        rows=rows,
        footnotes=footnotes.texts(run),
        remarks=remarks(run, {row.state for row in rows}, at_least=_at_least(rows)),
        machine=machine(run),
        evidence={
            number: [each for name in names for each in evidence.anchors(run, name, out[name])]
            for number, names in footnotes.struck().items()
        },
    )


def ordered(run: Run) -> list[Variant]:
    """Return the variants in the plan's order, but first what keeps nothing: the rest is seen against it."""
    return sorted(run.variants, key=lambda variant: variant.traits.get("keeps") != "nothing")


def is_open(run: Run) -> bool:
    """Whether its latency is of arrivals at a rate, not of closed loops."""
    return run.plan.load.kind == "open"


def only_audited(run: Run) -> bool:
    """Whether nothing was measured, nor was to be: the run is an audit."""
    return run.plan.name == "audit" and not run.plan.blocks and not run.trials


def throughput(run: Run) -> str:
    """Return the metric that the run's throughput is read from."""
    return "throughput_per_s" if is_open(run) else "requests_per_s"


def title(run: Run) -> str:
    """Return the run in a line."""
    plan = run.plan
    if only_audited(run):
        return f"Audit of {plural(len(run.variants), 'variant')}"
    told = load(plan.load, _rates(run))
    return f"{plan.scenario}, {told} · {plan.profile}: {blocks(run)} of {units.seconds(plan.window_s)}"


def _rates(run: Run) -> list[float]:
    """Return the rates of a regression check, in which every pair may have its own."""
    pairs = [trial.load for trial in run.trials if trial.purpose == "pair" and trial.load is not None]
    return sorted({told.rate_per_s for told in pairs if told.rate_per_s is not None})


def load(told: Load, rates: Sequence[float] = ()) -> str:
    """Return what the generator was told, such as "open load, 300 arrivals/s, at most 64 in flight".

    `rates` are those of a plan that leaves its own open.
    """
    if told.kind == "closed":
        return f"closed load, {plural(told.users, 'user')}"
    even = ", evenly spaced" if told.arrivals == "constant" else ""
    said = f"{arrivals(told)}{even}, "
    if told.rate_per_s is None:
        ends = dict.fromkeys(map(units.per_second, (rates[0], rates[-1]) if rates else ()))
        said = f"{' to '.join(ends)} arrivals/s{even}, " if ends else ""
    return f"open load, {said}at most {told.users:,} in flight"


def arrivals(told: Load) -> str:
    """Return the rate of open load."""
    return f"{units.per_second(told.rate_per_s or 0)} arrivals/s"


def blocks(run: Run) -> str:
    """Return how many blocks were planned; a regression check ends as soon as it is sure."""
    return f"{'' if run.judgement is None else 'at most '}{plural(run.plan.blocks, 'block')}"


def machine(run: Run) -> list[str]:
    """Return where it was measured, a fact a line."""
    environment = run.environment
    lines = [environment.label, f"CPU pinning: {environment.pinning}"]
    if environment.fsync_p50_us is not None:
        disk = f" on {environment.data_folder_filesystem}" if environment.data_folder_filesystem else ""
        lines.append(f"fsync{disk}: p50 {units.ms(environment.fsync_p50_us)} ms")
    return lines


def durability(variant: Variant, *, short: bool = False) -> str:
    """Return what an acknowledged write survives."""
    text = variant.durability
    if not short:
        return text
    if found := re.fullmatch(r"power loss within (.+)", text):
        return f"≤ {found[1]}"
    return {"process restart": "restart", "every acknowledged write": "every write"}.get(text, text)


@dataclass(frozen=True, slots=True)
class Standing:
    """A store server and the variants that stood on it."""

    variants: list[str]
    server: Server


def caption(run: Run, only: Variant | None = None) -> list[str]:
    """Return what a picture of all variants, or of one, must say alone: load, servers, machine."""
    shown = [(", ".join(struck.called(run, name) for name in each.variants), each.server) for each in standings(run)]
    if only is not None:
        shown = [(struck.called(run, only.name), only.server)] if only.server else []
    servers = "; ".join(f"{names}: {server.label}" for names, server in shown)
    meaning = "Closed load: service time under saturation, not comparable to open load."
    if is_open(run):
        alike = "every variant" if run.judgement is None else "base and head"
        meaning = f"Open load: response time from the intended start, at the same rate for {alike}."
    return [
        f"{title(run)}. {meaning}",
        *([f"{servers}."] if servers else []),
        f"{run.environment.label}. {run.started_at[:10]}, session-bench {run.harness_version}.",
    ]


def standings(run: Run) -> list[Standing]:
    """Return every kind of store server once, wherever it listened, with the variants that used it."""
    seen: list[Standing] = []
    for variant in ordered(run):
        if variant.server is None:
            continue
        for standing in seen:
            if standing.server.model_copy(update={"address": variant.server.address}) == variant.server:
                standing.variants.append(struck.named(run, variant.name))
                break
        else:
            seen.append(Standing([struck.named(run, variant.name)], variant.server))
    return seen


def drivers(run: Run) -> dict[str, str]:
    """Return driver and version by variant, for those that have one."""
    return {variant.name: variant.driver for variant in ordered(run) if variant.driver}


def measured(run: Run, name: str) -> Iterator[tuple[Trial, Figures]]:
    """Yield the latency trials of a variant that count, with its figures."""
    for trial in latency_trials(run):
        for arm in trial.arms:
            if arm.variant == name and arm.figures is not None and trial.verdict.state != "INVALID":
                yield trial, arm.figures


def latency_trials(run: Run) -> list[Trial]:
    """Return the trials that make the table, INVALID ones included; the others answer for themselves."""
    return [trial for trial in run.trials if trial.purpose == "latency"]


def _row(run: Run, variant: Variant, footnotes: Footnotes, failed: Sequence[Check]) -> Row:
    summary = next((each for each in run.summaries if each.variant == variant.name), None)
    trials = [trial for trial in latency_trials(run) if any(arm.variant == variant.name for arm in trial.arms)]
    states = [trial.verdict.state for trial in trials if trial.verdict.state != "INVALID"]
    state: str
    if states:
        state = max(states, key=GRAVITY.index)
    elif trials:
        state = "EXCLUDED"
    else:
        state = "NO TRIAL" if variant.error is None else "NOT RUN"
    notes = footnotes.add(variant, trials, failed)
    cells = {column.key: Cell() for column in COLUMNS}
    if summary is not None and summary.trials:
        bounds = {name for _, figures in measured(run, variant.name) for name in figures.at_least}
        cells |= _cells(summary, bounds, throughput(run))
    name = struck.named(run, variant.name)
    count = summary.trials if summary else 0
    return Row(variant, state, cells, notes, count, name, struck.mark(failed), states.count("SUSPECT"))


def _cells(summary: Summary, bounds: set[str], throughput: str) -> dict[str, Cell]:
    def cell(metric: str, write: Callable[[float], str], pick: str = "median") -> Cell:
        spread = summary.metrics.get(metric)
        if spread is None:
            return Cell()
        value: float = getattr(spread, pick)
        return Cell((units.AT_LEAST if metric in bounds else "") + write(value), value)

    errors = str(summary.errors)
    if summary.errors:
        errors = f"{summary.errors:,} ({units.percent(summary.errors / summary.requests)})"
    return {
        "p50": cell("p50_us", units.ms),
        "range": _range(summary.metrics.get("p50_us"), bounded="p50_us" in bounds),
        "p95": cell("p95_us", units.ms),
        "p99": cell("p99_us", units.ms),
        "max": cell("max_us", units.ms, "max"),
        "rate": cell(throughput, units.per_second),
        "app_cpu": cell("app_cpu_us_per_request", units.us),
        "store_cpu": cell("store_cpu_us_per_request", units.us),
        "app_rss": cell("app_rss_bytes", units.mib, "max"),
        "store_rss": cell("store_rss_bytes", units.mib, "max"),
        "errors": Cell(errors, summary.errors),
    }


def _at_least(rows: list[Row]) -> bool:
    return any(cell.text.startswith(units.AT_LEAST) for row in rows for cell in row.cells.values())


def _range(spread: Spread | None, *, bounded: bool) -> Cell:
    if spread is None:
        return Cell()
    sign = units.AT_LEAST if bounded else ""
    return Cell(f"{sign}{units.ms(spread.min)}–{units.ms(spread.max)}", spread.max - spread.min)  # noqa: RUF001 - a range
