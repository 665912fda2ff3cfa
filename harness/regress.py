"""What the verb `regress` does: builds base and head, counts, measures, judges, reports, and says it by exit code."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

import reports
from harness import bench, build, check, config, counts_file, exact, pairing, provision, run, scenarios, trial
from harness.errors import ComponentError, Exit, MeasurementError, UsageError
from harness.progress import Progress
from reports.exporters import terminal
from reports.files import write_run
from reports.format import Plan
from reports.judging import judge
from reports.record import counts as counted
from reports.record.judgement import Judgement, Revision

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.config import RegressTable, Settings
    from harness.pairing import Met, Opponents
    from harness.processes import Processes
    from harness.provision import Provisions
    from harness.scenarios import Parameters, Scenario
    from harness.variants import Place
    from reports.format import Run
    from reports.judging.judge import Rules
    from reports.record.counts import Counts
    from reports.record.judgement import Comparison, CountChange

EXITS = {
    "fine": Exit.FINE,
    "regressed": Exit.TESTED_FAILED,
    "inconclusive": Exit.INCONCLUSIVE,
    "component": Exit.COMPONENT,
    "invalid": Exit.INVALID,
}
"""Outcomes by the names that --exit knows."""
_OUTCOME = {"PASS": "fine", "REGRESSED": "regressed", "INCONCLUSIVE": "inconclusive", "INVALID": "invalid"}
_HIGHEST_EXIT = 255


@dataclass(frozen=True)
class Asked:
    """What the command line asked for; `exits` are the exit codes by outcome, with those that were overridden."""

    variants: Sequence[str]
    base: str | None = None
    base_with: Sequence[str] = ()
    base_python: str | None = None
    against: str | None = None
    update_counts: bool = False
    minutes: float | None = None
    exits: dict[str, int] = field(default_factory=lambda: {name: int(code) for name, code in EXITS.items()})

    def __post_init__(self) -> None:
        built = bool(self.base or self.base_with or self.base_python)
        if self.against and built:
            raise UsageError(
                "--against compares two variants of this tree, --base two revisions of each; give one of them."
            )
        if not self.against and not built:
            raise UsageError(
                "regress needs something to compare with: --base REF (such as HEAD~1 or origin/main), "
                "--base-with PKG==VERSION, --base-python EXE, or --against VARIANT."
            )


def exit_codes(texts: Sequence[str]) -> dict[str, int]:
    """Read `--exit NAME=CODE`; raises UsageError for what is none."""
    codes = {name: int(code) for name, code in EXITS.items()}
    for text in texts:
        name, _, code = text.partition("=")
        if name not in codes:
            raise UsageError(f"--exit {text!r}: {config.nearest(name, codes)}; for example --exit inconclusive=0.")
        if not code.isdecimal() or int(code) > _HIGHEST_EXIT:
            raise UsageError(f"--exit {text!r}: an exit code is a whole number from 0 to {_HIGHEST_EXIT}.")
        codes[name] = int(code)
    return codes


def regress(asked: Asked, flags: dict[str, Any], settings: list[str], *, as_json: bool) -> int:
    """Carry a check out; returns the exit code."""
    assigned, parameters = bench.assignments(settings)
    chosen = config.load({"profile": "regress", **flags, **assigned})
    rules = _rules(chosen.regress, chosen.blocks)
    scenario = scenarios.find(chosen.scenario)
    given = scenarios.check_parameters(scenario, {**chosen.parameters, **parameters})
    console = Console(stderr=True)
    with ExitStack() as kept:
        places, revisions = _places(asked, chosen.regress, _sayer(console), kept)
        found = _opponents(asked, chosen, places, _sayer(console))
        watched = pairing.sentinel(chosen.variants, places[0]) if chosen.regress.sentinel else None
        run.check_scenario(scenario)
        every = [*found, *([watched] if watched else [])]
        plan = _plan(chosen, scenario, given, [each.name for each in every])
        wanted = [side for each in every for side in each.both]
        job = run.Job.new(plan, wanted, scenario, out=chosen.out, allow_tmpfs=chosen.allow_tmpfs)
        judged = _Judging(asked, chosen, rules, job, revisions)
        with (
            Progress(console, trials=len(found) * rules.looks[0], seconds=0.0) as progress,
            run.recorded(job) as (recorded, processes),
        ):
            judged.carry_out(recorded, processes, progress, found, watched)
        judged.conclude(recorded)
        write_run(job.folder, recorded)
    return _report(job.folder, recorded, as_json=as_json)


def _sayer(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(f"session-bench: {text}", markup=False, soft_wrap=True, highlight=False)


def _rules(told: RegressTable, most: int) -> Rules:
    looks = [look for look in told.looks if look <= most] or told.looks[:1]
    spent = told.spent[: len(looks)]
    spent[-1] += sum(told.spent[len(looks) :])  # the last look has what later ones would have spent
    try:
        return judge.Rules(tuple(looks), tuple(spent), told.alpha, told.fail_on)
    except ValueError as error:
        raise UsageError(f"[regress]: {error}. Mend looks and spent together.") from None


def _places(
    asked: Asked, told: RegressTable, say: Callable[[str], None], kept: ExitStack
) -> tuple[tuple[Place | None, Place | None], tuple[Revision, Revision]]:
    """Build base and head, where revisions are compared; returns where each is served from, and what it is."""
    if asked.against:
        return (None, None), (Revision(label=asked.against), Revision(label=", ".join(asked.variants)))
    base, head = build.build_both(
        root=Path.cwd(),
        base_ref=asked.base,
        base_with=asked.base_with,
        base_python=asked.base_python,
        cache=told.cache or build.default_cache(),
        say=say,
    )
    for each in (base, head):
        kept.callback(each.hold.release)
    return ((base.python, base.cwd), (head.python, head.cwd)), (base.revision, head.revision)


def _opponents(
    asked: Asked,
    chosen: Settings,
    places: tuple[Place | None, Place | None],
    say: Callable[[str], None],
) -> list[Opponents]:
    if asked.against:
        if not asked.variants:
            raise UsageError(f"--against {asked.against} needs the variant that is compared with it, before it.")
        return pairing.against(asked.variants, asked.against, chosen.variants)
    names = list(asked.variants) or [name for name in chosen.compare if name != "none"]
    base, head = places
    assert base is not None  # noqa: S101 - revisions were built
    assert head is not None  # noqa: S101 - as above
    return pairing.revisions(names, chosen.variants, base, head, say)


def _plan(chosen: Settings, scenario: Scenario, parameters: Parameters, names: list[str]) -> Plan:
    return Plan(
        name="regress",
        profile=chosen.profile,
        scenario=scenario.name,
        parameters=parameters,
        load=check.load_of(chosen.users),
        blocks=chosen.blocks,
        warmup_s=chosen.warmup_s,
        warmup_most_s=chosen.warmup_s,
        window_s=chosen.window_s,
        drain_s=chosen.drain_s,
        sessions=chosen.sessions,
        seed=chosen.seed,
        servers=chosen.servers,
        client=chosen.client,
        order=[names],
    )


@dataclass
class _Judging:
    """Fills a run with what was counted, measured and concluded."""

    asked: Asked
    chosen: Settings
    rules: Rules
    job: run.Job
    revisions: tuple[Revision, Revision]
    counted: list[str] = field(default_factory=list)
    counts: list[CountChange] = field(default_factory=list)
    counts_known: bool = False
    failed: list[str] = field(default_factory=list)
    done: check.Check | None = None

    def carry_out(
        self,
        recorded: Run,
        processes: Processes,
        progress: Progress,
        found: Sequence[Opponents],
        watched: Opponents | None,
    ) -> None:
        """Provision every pair, count first, then measure."""
        cpus = recorded.environment.cpus
        with provision.Provisions(
            processes,
            self.job.plan,
            cpus=cpus.get("store"),
            allow_tmpfs=self.job.allow_tmpfs,
            run_s=3600,
            complain=progress.say,
        ) as provisions:
            met = self._met(provisions, progress, found)
            guard = pairing.provided(provisions, watched, own_stores=False) if watched else None
            recorded.variants = [record for each in [*met, *([guard] if guard else [])] for record in each.records]
            recorded.judgement = self._so_far("INVALID", ["the check did not come to its end"])
            write_run(self.job.folder, recorded)
            met = self._count(processes, met, cpus.get("app"), progress)
            self.done = check.Check(
                self.job.folder,
                recorded,
                trial.Bench(processes, self.job.plan, self.job.scenario, self.job.folder, cpus, progress.live),
                provisions,
                progress,
                self.chosen.regress,
                self.rules,
                met,
                guard,
                self.asked.minutes,
            )
            if met:
                self.done.carry_out()

    def _met(self, provisions: Provisions, progress: Progress, found: Sequence[Opponents]) -> list[Met]:
        met = []
        for each in found:
            progress.preparing(each.name)
            provided = pairing.provided(provisions, each, own_stores=self.chosen.regress.own_stores)
            if provided.error:
                self._fail(f"{each.name}: {provided.error}", progress)
            met.append(provided)
        return met

    def _fail(self, why: str, progress: Progress) -> None:
        self.failed.append(why)
        progress.say(why)

    def _count(
        self, processes: Processes, met: Sequence[Met], cpus: Sequence[int] | None, progress: Progress
    ) -> list[Met]:
        """Count every pair exactly, and say at once what changed; returns those whose apps could be started."""
        path, able = self.chosen.regress.counts, []
        heads: list[Counts] = []
        for each in met:
            if each.error:
                continue
            progress.preparing(f"{each.name}: exact counts")
            try:
                before, now = self._counted(processes, each, cpus)
            except ComponentError as error:
                self._fail(str(error), progress)
                continue
            except MeasurementError as error:  # it answers, but not rightly: its trials show how
                progress.say(str(error))
                able.append(each)
                continue
            able.append(each)
            heads.append(now)
            self.counted.append(each.name)
            for note in now.notes:
                progress.say(f"{each.name}: {note}")
            if not self.asked.against:
                self.counts += counted.changes(before, now, against="base")
        if self.asked.update_counts:
            counts_file.write(path, heads)
            progress.say(f"The counts of {len(heads)} variants were written to {path}; commit it.")
        known, unknown = counts_file.check(path, heads)
        self.counts_known = path.exists()
        self.counts += known
        for text in unknown:
            progress.say(text)
        return able

    @staticmethod
    def _counted(processes: Processes, met: Met, cpus: Sequence[int] | None) -> tuple[Counts, Counts]:
        """Count base and head; the error of one that cannot be stands in its record too."""
        found = []
        for which, entrant, record in zip(("base", "head"), met.sides[0], met.records, strict=True):
            folder = processes.folder / f"counts-{record.slug}"
            try:
                one = exact.measure(processes, entrant, cpus=cpus, folder=folder)
            except ComponentError as error:
                record.error = f"The {which} of {met.name} cannot be measured. {error}"
                raise ComponentError(record.error) from None
            except MeasurementError as error:
                raise MeasurementError(f"The {which} of {met.name} cannot be counted. {error}") from None
            # The file knows a variant by its own name, whichever revision of it was counted.
            found.append(one.model_copy(update={"variant": record.name.removesuffix(f"@{which}")}))
        return found[0], found[1]

    def conclude(self, recorded: Run) -> None:
        """Judge what there is; a check that measured nothing is INVALID."""
        done = self.done
        if recorded.status == "interrupted":
            recorded.judgement = self._so_far("INVALID", ["the check was interrupted"], code=Exit.INTERRUPTED)
            return
        comparisons: list[Comparison] = list(recorded.comparisons)
        sentinel_pair = done.sentinel_pair() if done else None
        found = judge.sentinel(sentinel_pair) if sentinel_pair else None
        out = judge.sentinel_out(sentinel_pair) if sentinel_pair else None
        rose = any(counted.is_more(each) for each in self.counts)
        state = judge.whole(comparisons, counts_more=rose, sentinel=found, sentinel_out=out)
        reasons = [*self.failed, *([out] if out else [])]
        if not comparisons:
            reasons.append("nothing was measured: no pair came as far as its first look")
        if done and done.out_of_time:
            reasons.append(f"the {self.asked.minutes:g} minutes were over before the next look")
        code = self.asked.exits[_OUTCOME[state]]
        if self.failed and state != "REGRESSED":
            state = "INVALID"
            code = self.asked.exits["component"]
        recorded.judgement = self._so_far(state, reasons, code=code)
        recorded.judgement.sentinel = found
        recorded.judgement.look = len(done.earlier) or None if done else None

    def _so_far(self, state: Any, reasons: list[str], *, code: int = Exit.INVALID) -> Judgement:
        base, head = self.revisions
        return Judgement(
            state=state,
            exit_code=int(code),
            reasons=reasons,
            base=base,
            head=head,
            differences=[] if self.asked.against else build.differences(base, head),
            looks=list(self.rules.looks),
            spent=list(self.rules.spent),
            alpha=self.rules.alpha,
            fail_on=self.rules.fail_on,
            counted=[] if self.asked.against else self.counted,
            counts=self.counts,
            counts_known=self.counts_known,
        )


def _report(folder: Path, recorded: Run, *, as_json: bool) -> int:
    assert recorded.judgement is not None  # noqa: S101 - it was concluded
    written = reports.write(folder)
    if as_json:
        typer.echo(json.dumps(json.loads((folder / "report" / "judgement.json").read_text()), indent=1))
    else:
        console = Console(highlight=False)
        console.print(terminal.Report(recorded))
        console.print(f"Report: {written[0]}", markup=False, soft_wrap=True)
    return recorded.judgement.exit_code
