"""What the verb `compare` does: two runs, or two variants of one, read and set against each other.

Two variants are judged as base and head of a regression check are, and the exit code says the same: 1 when the second
is slower. It never is 0 for two runs: what another day measured is advice at best.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from harness.config import nearest
from harness.errors import Exit, MeasurementError, UsageError
from reports.exporters import grids, judged
from reports.files import read_run, write_atomically
from reports.judging import between as variants
from reports.judging import compared as runs
from reports.listings import side_by_side
from reports.listings.side_by_side import Side, SideBySide
from reports.words import units
from reports.words.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from reports.format import Run
    from reports.judging.between import Between
    from reports.listings.listing import Listing

_CODES: Final = {
    "PASS": Exit.FINE,
    "REGRESSED": Exit.TESTED_FAILED,
    "INCONCLUSIVE": Exit.INCONCLUSIVE,
    "INVALID": Exit.INVALID,
}
_USAGE: Final = "compare takes two runs (compare RUN_A RUN_B), or a run and two of its variants (compare RUN V1 V2)"
_FILES: Final = ("compare.html", "compare.md", "compare.csv", "compare.json")


def compare(arguments: Sequence[str], *, as_json: bool, out: Path | None = None) -> Exit:
    """Compare what the arguments name, show it, and return the exit code.

    Two runs are written as a page, Markdown, CSV and JSON besides, into `out` or RUN_B/report.

    Raises UsageError for arguments that name nothing to compare, MeasurementError for a run without a trial, and
    RunUnreadable.
    """
    if len(arguments) == 2:  # noqa: PLR2004 - two runs
        return _two_runs(*map(Path, arguments), as_json=as_json, out=out)
    if len(arguments) == 3:  # noqa: PLR2004 - a run and two variants
        if out is not None:
            raise UsageError("--out is for two runs; what is said of two variants of one is in that run's report.")
        folder, base, head = arguments
        return _two_variants(Path(folder), base, head, as_json=as_json)
    raise UsageError(f"{_USAGE}; {units.plural(len(arguments), 'argument')} came.")


def _two_variants(folder: Path, base: str, head: str, *, as_json: bool) -> Exit:
    run = _read(folder)
    known = [variant.name for variant in run.variants]
    for name in (base, head):
        if name not in known:
            hint = f" {_USAGE[0].upper()}{_USAGE[1:]}." if (Path(name) / "run.json").exists() else ""
            raise UsageError(f"{folder} has no variant {name!r}: {nearest(name, known)}.{hint}")
    if base == head:
        raise UsageError(f"{base} is named twice; name two variants of {folder}: {', '.join(known)}.")
    if pairs := _in_pairs(run, base, head):
        raise UsageError(
            f"{base} and {head} were not served side by side in {folder}, but each with its own other half. Name one "
            f"of its pairs: {', '.join(pairs)}."
        )
    answer = variants.between(run, base, head)
    code = _CODES[answer.comparison.state]
    if as_json:
        _print_json(answer, code, run=str(folder), said=variants.told(answer.comparison))
    else:
        _show_verdict(answer, folder, run)
    return code


def _two_runs(first: Path, second: Path, *, as_json: bool, out: Path | None) -> Exit:
    if first.resolve() == second.resolve():
        raise UsageError(f"{first} and {second} are the same run. Two of its variants: compare {first} V1 V2.")
    a = _read(first)
    if not second.exists() and any(variant.name == str(second) for variant in a.variants):
        raise UsageError(f"{second} is a variant of {first}, and against which other one? {_USAGE}.")
    b = _read(second)
    answer = runs.across(a, b)
    if answer.kind == "advisory" and runs.same(a, b):
        raise UsageError(
            f"{first} and {second} hold the same trials: one is a copy of the other. Two of its variants: compare "
            f"{first} V1 V2."
        )
    shown = SideBySide(answer, (Side("A", str(first), a), Side("B", str(second), b)))
    paths, trouble = _written(shown, out or second / "report", asked=out is not None)
    if as_json:
        _print_json(answer, Exit.INCONCLUSIVE, a=str(first), b=str(second), written=[str(path) for path in paths])
    else:
        _show_runs(shown)
        said = trouble or f"Side by side: {paths[0]}"
        Console(highlight=False).print(said, markup=False, soft_wrap=True)
    return Exit.INCONCLUSIVE


def _written(shown: SideBySide, folder: Path, *, asked: bool) -> tuple[list[Path], str]:
    """Write page, Markdown, CSV and JSON, and return their paths, and what was in the way.

    Raises UsageError where a folder that was asked for cannot be written; of one that was not, it is only told.
    """
    from reports.exporters import side_by_side_csv, side_by_side_html  # noqa: PLC0415 - a table in the terminal need not wait for it

    texts = (
        side_by_side_html.render(shown),
        side_by_side_html.markdown(shown),
        side_by_side_csv.table(shown),
        shown.answer.model_dump_json(indent=1) + "\n",
    )
    paths = [folder / name for name in _FILES]
    try:
        for path, text in zip(paths, texts, strict=True):
            write_atomically(path, text.encode())
    except OSError as error:
        trouble = f"{folder} cannot be written: {error.strerror}. Name another folder with --out."
        if asked:
            raise UsageError(trouble) from None
        return [], trouble
    return paths, ""


def _read(folder: Path) -> Run:
    run = read_run(folder)
    if not run.trials:
        raise MeasurementError(
            f"{folder} holds no finished trial, so there is nothing to compare. Finish it with "
            f"session-bench run --resume {folder}, or name another run."
        )
    return run


def _in_pairs(run: Run, base: str, head: str) -> list[str]:
    """Return the pairs that a run measured instead, where the two were not measured in a way that compares them."""
    served = [[arm.variant for arm in trial.arms] for trial in run.trials if trial.purpose == "pair"]
    alone = {arm.variant for trial in run.trials if trial.purpose == "latency" for arm in trial.arms}
    if not served or {base, head} <= alone or any({base, head} <= {*names} for names in served):
        return []
    return list(dict.fromkeys(map(" ".join, served)))


def _print_json(answer: BaseModel, code: Exit, **beside: Any) -> None:
    typer.echo(json.dumps({**beside, **answer.model_dump(mode="json"), "exit_code": int(code)}, indent=1))


def _show_verdict(answer: Between, folder: Path, run: Run) -> None:
    console = Console(highlight=False)
    comparison = answer.comparison
    _line(console, f"{folder}, {_moment(run)}: {comparison.head} against {comparison.base}", "dim")
    if answer.recorded:
        _line(console, "As the run's own regression check judged it.", "dim")
    said = variants.told(comparison)
    timed = variants.concluded(comparison)
    first, *rest = said if timed else [*(f"{reason}." for reason in comparison.reasons), *said]
    console.print()
    console.print(Text.assemble((comparison.state, judged.STYLES[comparison.state]), f": {plain(first)}"))
    for sentence in rest:
        _line(console, sentence)
    if timed:
        console.print(judged.comparison_table([comparison], advisory=None))
    _list(console, answer.notes, style="dim")


def _show_runs(shown: SideBySide) -> None:
    console = Console(highlight=False)
    for side in shown.sides:
        _line(console, side.line, "dim")
    console.print()
    if shown.answer.kind == "refused":
        _line(console, shown.head, "bold magenta")
        _list(console, shown.reasons)
    else:
        _line(console, shown.head, "bold yellow")
        _line(console, side_by_side.NO_GATE)
    for each in (*shown.parting(), shown.found()):
        _table(console, each.title, each)
    _list(console, shown.answer.notes, style="dim")


def _moment(run: Run) -> str:
    began = run.started_at[:16].replace("T", " ")
    return f"{began}, {units.plural(run.plan.blocks, 'block')}"


def _table(console: Console, title: str, listing: Listing) -> None:
    if not listing.rows:
        return
    console.print()
    _line(console, title, "bold")
    console.print(grids.laid(listing, console, console.options))
    if listing.remark:
        _line(console, listing.remark, "dim")


def _list(console: Console, texts: Sequence[str], style: str = "") -> None:
    if texts:
        console.print()
        console.print(grids.listed([("·", text) for text in texts], style=style))


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(plain(text), style=style))
