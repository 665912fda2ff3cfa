"""The one command line: every verb's options, and errors as one paragraph with their exit code."""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from harness.errors import BenchError, Exit, UsageError
from reports.files import RunUnreadable

if TYPE_CHECKING:
    from types import FrameType

app = typer.Typer(
    help="Measure session backends for FastAPI on your own machine, with the uncertainty printed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of tables.")]


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"session-bench {importlib.metadata.version('session-bench')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    if debug:
        os.environ["SESSION_BENCH_DEBUG"] = "1"


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Show backends, scenarios and servers, and whether each can run here; if not, why and what to install."""
    from harness import listing  # noqa: PLC0415 - each verb loads what it needs

    found = listing.collect()
    if as_json:
        _print_json(found)
    else:
        listing.show(found, Console())


@app.command()
def run(  # noqa: PLR0917 - a verb's options
    variants: Annotated[
        list[str] | None,
        typer.Argument(metavar="VARIANT", help="Such as redis or postgres:pool=50; none: those of `compare`."),
    ] = None,
    scenario: Annotated[
        str | None, typer.Option(metavar="S", help="A scenario's name, or a locustfile's path.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="P", help="quick, standard, thorough, or one of your own.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="R", help="Open load of so many arrivals a second; `probe` chooses one.")
    ] = None,
    users: Annotated[
        int | None,
        typer.Option(metavar="N", help="With --rate the most in flight; alone, closed load of so many users."),
    ] = None,
    ladder: Annotated[
        str | None, typer.Option(metavar="R,R,…", help="Measure latency at so many arrivals a second too.")
    ] = None,
    slo: Annotated[
        str | None,
        typer.Option(
            metavar="LIMITS", help="Search each variant's capacity under limits such as 'p99<20ms,errors<0.1%'."
        ),
    ] = None,
    rtt: Annotated[
        str | None,
        typer.Option(metavar="MS,MS,…", help="Lengthen round trips between app and store by so many ms, each in turn."),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND@T+D", help="freeze, kill, restart-empty or slow the store at T s for D s."),
    ] = None,
    audit: Annotated[
        bool | None, typer.Option("--audit/--no-audit", help="Make the quick checks of `audit` first, or do without.")
    ] = None,
    counts: Annotated[
        bool | None,
        typer.Option("--counts/--no-counts", help="Count exactly what each step takes first, or do without."),
    ] = None,
    servers: Annotated[
        str | None, typer.Option(metavar="PLACE", help="Where servers come from: auto, wheel, docker or url.")
    ] = None,
    client: Annotated[
        str | None, typer.Option(metavar="C", help="Who sends the requests: lean (ours) or stock (Locust's).")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting or a scenario's parameter."),
    ] = None,
    like: Annotated[Path | None, typer.Option(metavar="RUN", help="Take plan and seed from a recorded run.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for recorded runs.")] = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Finish an interrupted run.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show order, minutes and disk; run nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Run every variant in interleaved blocks, record all of it, and report."""
    from harness import bench  # noqa: PLC0415 - each verb loads what it needs

    flags = {
        "compare": variants or None, "scenario": scenario, "profile": profile, "rate": rate, "users": users,
        "ladder": ladder, "slo": slo, "rtt": rtt, "faults": fault or None, "audit": audit, "counts": counts,
        "servers": servers, "client": client, "out": out and str(out),
    }  # fmt: skip
    given = {name: value for name, value in flags.items() if value is not None}
    if resume is not None:
        if given or settings or like or dry_run:
            raise UsageError("--resume takes everything from the run it resumes; leave the other options out.")
        code = bench.resume(resume, as_json=as_json)
    else:
        code = bench.start(given, settings or [], like=like, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(code)


@app.command()
def audit(  # noqa: PLR0917 - a verb's options
    variants: Annotated[
        list[str] | None, typer.Argument(metavar="VARIANT", help="What is audited; none: those of `compare`.")
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option(metavar="N", help="Only this check, by number or name; may be given several times."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only the checks that go before every run.")] = False,
    servers: Annotated[
        str | None, typer.Option(metavar="PLACE", help="Where servers come from: auto, wheel, docker or url.")
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for recorded runs.")] = None,
    as_json: Json = False,
) -> None:
    """Try from outside what a session backend must get right, each of eighteen properties, with the evidence."""
    from harness.audit import verb  # noqa: PLC0415 - each verb loads what it needs

    asked = verb.Asked(variants=variants or [], checks=check or [], quick=quick)
    given = {name: value for name, value in {"servers": servers, "out": out and str(out)}.items() if value is not None}
    raise typer.Exit(verb.audit(asked, given, settings or [], as_json=as_json))


@app.command()
def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Folders of recorded runs; whichever can be drawn is drawn.")
    ],
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of tables: an object of one run, a list of several.")
    ] = False,
) -> None:
    """Write recorded runs' reports again, from their data alone."""
    from harness import bench  # noqa: PLC0415 - each verb loads what it needs

    answers, code = [], Exit.FINE
    for folder in runs:
        try:
            if as_json:
                answers.append(bench.answer(folder))
            else:
                bench.report(folder)
        except Exception as error:  # noqa: BLE001 - the others are drawn all the same
            code = max(code, _tell(error))
    if as_json and (answers or len(runs) > 1):
        _print_json(answers if len(runs) > 1 else answers[0])
    raise typer.Exit(code)


@app.command()
def regress(  # noqa: PLR0917 - a verb's options
    variants: Annotated[
        list[str] | None, typer.Argument(metavar="VARIANT", help="What is compared; none: those of `compare`.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(metavar="REF", help="The revision that this tree is held against, such as HEAD~1.")
    ] = None,
    base_with: Annotated[
        list[str] | None, typer.Option(metavar="PKG==V", help="A version that only the base gets installed.")
    ] = None,
    base_python: Annotated[str | None, typer.Option(metavar="EXE", help="The interpreter of the base.")] = None,
    against: Annotated[
        str | None, typer.Option(metavar="VARIANT", help="Compare with another variant of this very tree instead.")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option(metavar="S", help="A scenario's name, or a locustfile's path.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="M", help="Measure for no more than so many minutes.")
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="any: a slowdown beyond doubt; delta: one beyond doubt above its tolerance."),
    ] = None,
    update_counts: Annotated[
        bool, typer.Option("--update-counts", help="Write the exact counts into their file, as they are now.")
    ] = False,
    exits: Annotated[
        list[str] | None,
        typer.Option("--exit", metavar="NAME=CODE", help="Another exit code, such as inconclusive=0."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting or a scenario's parameter.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for recorded runs.")] = None,
    as_json: Json = False,
) -> None:
    """Say whether this tree is slower than another revision of it: both built, interleaved, judged; for CI."""
    from harness import regress as verb  # noqa: PLC0415 - each verb loads what it needs

    asked = verb.Asked(
        variants=variants or [],
        base=base,
        base_with=base_with or [],
        base_python=base_python,
        against=against,
        update_counts=update_counts,
        minutes=minutes,
        exits=verb.exit_codes(exits or []),
    )
    flags = {"scenario": scenario, "out": out and str(out), "regress": {"fail_on": fail_on} if fail_on else None}
    given = {name: value for name, value in flags.items() if value is not None}
    raise typer.Exit(verb.regress(asked, given, settings or [], as_json=as_json))


@app.command()
def compare(
    what: Annotated[
        list[str],
        typer.Argument(metavar="RUN_A RUN_B | RUN V1 V2", help="Two recorded runs, or a run and two of its variants."),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the page of two runs goes; without it into RUN_B/report."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Set two variants of a run against each other, with a verdict; or two runs, as advice at best."""
    from harness import compare as verb  # noqa: PLC0415 - each verb loads what it needs

    raise typer.Exit(verb.compare(what, as_json=as_json, out=out))


@app.command()
def history(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of recorded runs, such as results.")],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Where page and tables go; without it into DIR/history.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the trend over recorded runs of the same plan, and where it changed; as advice, never as a gate."""
    from harness import history as verb  # noqa: PLC0415 - each verb loads what it needs

    raise typer.Exit(verb.history(folder, as_json=as_json, out=out))


@app.command()
def selftest(  # noqa: PLR0917 - a verb's options
    variants: Annotated[
        list[str] | None, typer.Argument(metavar="VARIANT", help="What is tried; none: memory, which has no store.")
    ] = None,
    minutes: Annotated[
        float, typer.Option(metavar="M", min=0.1, help="Measure for so many minutes at most, over all variants.")
    ] = 10.0,
    planted: Annotated[
        str, typer.Option(metavar="S,S,…", help="Slowdowns to plant, as shares of the app's CPU.")
    ] = "0.03,0.05,0.10",
    blocks: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="So many blocks of each variant, however long they take.")
    ] = None,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep the blocks in this file.")] = None,
    repeats: Annotated[
        int, typer.Option(metavar="N", min=100, help="How often the blocks are drawn again to count verdicts.")
    ] = 2000,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting or a scenario's parameter.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for recorded runs.")] = None,
    as_json: Json = False,
) -> None:
    """Say what this machine can tell apart: false alarms and power, from equal arms and planted slowdowns."""
    from harness import selftest as verb  # noqa: PLC0415 - each verb loads what it needs

    asked = verb.Asked(
        variants=variants or ["memory"],
        minutes=minutes,
        planted=verb.shares(planted),
        blocks=blocks,
        record=record,
        repeats=repeats,
    )
    raise typer.Exit(verb.selftest(asked, {"out": str(out)} if out else {}, settings or [], as_json=as_json))


@app.command()
def doctor(*, as_json: Json = False) -> None:
    """Say whether this machine is fit to measure: cores, steal, clock, limits, disk, the generator's ceiling."""
    from harness import doctor as checks  # noqa: PLC0415 - each verb loads what it needs

    found = checks.examine()
    if as_json:
        _print_json([check.as_dict() for check in found])
    else:
        checks.show(found, Console())
    raise typer.Exit(Exit.INVALID if any(check.state == "unfit" for check in found) else Exit.FINE)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, default=str))


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - a signal handler's signature
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; the process ends with the verb's exit code."""
    # What Ctrl-C undoes, the other ways of being asked to stop undo too.
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - told as the others are
        sys.exit(_tell(error))


def _tell(error: Exception) -> Exit:
    """Say in a paragraph what went wrong, and return its exit code; with --debug the error goes on."""
    if os.environ.get("SESSION_BENCH_DEBUG"):
        raise error
    if isinstance(error, (BenchError, RunUnreadable)):
        _say(str(error))
        return error.exit if isinstance(error, BenchError) else Exit.USAGE
    _say(
        f"this should not have happened: {type(error).__name__}: {error}. What was recorded is kept. "
        "Run it again with --debug before the verb, and report the traceback."
    )
    return Exit.INVALID


def _say(text: str) -> None:
    Console(stderr=True, highlight=False).print(f"session-bench: {text}", markup=False, soft_wrap=True)
