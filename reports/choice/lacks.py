"""What a run lacks, each with the command that would add it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.listings import crossover, view
from reports.words.text import plain
from reports.words.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reports.format import Run, Variant

_COMMAND: Final = "session-bench"
_SLO: Final = "p99<20ms,errors<0.1%"
_FAULTS: Final = ("freeze@2+2", "kill@2+2")
_RTT_MS: Final = "0.2,1,5"
_RATE: Final = 200
_SIZES: Final = "big_session"
_ENOUGH: Final = "standard"
_USERS: Final = 64
DEFAULTS: Final[Mapping[str, Mapping[str, float | int | str]]] = {
    "big_session": {
        "sizes": "100,1000,2000,2500,3000,4000,10000,100000", "reads": 8, "writes": 2, "logouts": 1,
    },
    "login_profile": {"reads": 16, "writes": 2, "logouts": 1, "pings": 0, "reconnects": 0},
    "login_storm": {"logins": 8, "reads": 2, "pings": 0, "reconnects": 0},
    "read_heavy": {"reads": 95, "writes": 5, "pings": 0, "reconnects": 0},
    "shared_session": {"reads": 1, "writes": 1, "tabs": 4, "rounds": 20},
    "write_heavy": {"reads": 1, "writes": 1, "pings": 0, "reconnects": 0},
}  # fmt: skip
"""Parameters that a scenario has by itself, which no command must name; of any other scenario all are named."""
_ON: Final = " \\"
"""Behind it a shell reads on in the next line."""


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that the run does not hold, and the words of the command that adds it."""

    key: str
    what: str
    words: list[str]

    @property
    def command(self) -> str:
        """The command as a shell takes it, on one line."""
        return " ".join(self._quoted)

    def lines(self, width: int) -> list[str]:
        """Return the command on lines of at most so many characters where its words allow, as a shell takes them."""
        pieces: list[str] = []
        for word in self._quoted:
            # An option is not parted from its value.
            if pieces and pieces[-1].startswith("--") and " " not in pieces[-1]:
                pieces[-1] += f" {word}"
            else:
                pieces.append(word)
        lines = pieces[:1]
        for piece in pieces[1:]:
            if len(lines[-1]) + len(piece) + len(_ON) < width:
                lines[-1] += f" {piece}"
            else:
                lines.append(f"  {piece}")
        return [line + _ON for line in lines[:-1]] + lines[-1:]

    @property
    def _quoted(self) -> list[str]:
        return [shlex.quote(plain(word)) for word in self.words]


def lacks(run: Run) -> list[Lack]:
    """Return what a run that compares variants lacks, what decides most first."""
    return [Lack(key, what, words) for key, what, words in _found(run)]


def _found(run: Run) -> Iterator[tuple[str, str, list[str]]]:
    plan, names = run.plan, [variant.name for variant in run.variants]
    stored = [variant for variant in run.variants if variant.server is not None]
    is_open = view.is_open(run)
    blocks = len({trial.block for trial in view.latency_trials(run) if trial.verdict.state != "INVALID"})
    if blocks < crossover.FEWEST_TRIALS:
        what = f"blocks enough to tell variants apart: {blocks} of {plural(crossover.FEWEST_TRIALS, 'block')}"
        yield "blocks", what, [*_same(run, profile=_ENOUGH), *_load(run)]
    if run.baseline is None:
        yield "baseline", "the same app without sessions, that costs are seen against", [
            *_same(run, ["none", *names]), *_load(run)
        ]  # fmt: skip
    if not is_open:
        yield "rate", "latency at a rate of arrivals", [*_same(run), "--rate", str(_RATE)]
    if plan.objective is None and not run.capacities:
        load = _load(run) if is_open else ["--rate", str(_RATE)]
        yield "capacity", "capacity under an objective of yours", [*_same(run), *load, "--slo", _SLO]
    if is_open and not plan.ladder_per_s:
        rates = ",".join(f"{(plan.load.rate_per_s or _RATE) * times:g}" for times in (0.5, 2, 4))
        yield "ladder", "latency at other rates", [*_same(run), *_load(run), "--ladder", rates]
    yield from _checked(run)
    if stored and not plan.faults:
        load = _load(run) if is_open else ["--rate", str(_RATE)]
        words = [word for fault in _FAULTS for word in ("--fault", fault)]
        of = [variant.name for variant in stored]
        yield "fault", "what happens while the store is away", [*_same(run, of), *load, *words]
    # A table of the settings has a name of its own, which no distance can be added to.
    far = [variant.name for variant in stored if variant.rtt_ms is None and _is_of(variant)]
    if far and all(variant.rtt_ms is None for variant in stored):
        load = _load(run)
        yield "rtt", "what distance to the store costs", [*_same(run, far), *load, "--rtt", _RTT_MS]
    if plan.scenario != _SIZES:
        load = ["--rate", f"{plan.load.rate_per_s:g}"] if plan.load.rate_per_s else []
        yield "sizes", "larger sessions, and where a cookie ends", [
            _COMMAND, "run", *names, "--scenario", _SIZES, *load
        ]  # fmt: skip


def _checked(run: Run) -> Iterator[tuple[str, str, list[str]]]:
    """Yield what is to be had without load: an audit, and exact counts."""
    names = [variant.name for variant in run.variants]
    if not run.audits or any(audit.quick for audit in run.audits):
        what = "an audit" if not run.audits else "the whole audit, of which the quick set is a part"
        audited = [name for name in names if name != run.baseline] or names
        yield "audit", f"{what}: whether sessions are right", [_COMMAND, "audit", *audited]
    if not run.counts:
        what = "what each step takes, counted exactly: round trips, bytes, the cookie"
        yield "counts", what, [*_same(run), *_load(run), "--counts"]


def _same(run: Run, names: Sequence[str] = (), *, profile: str = "") -> list[str]:
    """Return the command that runs the same again, but for its load."""
    plan = run.plan
    words = [_COMMAND, "run", *(names or [variant.name for variant in run.variants]), "--scenario", plan.scenario]
    if profile or plan.profile != "quick":
        words += ["--profile", profile or plan.profile]
    own = DEFAULTS.get(plan.scenario, {})
    for name, value in plan.parameters.items():
        if name not in own or own[name] != value:
            words += ["--set", f"{name}={value}"]
    return words


def _load(run: Run) -> list[str]:
    load = run.plan.load
    if load.rate_per_s is None:
        # Without a rate these are closed loops.
        return ["--users", str(load.users)]
    return ["--rate", f"{load.rate_per_s:g}", *([] if load.users == _USERS else ["--users", str(load.users)])]


def _is_of(variant: Variant) -> bool:
    return variant.name.partition(":")[0] == variant.backend
