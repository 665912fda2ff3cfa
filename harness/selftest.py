"""What the verb `selftest` does: pairs of the same app, slowed by known shares in one arm, and how often that is seen.

Both arms of a block are launched once, and meet in several duets, in each of which the head burns another share of
its CPU, in random order: the launches are the sample, so each share has one of every block.
"""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from harness import bench as verbs
from harness import check, config, pair, plan, provision, run, scenarios, trial, variants
from harness.errors import Exit, MeasurementError, UsageError
from harness.generator import Duet
from harness.plan import Phases, Planned
from harness.progress import Progress
from reports.judging import judge, rates
from reports.record.recorded_blocks import Block, RecordedBlocks, write_blocks
from reports.stats import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.config import Settings
    from harness.processes import Processes
    from harness.provision import Provisions
    from harness.scenarios import Scenario
    from harness.variants import Wanted
    from reports.format import Run
    from reports.record.environment import Environment

_TARGET = "harness.plant:create_app"
_KEPT = ("app_cpu_us_per_request", "p50_us")
_MINUTE_S = 60
_MOST_BLOCKS = 60
_MOST_SHARES = 12


@dataclass(frozen=True)
class Asked:
    """What the command line asked for; `blocks` None is as many as fit into the minutes."""

    variants: Sequence[str]
    minutes: float
    planted: Sequence[float]
    blocks: int | None
    record: Path | None
    repeats: int


def shares(text: str) -> list[float]:
    """Read `--planted 0.03,0.05`; nothing planted is always among them, first."""
    try:
        found = sorted({float(part) for part in text.split(",") if part})
    except ValueError:
        raise UsageError(f"--planted takes shares with commas between them, such as 0.03,0.10, not {text!r}.") from None
    if not all(0 < share <= 1 for share in found) or len(found) > _MOST_SHARES:
        raise UsageError(f"--planted takes at most {_MOST_SHARES} shares above 0 and up to 1, not {text!r}.")
    return [0.0, *found]


def selftest(asked: Asked, flags: dict[str, Any], settings: list[str], *, as_json: bool) -> Exit:
    """Measure, record where it is asked for, and say what this machine can tell apart."""
    assigned, parameters = verbs.assignments(settings)
    chosen = config.load({"profile": "regress", **flags, **assigned})
    scenario = scenarios.find(chosen.scenario)
    given = scenarios.check_parameters(scenario, {**chosen.parameters, **parameters})
    wanted = variants.resolve(list(asked.variants), chosen.variants)
    for each in wanted:
        if each.arm.target != "backends.app:create_app" or each.missing:
            why = each.missing or "it has an app of its own, in which nothing is planted"
            raise UsageError(f"{each.name} cannot be tried: {why}. Name a backend, such as redis.")
    run.check_scenario(scenario)
    planned = plan.make(chosen, wanted, scenario, given).model_copy(update={"name": "selftest"})
    job = run.Job.new(planned, wanted, scenario, out=chosen.out, allow_tmpfs=chosen.allow_tmpfs)
    console = Console(stderr=True)
    trying = _Trying(asked, chosen, job, scenario)
    seconds = asked.minutes * _MINUTE_S
    with Progress(console, trials=(asked.blocks or _MOST_BLOCKS) * len(wanted), seconds=seconds) as progress:
        with run.recorded(job) as (recorded, processes):
            trying.carry_out(recorded, processes, progress)
        found = trying.blocks(recorded.environment)
        if asked.record is not None:
            write_blocks(asked.record, found)
            progress.say(f"{len(found.blocks)} blocks were written to {asked.record}.")
    _say(job.folder, found, asked, as_json=as_json)
    if recorded.status == "interrupted":
        return Exit.INTERRUPTED
    return Exit.FINE if found.blocks else Exit.INVALID


@dataclass
class _Trying:
    asked: Asked
    chosen: Settings
    job: run.Job
    scenario: Scenario
    found: list[Block] = field(default_factory=list)
    rates: dict[str, float] = field(default_factory=dict)
    overhead_s: dict[str, list[float]] = field(default_factory=dict)

    def carry_out(self, recorded: Run, processes: Processes, progress: Progress) -> None:
        """Try one variant after another, each for its part of the time."""
        cpus = recorded.environment.cpus
        with provision.Provisions(
            processes,
            self.job.plan,
            cpus=cpus.get("store"),
            allow_tmpfs=self.job.allow_tmpfs,
            run_s=self.asked.minutes * _MINUTE_S,
            complain=progress.say,
        ) as provisions:
            bench = trial.Bench(processes, self.job.plan, self.scenario, self.job.folder, cpus, progress.live)
            for wanted in self.job.variants:
                self._try(wanted, recorded, bench, provisions, progress)

    def _try(
        self, wanted: Wanted, recorded: Run, bench: trial.Bench, provisions: Provisions, progress: Progress
    ) -> None:
        progress.preparing(wanted.name)
        record = recorded.variant(wanted.name)
        sides = [provisions.entrant(wanted, record) for _ in range(2)]
        if record.error:
            progress.say(record.error)
            return
        given, parts = self.job.plan, len(self.asked.planted)
        until = monotonic() + self.asked.minutes * _MINUTE_S / len(self.job.variants)
        load = given.load.model_copy(update={"rate_per_s": check.PROBE_PER_S})
        for block in range((self.asked.blocks or _MOST_BLOCKS) + 1):
            if block and self.asked.blocks is None and monotonic() > until:
                return
            rng = random.Random(f"{given.seed} {wanted.name} {block}")  # noqa: S311 - an order of parts is no secret
            order = rng.sample(range(parts), parts) if block else [0]
            window_s = given.window_s if block else check.PROBE_S
            phases = Phases(load, given.warmup_s, given.warmup_s, window_s, given.drain_s)
            number = 1 + max((done.number for done in recorded.trials), default=0)
            progress.trial(number, Planned(block, wanted.name, "probe", load), until - monotonic())
            planted = self._planted(sides, [self.asked.planted[part] for part in order])
            with provisions.only(*sides):
                done, tables = pair.measured(
                    bench, planted, phases, Duet(parts=len(order)), number=number, block=block, purpose="probe"
                )
            recorded.trials.append(done)
            if tables is None:
                progress.say(f"Block {block} of {wanted.name} came to nothing: {done.error}")
                if not block:
                    return
                continue
            if not block:  # the first only finds the rate
                self.rates[wanted.name] = self.chosen.regress.rate or check.light_rate(done)
                load = load.model_copy(update={"rate_per_s": self.rates[wanted.name]})
                continue
            self._keep(wanted.name, block, order, tables, load)
            self.overhead_s.setdefault(wanted.name, []).append(done.overhead_s or 0.0)
            if self.asked.record is not None:
                # What is recorded are the blocks; a hundred thousand rows each would fill a disk.
                shutil.rmtree(self.job.folder / "trials" / f"{number:04d}", ignore_errors=True)

    @staticmethod
    def _planted(sides: Sequence[provision.Entrant], planted: Sequence[float]) -> pair.Pair:
        def with_plant(entrant: provision.Entrant, burnt: Sequence[float]) -> provision.Entrant:
            # Written equally long: the size of its environment moves a process's stack, and with it what it costs.
            text = "cpu=" + ",".join(f"{share:.4f}" for share in burnt)
            environment = {**entrant.arm.environment, "SESSION_PLANT": text}
            return replace(entrant, arm=replace(entrant.arm, target=_TARGET, environment=environment))

        base, head = sides
        return pair.Pair(base.record.name, with_plant(base, [0.0] * len(planted)), with_plant(head, planted))

    def _keep(self, name: str, block: int, order: Sequence[int], tables: pair.Measured, load: Any) -> None:
        for part, which in enumerate(order):
            base, head = (metrics(tables.figures(arm, part, load)) for arm in (pair.BASE, pair.HEAD))
            both = {metric: (base[metric], head[metric]) for metric in _KEPT if metric in base and metric in head}
            if both:
                self.found.append(Block(variant=name, planted=self.asked.planted[which], block=block, metrics=both))

    def blocks(self, environment: Environment) -> RecordedBlocks:
        """Return what was found, with how long a block of `regress` takes here."""
        variants_in_order = list(self.rates)
        return RecordedBlocks(
            harness_version=run.harness_version(),
            environment=environment,
            rate_per_s=self.rates,
            seconds_per_block={name: self._block_s(spent) for name, spent in self.overhead_s.items()},
            # As variants came, and nothing planted first: tables are read in this order.
            blocks=sorted(self.found, key=lambda each: (variants_in_order.index(each.variant), each.planted)),
        )

    def _block_s(self, overhead_s: Sequence[float]) -> float:
        told, plan_ = self.chosen.regress, self.job.plan
        slices_s = Duet(slices="0110" * told.slices, slice_s=told.slice_s).seconds(0.0)
        one_s = sum(overhead_s) / len(overhead_s) + plan_.warmup_s + plan_.window_s
        return round(one_s + slices_s + (check.sentinel_share() * one_s if told.sentinel else 0.0), 2)


def _say(folder: Path, found: RecordedBlocks, asked: Asked, *, as_json: bool) -> None:
    seen = rates.rates(found, judge.STANDARD, repeats=asked.repeats)
    if not found.blocks:
        raise MeasurementError(f"Nothing was measured; the trials' reasons are in {folder}.")
    if as_json:
        answer = {
            "run": str(folder),
            "cells": [vars(cell) for cell in seen.cells],
            "swapped": [vars(cell) for cell in seen.swapped],
            "smallest": seen.smallest,
            "too_few": seen.too_few,
        }
        typer.echo(json.dumps(answer, indent=1))
        return
    console = Console(highlight=False)
    for line in rates.lines(seen):
        console.print(line, markup=False, soft_wrap=True)
