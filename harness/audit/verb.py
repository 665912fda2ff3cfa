"""What the verb `audit` does: every check on every variant, said as it ends, recorded as a run without trials."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

import reports
from harness import config, plan, run, scenarios, variants
from harness.audit import auditor, series
from harness.bench import assignments
from harness.errors import Exit, UsageError
from harness.provision import Provisions
from reports.exporters import terminal
from reports.files import write_run
from reports.listings import matrix

if TYPE_CHECKING:
    from pathlib import Path

    from harness.processes import Processes
    from harness.run import Job
    from reports.format import Plan, Run
    from reports.record.audited import Audit, Check

_AUDIT_S = 60.0


@dataclass(frozen=True)
class Asked:
    """What the command line asked for: `checks` are numbers or names, none of them means all."""

    variants: list[str]
    checks: list[str]
    quick: bool = False


def audit(asked: Asked, flags: dict[str, Any], settings: list[str], *, as_json: bool) -> Exit:
    """Audit the variants and report; the gravest of what was found decides the exit code."""
    only = _numbers(asked.checks)
    assigned, parameters = assignments(settings)
    if parameters:
        raise UsageError(f"An audit has no scenario, so {next(iter(parameters))!r} is no parameter of it.")
    chosen = config.load({**flags, **({"compare": asked.variants} if asked.variants else {}), **assigned})
    wanted = variants.resolve(chosen.compare, chosen.variants)
    scenario = scenarios.find(chosen.scenario)
    planned = _without_trials(plan.make(chosen, wanted, scenario, scenario.parameters))
    job = run.Job.new(planned, wanted, scenario, out=chosen.out, allow_tmpfs=chosen.allow_tmpfs)
    console = Console(stderr=as_json, highlight=False)
    with run.recorded(job) as (recorded, processes):
        _carry_out(job, recorded, processes, console, quick=asked.quick, only=only)
    return _report(job.folder, recorded, console, as_json=as_json)


def exit_code(audits: list[Audit]) -> Exit:
    """Return what audits are worth to a script."""
    if any(audit.failed for audit in audits):
        return Exit.TESTED_FAILED
    return Exit.COMPONENT if any(audit.error for audit in audits) else Exit.FINE


def _carry_out(
    job: Job, recorded: Run, processes: Processes, console: Console, *, quick: bool, only: set[int] | None
) -> None:
    cpus = recorded.environment.cpus

    def tell(_: str, check: Check) -> None:
        console.print(matrix.line(check), soft_wrap=True)

    with Provisions(
        processes,
        job.plan,
        cpus=cpus.get("store"),
        allow_tmpfs=job.allow_tmpfs,
        run_s=_AUDIT_S * len(job.variants),
        complain=lambda text: console.print(text, markup=False, soft_wrap=True),
    ) as provisions:
        for wanted, record in zip(job.variants, recorded.variants, strict=True):
            entrant = provisions.entrant(wanted, record)
            console.print(Text(wanted.name, style="bold"))
            with provisions.only(entrant):
                made = series.audit(
                    processes,
                    wanted,
                    entrant,
                    folder=job.folder / "audits" / wanted.slug,
                    cpus=cpus.get("app"),
                    quick=quick,
                    only=only,
                    told=tell,
                )
            if made.error:
                console.print(f"  {made.error}", markup=False, soft_wrap=True)
            recorded.audits.append(made)
            write_run(job.folder, recorded)


def _report(folder: Path, recorded: Run, console: Console, *, as_json: bool) -> Exit:
    code = Exit.INTERRUPTED if recorded.status == "interrupted" else exit_code(recorded.audits)
    written = reports.write(folder)
    if as_json:
        answer = {
            "run": str(folder),
            "status": recorded.status,
            "exit_code": int(code),
            "audits": [audit.model_dump() for audit in recorded.audits],
            "report": [str(path) for path in written],
        }
        typer.echo(json.dumps(answer, indent=1))
    else:
        console.print()
        console.print(terminal.Report(recorded))
        console.print(f"Report: {written[0]}", markup=False, soft_wrap=True)
    return code


def _without_trials(planned: Plan) -> Plan:
    """Return a plan under which nothing is loaded, only asked."""
    return planned.model_copy(
        update={"name": "audit", "blocks": 0, "order": [], "sessions": 0, "faults": [], "ladder_per_s": [],
                "objective": None, "audit": True, "ranking": False}
    )  # fmt: skip


def _numbers(given: list[str]) -> set[int] | None:
    """Read checks by number or name; raises UsageError for one that there is not."""
    if not given:
        return None
    known = {each.name: each.number for each in auditor.all_checks()}
    known |= {str(number): number for number in known.values()}
    for text in given:
        if text not in known:
            raise UsageError(f"There is no check {text!r}; {config.nearest(text, [*known][: len(known) // 2])}.")
    return {known[text] for text in given}
