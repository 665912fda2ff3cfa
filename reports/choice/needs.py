"""What a choice asks of a run: the shape of an answer, who may be one, and why the others may not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from reports.listings import struck, view
from reports.words import units

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from reports.format import Run, Variant

_SHORT: Final = 3
SERVED: Final = "On a server"
"""What goes before how those stand among themselves that need a server."""
State = Literal["best", "tied", "not told apart", "only", "nobody", "unknown"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A candidate's figure: in the recorded unit, and as it is written; low and high are as `Decision.ranges` says."""

    variant: str
    value: float
    low: float
    high: float
    text: str
    """With its unit and its range, such as "2.31 ms (2.20 to 2.45)"."""
    at_least: bool = False
    """Whether it is only a lower bound."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run says to one need."""

    key: str
    """For links and tests: p99, p50, capacity, throughput, app-cpu, cpu, power-loss, restart, revocation, workers, …"""
    need: str
    """In a few words, such as "lowest p99 at 200/s"."""
    state: State
    best: list[str]
    """The variants that are the answer: one where there is a winner, all that share the place where there is none."""
    said: str
    """The answer in a sentence or two, with its figures; it names variants as they are recorded."""
    figures: list[Figure] = field(default_factory=list)
    """Of every candidate that has one, the best first."""

    @property
    def short(self) -> str:
        """The answer in as few words as there are: a name, or several with what stands between them."""
        between = {"tied": " = ", "not told apart": " or "}.get(self.state, ", ")
        return between.join(self.best[:_SHORT]) + (" …" if len(self.best) > _SHORT else "")


@dataclass(frozen=True, slots=True)
class Aside:
    """Variants that are no answer to anything, and why; `mark` is a verdict in capitals, or nothing."""

    names: list[str]
    mark: str
    why: str

    @property
    def text(self) -> str:
        """All of it in a line."""
        return f"{', '.join(self.names)}: {self.reason}"

    @property
    def reason(self) -> str:
        """Mark and why, without the names."""
        between = " " if self.mark == struck.FAILS else ", " if self.mark else ""
        return f"{self.mark}{between}{self.why}"


@dataclass(frozen=True, slots=True)
class Candidates:
    """Who stands for the choice, in the plan's order."""

    variants: list[Variant]
    aside: list[Aside]
    rtt_ms: float | None = None
    """How far their stores are: the shortest distance where a run has several, since figures across distances say
    nothing of a backend. None: no relay stood between."""
    distances: int = 1

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [variant.name for variant in self.variants]


_WHY: Final = {
    "FAILED": "requests failed or were answered wrongly",
    "EXCLUDED": "all its trials are INVALID, by the fault of the machine or of the generator",
    "NO TRIAL": "the run ended before its turn",
}


def candidates(run: Run) -> Candidates:
    """Return who may be an answer: whose figures are trusted, whom no audit strikes, and who keeps sessions at all."""
    rows = view.sheet(run).rows
    out = struck.checks(run)
    distances = {row.variant.rtt_ms for row in rows if row.variant.server is not None}
    nearest = None if None in distances else min((each for each in distances if each is not None), default=None)
    kept, reasons = [], []
    for row in rows:
        name = row.variant.name
        if name in out:
            reasons.append((name, struck.FAILS, struck.reason(out[name]).rstrip(".")))
        elif not row.trusted:
            reasons.append((name, row.state, _why(run, row)))
        elif name == run.baseline:
            reasons.append((name, "", "the baseline, which keeps no session"))
        elif row.variant.server is not None and row.variant.rtt_ms != nearest:
            than = "without a relay" if nearest is None else f"at {nearest:g} ms"
            reasons.append((name, "", f"farther from the store than what is compared here, which stands {than}"))
        else:
            kept.append(row.variant)
    return Candidates(kept, _together(reasons), nearest, len(distances) or 1)


def _why(run: Run, row: view.Row) -> str:
    if row.state == "NOT RUN":
        return str(row.variant.error).rstrip(".")
    if row.state == "OVERLOADED":
        return f"the app or its store did not sustain {view.arrivals(run.plan.load)}"
    return _WHY[row.state]


def _together(reasons: Iterable[tuple[str, str, str]]) -> list[Aside]:
    found: dict[tuple[str, str], list[str]] = {}
    for name, mark, why in reasons:
        found.setdefault((mark, why), []).append(name)
    return [Aside(names, mark, why) for (mark, why), names in found.items()]


def costs(variant: Variant) -> str:
    """Return what is given up with a variant that keeps sessions elsewhere than on a server; nothing for others."""
    keeps = variant.traits.get("keeps")
    return {"process": "one process, lost at exit", "client": "not revocable"}.get(str(keeps), "")


def called(variant: Variant, known: Collection[str] = ()) -> str:
    """Return a variant's name, with what it gives up unless that is known by now."""
    given_up = "" if variant.name in known else costs(variant)
    return f"{variant.name} ({given_up})" if given_up else variant.name


def listed(names: Sequence[str], most: int = 6) -> str:
    """Return names in a row; beyond so many, how many more there are."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])} and {units.plural(len(names) - most + 1, 'other')}"
