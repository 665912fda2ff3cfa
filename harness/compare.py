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
from reports import between as variants
from reports import compared as runs
from reports import grids, judged, sentences, units
from reports.files import read_run
from reports.listings import Head, Listing
from reports.text import plain
from reports.units import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel

    from reports.between import Between
    from reports.compared import Across
    from reports.fingerprint import Difference
    from reports.format import Run, Spread

_CODES: Final = {
    "PASS": Exit.FINE,
    "REGRESSED": Exit.TESTED_FAILED,
    "INCONCLUSIVE": Exit.INCONCLUSIVE,
    "INVALID": Exit.INVALID,
}
_USAGE: Final = "compare takes two runs (compare RUN_A RUN_B), or a run and two of its variants (compare RUN V1 V2)"
_NO_GATE: Final = (
    "Two runs are of two days: each variant is seen against what keeps nothing in the same block, which takes most of "
    "the day out of it, but not all. There is no interval, since the blocks of one run say nothing of how days differ. "
    "A verdict takes both in one run: session-bench run for variants, session-bench regress for revisions."
)


def compare(arguments: Sequence[str], *, as_json: bool) -> Exit:
    """Compare what the arguments name, show it, and return the exit code.

    Raises UsageError for arguments that name nothing to compare, MeasurementError for a run without a trial, and
    RunUnreadable.
    """
    if len(arguments) == 2:  # noqa: PLR2004 - two runs
        return _two_runs(*map(Path, arguments), as_json=as_json)
    if len(arguments) == 3:  # noqa: PLR2004 - a run and two variants
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


def _two_runs(first: Path, second: Path, *, as_json: bool) -> Exit:
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
    if as_json:
        _print_json(answer, Exit.INCONCLUSIVE, a=str(first), b=str(second))
    else:
        _show_runs(answer, (first, a), (second, b))
    return Exit.INCONCLUSIVE


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


def _show_runs(answer: Across, first: tuple[Path, Run], second: tuple[Path, Run]) -> None:
    console = Console(highlight=False)
    for side, (folder, run) in (("A", first), ("B", second)):
        _line(console, f"{side}  {folder}, {_moment(run)}", "dim")
    console.print()
    if answer.kind == "refused":
        _line(console, "REFUSED: no difference is computed.", "bold magenta")
        _list(console, answer.reasons)
        _table(console, "What forbids it", _facts(answer.differences))
        _table(console, "Both as they were measured", _side_by_side(answer))
    else:
        _line(console, "ADVISORY: this is never a gate.", "bold yellow")
        _line(console, _NO_GATE)
        _table(console, f"In multiples of {answer.baseline} in the same block", _changes(answer))
    _table(console, "What differs besides, and does not forbid it", _facts(answer.beside))
    _list(console, answer.notes, style="dim")


def _facts(differences: Sequence[Difference]) -> Listing:
    heads = [Head("what", words=True), Head("A", words=True), Head("B", words=True)]
    return Listing("facts", "", heads, [[each.what, each.a, each.b] for each in differences])


def _side_by_side(answer: Across) -> Listing:
    heads = [Head("variant", words=True), Head("metric", words=True), Head("A"), Head("B")]
    rows = []
    for row in answer.rows:
        told = sentences.measure(row.metric)
        cells = [MISSING if each is None else _range(each, told.write) for each in (row.a, row.b)]
        rows.append([row.variant, f"{told.name} {told.unit}", *cells])
    return Listing("both", "", heads, rows, "Medians of the blocks, with the smallest and the largest.")


def _changes(answer: Across) -> Listing:
    heads = [Head("variant", words=True), Head("metric", words=True), Head("A"), Head("B"), Head("change", "%")]
    rows = []
    for row in answer.rows:
        cells = [MISSING if each is None else _range(each, units.significant) for each in (row.a_over, row.b_over)]
        change = MISSING if row.change is None else units.change(row.change)
        rows.append([row.variant, sentences.measure(row.metric).name, *cells, change])
    return Listing("changes", "", heads, rows, "Medians of the blocks, with the smallest and the largest.")


def _range(spread: Spread, write: Callable[[float], str]) -> str:
    if spread.trials == 1:
        return write(spread.median)
    return f"{write(spread.median)} ({write(spread.min)}–{write(spread.max)})"  # noqa: RUF001 - a range


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
