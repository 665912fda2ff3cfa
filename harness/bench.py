"""What the verbs `run` and `report` do, from settings to the table at the end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

import reports
from harness import config, plan, provision, run, scenarios, variants
from harness.errors import Exit, UsageError
from harness.progress import Progress
from reports.exporters import decision_json, terminal
from reports.files import read_run

if TYPE_CHECKING:
    from pathlib import Path

    from reports.format import Plan, Run

_MIB = 2**20
_MINUTE_S = 60


def start(flags: dict[str, Any], settings: list[str], *, like: Path | None, dry_run: bool, as_json: bool) -> Exit:
    """Plan a new run, and carry it out unless it is a dry one."""
    if "users" in flags and "rate" not in flags:
        flags = {**flags, "rate": 0}  # closed loops, as with Locust
    given = {**(_like(read_run(like)) if like else {}), **flags}
    assigned, parameters = assignments(settings)
    # The scenario decides which names are parameters, and a flag of its own decides the scenario.
    parameters = {**given.pop("parameters", {}), **parameters}
    chosen = config.load({**given, **assigned})
    scenario = scenarios.find(chosen.scenario)
    parameters = scenarios.check_parameters(scenario, {**chosen.parameters, **parameters})
    names = variants.over_distances(chosen.compare, chosen.rtt, chosen.variants)
    wanted = variants.resolve(names, chosen.variants)
    planned = plan.make(chosen, wanted, scenario, parameters)
    if dry_run:
        _show_plan(planned, provision.stores_of(wanted), as_json=as_json)
        return Exit.FINE
    run.check_scenario(scenario)
    job = run.Job.new(planned, wanted, scenario, out=chosen.out, allow_tmpfs=chosen.allow_tmpfs)
    return _carry_out(job, as_json=as_json)


def resume(folder: Path, *, as_json: bool) -> Exit:
    """Finish an interrupted run with what is installed now."""
    recorded = run.read_for_resuming(folder)
    chosen = config.load({"servers": recorded.plan.servers})
    scenario = scenarios.find(recorded.plan.scenario)
    run.check_scenario(scenario)
    wanted = variants.resolve([variant.name for variant in recorded.variants], chosen.variants)
    job = run.Job.resumed(folder, recorded, wanted, scenario, allow_tmpfs=chosen.allow_tmpfs)
    return _carry_out(job, as_json=as_json)


def report(folder: Path) -> None:
    """Write a run's report and show its table."""
    # Of a run that goes on, run.json may know less than its trials do; the page would show more than the table.
    _show(folder, reports.load(folder).run)


def answer(folder: Path) -> dict[str, Any]:
    """Write a run's report, and return what a program wants to know of the run."""
    return _answer(folder, reports.load(folder).run, Exit.FINE)


def _carry_out(job: run.Job, *, as_json: bool) -> Exit:
    with Progress(Console(stderr=True), trials=plan.count(job.plan), seconds=job.estimate_s()) as progress:
        recorded, code = run.carry_out(job, progress)
    if as_json:
        typer.echo(json.dumps(_answer(job.folder, recorded, code), indent=1))
    else:
        _show(job.folder, recorded)
    return code


def _answer(folder: Path, recorded: Run, exit_code: Exit) -> dict[str, Any]:
    """Draw the report, and return what a program wants to know of the run."""
    return {
        "run": str(folder),
        "status": recorded.status,
        "exit_code": int(exit_code),
        "decision": None if (found := decision_json.document(recorded)) is None else found.model_dump(mode="json"),
        "summaries": [summary.model_dump() for summary in recorded.summaries],
        "report": [str(path) for path in reports.write(folder)],
    }


def _show(folder: Path, recorded: Run) -> None:
    """Show the table, then draw the report and say where its page is."""
    console = Console(highlight=False)
    console.print(terminal.Report(recorded))
    if recorded.status == "interrupted":
        about = "about " if recorded.plan.objective else ""
        _say(
            console,
            f"Interrupted after {len(recorded.trials)} of {about}{plan.count(recorded.plan)} trials. "
            f"The rest: session-bench run --resume {folder}",
        )
    page, *_ = reports.write(folder)
    _say(console, f"Report: {page}")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def assignments(settings: list[str]) -> tuple[dict[str, str], dict[str, float | int | str]]:
    """Part `--set` into settings and a scenario's parameters."""
    assigned: dict[str, str] = {}
    parameters: dict[str, float | int | str] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--set takes KEY=VALUE, not {text!r}; for example --set blocks=6.")
        (assigned if key in config.Settings.model_fields else parameters)[key] = value
    return assigned, parameters


def _like(recorded: Run) -> dict[str, Any]:
    """Turn a recorded plan back into settings."""
    same = (
        "profile", "scenario", "blocks", "warmup_s", "warmup_most_s", "window_s", "drain_s", "closed_s", "repeats",
        "sessions", "seed", "servers", "client", "processes",
    )  # fmt: skip
    opened = {"closed_users": recorded.plan.closed_users} if recorded.plan.load.kind == "open" else {}
    ladder = {"ladder_blocks": recorded.plan.ladder_blocks} if recorded.plan.ladder_per_s else {}
    return {
        **{name: getattr(recorded.plan, name) for name in same},
        **opened,
        **ladder,
        "ladder": recorded.plan.ladder_per_s,
        "slo": recorded.plan.objective.text if recorded.plan.objective else None,
        "rate": recorded.plan.load.rate_per_s or 0,
        "arrivals": recorded.plan.load.arrivals,
        "users": recorded.plan.load.users,
        "parameters": recorded.plan.parameters,
        "faults": [fault.text for fault in recorded.plan.faults],
        "audit": recorded.plan.audit,
        "counts": recorded.plan.counts,
        "compare": [variant.name for variant in recorded.variants],
    }


def _show_plan(planned: Plan, stores: int, *, as_json: bool) -> None:
    seconds = plan.estimate_s(planned, stores)
    results, data = plan.estimate_disk_bytes(planned, stores)
    if as_json:
        estimates = {"seconds": seconds, "results_bytes": results, "stores_bytes": data}
        typer.echo(json.dumps({"plan": planned.model_dump(), **estimates}, indent=1))
        return
    console = Console(highlight=False)
    for block, names in enumerate(planned.order, 1):
        console.print(f"block {block:2}  {'  '.join(names)}", markup=False, soft_wrap=True)
    console.print(
        f"{', '.join(_parts(planned))}, scenario {planned.scenario}: about {seconds / _MINUTE_S:.1f} minutes, "
        f"{_mib(results)} of results, {f'{_mib(data)} of' if data else 'no'} store data meanwhile.",
        markup=False,
    )


def _mib(size: int) -> str:
    return f"about {size / _MIB:.0f} MiB" if size >= _MIB else "less than 1 MiB"


def _parts(planned: Plan) -> list[str]:
    """Say what a run is made of."""
    load = planned.load
    warmup = f"{planned.warmup_s:g}"
    if planned.warmup_most_s > planned.warmup_s:
        warmup += f" to {planned.warmup_most_s:g}"
    trials = f"{sum(map(len, planned.order))} trials of {warmup} s warm-up and {planned.window_s:g} s window"
    if load.kind == "closed":
        return [trials, f"closed load of {load.users} users"]
    rate = "a rate that a probe chooses" if load.rate_per_s is None else f"{load.rate_per_s:g} arrivals/s"
    parts = [trials, f"open load at {rate}, at most {load.users} in flight"]
    if planned.closed_s:
        parts.append(f"then {planned.closed_s:g} s of {planned.closed_users} closed loops")
    if planned.ladder_per_s:
        rungs = ", ".join(f"{rate:g}" for rate in planned.ladder_per_s)
        parts.append(f"a ladder of {rungs} arrivals/s")
    if planned.faults:
        parts.append(f"then {', '.join(fault.text for fault in planned.faults)} on every store")
    if planned.objective:
        parts.append(f"a search for the capacity at {planned.objective.text}")
    return parts
