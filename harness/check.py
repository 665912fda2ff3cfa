"""A regression check as it goes: blocks of pairs in random order, looks at them, and a sentinel beside them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from harness import pair as pairs_of_arms
from harness import pairing
from harness.errors import MeasurementError
from harness.generator import Duet
from harness.plan import Phases, Planned
from reports.files import write_run
from reports.format import Load
from reports.judging import judge, pairs
from reports.record.judgement import Tolerance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.config import RegressTable
    from harness.pairing import Met
    from harness.progress import Progress
    from harness.provision import Provisions
    from harness.trial import Bench
    from reports.format import Run, Trial
    from reports.judging.judge import Pair, Rules
    from reports.record.judgement import Comparison

_SENTINEL_BLOCKS = 8
_SENTINEL_EVERY = 3
PROBE_PER_S = 200.0
PROBE_S = 1.5
_APP_SHARE = 0.30
"""Of the CPU that both apps share, in a duet: what one arm costs must not become the other's wait."""
_OTHERS_SHARE = 0.50
"""Of the CPU that generator and store share."""
_LEAST_PER_S, _MOST_PER_S = 20.0, 2000.0
_ATTEMPTS = 2
_TRIAL_OVERHEAD_S = 2.5


@dataclass
class Check:
    """Carries a check out on what was provisioned; `earlier` are the comparisons of each look."""

    folder: Path
    run: Run
    bench: Bench
    provisions: Provisions
    progress: Progress
    told: RegressTable
    rules: Rules
    met: list[Met]
    sentinel: Met | None
    minutes: float | None = None
    earlier: list[list[Comparison]] = field(default_factory=list)
    sentinel_found: Comparison | None = None
    rates: dict[str, float] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    out_of_time: bool = False
    _begun: float = field(default_factory=monotonic)

    def carry_out(self) -> None:
        """Measure block after block until every pair is decided, the looks are spent, or the time is."""
        for met in self._all():
            self.rates[met.name] = self.told.rate or self._light_rate(met)
        undecided = [met.name for met in self.met]
        block = 0
        for look, until in enumerate(self.rules.looks, 1):
            while block < until:
                if self._spent(block):
                    self.out_of_time = True
                    return
                block += 1
                self._block(block, [met for met in self.met if met.name in undecided])
            undecided = self._look(look)
            if not undecided:
                return

    def _all(self) -> list[Met]:
        return [*self.met, *([self.sentinel] if self.sentinel else [])]

    def _spent(self, block: int) -> bool:
        """Say whether there is no time for another block."""
        if self.minutes is None or not block:
            return False
        spent_s = monotonic() - self._begun
        return spent_s + spent_s / block > self.minutes * 60

    def _block(self, block: int, met: Sequence[Met]) -> None:
        rng = random.Random(f"{self.run.plan.seed} block {block}")  # noqa: S311 - an order of trials is no secret
        here = [each for each in met if each.name not in self.broken]
        if self.sentinel is not None and _has_sentinel(block) and here:
            here.append(self.sentinel)
        for each in rng.sample(here, len(here)):
            for attempt in range(1, _ATTEMPTS + 1):
                done = self._trial(each, block, attempt, rng)
                if done.error is None:
                    break
            else:
                self.broken[each.name] = done.error or ""

    def _trial(self, met: Met, block: int, attempt: int, rng: random.Random) -> Trial:
        tails = 0 if met.name == pairing.SENTINEL else self.told.slices
        program = Duet(slices=pairs_of_arms.interleaved(tails, rng), slice_s=self.told.slice_s)
        plan = self.run.plan
        load = plan.load.model_copy(update={"rate_per_s": self.rates[met.name]})
        phases = Phases(load, plan.warmup_s, plan.warmup_s, plan.window_s, plan.drain_s)
        return self._measured(met, phases, program, Planned(block, met.name, "pair", load, attempt), rng)

    def _measured(self, met: Met, phases: Phases, program: Duet, planned: Planned, rng: random.Random) -> Trial:
        number = 1 + max((done.number for done in self.run.trials), default=0)
        self.progress.trial(number, planned, self._left_s(planned.block))
        pair = met.pair(flip=rng.random() < 0.5)  # noqa: PLR2004 - a coin
        with self.provisions.only(pair.base, pair.head):
            done, _ = pairs_of_arms.measured(
                self.bench,
                pair,
                phases,
                program,
                number=number,
                block=planned.block,
                attempt=planned.attempt,
                purpose=planned.purpose,
            )
        self.run.trials.append(done)
        write_run(self.folder, self.run)
        return done

    def _light_rate(self, met: Met) -> float:
        """Find the rate at which neither CPU has much to do; raises MeasurementError where nothing answers."""
        plan = self.run.plan
        load = plan.load.model_copy(update={"rate_per_s": PROBE_PER_S})
        phases = Phases(load, plan.warmup_s, plan.warmup_s, PROBE_S, plan.drain_s)
        done = self._measured(met, phases, Duet(), Planned(1, met.name, "probe", load), random.Random(0))  # noqa: S311
        return light_rate(done)

    def _look(self, look: int) -> list[str]:
        found = judge.judge(self.pairs(), self.rules, look=look, earlier=self.earlier)
        self.earlier.append(found)
        self.run.comparisons = found
        write_run(self.folder, self.run)
        return [name for name in judge.undecided(found, self.rules) if name not in self.broken]

    def pairs(self) -> list[Pair]:
        """Return what was measured of every pair that was asked about; one that could not be is invalid."""
        found = {pair.name: pair for pair in self._pairs(self.met)}
        for met in self.met:
            names = [record.name for record in met.records]
            pair = found.setdefault(met.name, judge.Pair(met.name, names[0], names[1], values={}))
            if why := self.broken.get(met.name) or met.error:
                pair.invalid.append(why)
        return [found[met.name] for met in self.met]

    def sentinel_pair(self) -> Pair | None:
        """Return what was measured of the sentinel."""
        return next(iter(self._pairs([self.sentinel])), None) if self.sentinel else None

    def _pairs(self, met: Sequence[Met]) -> list[Pair]:
        names = {(each.records[0].name, each.records[1].name): each.name for each in met}
        mine = [done for done in self.run.trials if tuple(arm.variant for arm in done.arms) in names]
        return pairs.pairs_of(
            mine,
            tolerances={each.name: tolerances(self.told, each.name) for each in met},
            deciding={each.name: deciding(self.told, each.name) for each in met},
            names=names,
        )

    def _left_s(self, block: int) -> float:
        until = next((blocks for blocks in self.rules.looks if blocks >= block), block)
        spent_s = monotonic() - self._begun
        each_s = spent_s / (block - 1) if block > 1 else self.block_s()
        return each_s * max(1, until - block + 1)

    def block_s(self) -> float:
        """Estimate how long a block takes."""
        plan, told = self.run.plan, self.told
        one_s = _TRIAL_OVERHEAD_S + plan.warmup_s + plan.window_s
        slices_s = Duet(slices="0110" * told.slices, slice_s=told.slice_s).seconds(0.0)
        sentinel_s = one_s * sentinel_share() if self.sentinel else 0.0
        return len(self.met) * (one_s + slices_s) + sentinel_s


def _has_sentinel(block: int) -> bool:
    """Say whether the sentinel runs in a block: eight times in the first twelve, then more rarely."""
    in_first = block * 2 % 3 != 0 if block <= 12 else False  # noqa: PLR2004 - the first look
    return in_first or (block > 12 and block % _SENTINEL_EVERY == 0)  # noqa: PLR2004 - as above


def sentinel_share() -> float:
    """Return how many blocks of the sentinel come with one block of a pair, up to the first look."""
    return _SENTINEL_BLOCKS / judge.LOOKS[0]


def light_rate(probe: Trial) -> float:
    """Return the arrivals a second at which no CPU has much to do, from a trial of a pair at another rate.

    Raises MeasurementError where an arm was not measured.
    """
    base, head = (arm.figures for arm in probe.arms)
    load = probe.load
    if base is None or head is None or load is None or load.rate_per_s is None:
        names = " and ".join(arm.variant for arm in probe.arms)
        raise MeasurementError(f"{names} could not be measured at all: {probe.error}")
    app = sum(figures.cpu_share["app"] or 0.0 for figures in (base, head))
    others = base.cpu_share["generator"] or 0.0
    stores = {figures.cpu_share["store"] or 0.0 for figures in (base, head)}  # a shared one is the same in both
    room = min(_APP_SHARE / max(app, 0.01), _OTHERS_SHARE / max(others + sum(stores), 0.01))
    return min(_MOST_PER_S, max(_LEAST_PER_S, round(load.rate_per_s * room / 10) * 10.0))


def tolerances(told: RegressTable, name: str) -> dict[str, Tolerance]:
    """Return the tolerances of one variant, by metric: its own, else those for all, else the built-in ones."""
    own = told.variants.get(name)
    found = {}
    for metric, known in judge.TOLERANCES.items():
        shares = [table.tolerance[metric] for table in (own, told) if table and metric in table.tolerance]
        floors = [table.floor[metric] for table in (own, told) if table and metric in table.floor]
        found[metric] = Tolerance(share=[*shares, known.share][0], floor=[*floors, known.floor][0])
    return found


def deciding(told: RegressTable, name: str) -> tuple[str, ...]:
    """Return the metrics that decide about one variant."""
    own = told.variants.get(name)
    return tuple((own and own.decide) or told.decide or judge.DECIDING)


def load_of(users: int) -> Load:
    """Return the load of a check before its rates are known."""
    return Load(kind="open", users=users)
