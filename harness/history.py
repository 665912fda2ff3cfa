"""What the verb `history` does: read every recorded run below a folder, show their trends, and write page and tables.

It never is 0, as `compare` of two runs never is: what other days measured is advice, and nothing can be gated on it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console
from rich.text import Text

from harness.errors import Exit, UsageError
from reports.exporters import grids
from reports.files import RunUnreadable, read_run, write_atomically
from reports.judging import history as histories
from reports.judging.history import LeftOut
from reports.listings import history_listing
from reports.words.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reports.format import Run
    from reports.judging.history import History
    from reports.listings.listing import Listing

_OWN: Final = frozenset({"trials", "report", "history"})
"""Folders in which no run lies: those of a run's own, and what this verb writes."""


def history(folder: Path, *, as_json: bool, out: Path | None = None) -> Exit:
    """Show the history of the runs below a folder, write it into `out` or FOLDER/history, and return the exit code.

    A run that cannot be read is named, and the others are shown. Raises UsageError where there is no folder, or no run
    in it that has a history to tell, or where nothing can be written.
    """
    found, left = _read(folder)
    if not found:
        why = f": {left[0].why}" if left else ". Name a folder that holds recorded runs, such as results"
        raise UsageError(f"{folder} holds no recorded run that could be read{why}")
    told = histories.history(str(folder) if folder.name else folder.resolve().name, found, left)
    if not told.runs:
        last = told.left_out[-1]
        raise UsageError(f"No run in {folder} has a history to tell; {last.folder}: {last.why.rstrip('.')}.")
    paths = _write(told, [run for _, run in found], out or folder / "history")
    if as_json:
        answer = {**told.model_dump(mode="json"), "written": [str(path) for path in paths]}
        typer.echo(json.dumps({**answer, "exit_code": int(Exit.INCONCLUSIVE)}, indent=1))
    else:
        show(told, Console(highlight=False))
        Console(highlight=False).print(f"History: {paths[0]}", markup=False, soft_wrap=True)
    return Exit.INCONCLUSIVE


def _read(folder: Path) -> tuple[list[tuple[str, Run]], list[LeftOut]]:
    """Read every run below a folder; the names are relative to it."""
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}. Name one that holds recorded runs, such as results.")
    found, left = [], []
    for place in _folders(folder):
        name = place.relative_to(folder).as_posix() if place != folder else folder.name
        try:
            found.append((name, read_run(place)))
        except RunUnreadable as error:
            left.append(LeftOut(folder=name, why=str(error)))
    return found, left


def _folders(folder: Path) -> Iterator[Path]:
    """Yield the folders that hold a run.json, in the order of their names; a run holds no other run."""
    if (folder / "run.json").exists():
        yield folder
        return
    for inner in sorted(each for each in folder.iterdir() if each.is_dir() and not each.is_symlink()):
        if inner.name not in _OWN and not inner.name.startswith("."):
            yield from _folders(inner)


def _write(told: History, runs: list[Run], folder: Path) -> list[Path]:
    """Write page, charts, CSV and JSON; the page comes first."""
    from reports.exporters import history_csv, history_html  # noqa: PLC0415 - drawing takes a second to import

    run = history_html.latest(runs)
    drawn = history_html.draw(told, run)
    contents = {
        "history.html": history_html.render(told, run, drawn).encode(),
        "history.csv": history_csv.table(told).encode(),
        "history.json": (told.model_dump_json(indent=1) + "\n").encode(),
        **{f"charts/{chart.name}.{kind}": getattr(chart, kind) for chart in drawn for kind in ("png", "svg")},
    }
    try:
        for name, content in contents.items():
            write_atomically(folder / name, content)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}. Name another folder with --out.") from None
    return [folder / name for name in contents]


def show(told: History, console: Console) -> None:
    """Print what a history says."""
    console.print(Text(plain(f"{told.folder}: {'. '.join(history_listing.summary(told))}"), style="dim"))
    console.print()
    console.print(Text("ADVISORY: this is never a gate.", style="bold yellow"))
    console.print(Text(history_listing.ADVICE))
    _table(console, history_listing.trends(told, drawn=True))
    if missing := history_listing.missing(told):
        console.print(grids.listed([("·", each) for each in missing], style="dim"))
    if changes := history_listing.changes(told):
        console.print()
        console.print(Text("Changes", style="bold"))
        console.print(grids.listed([("·", each) for each in changes]))
    console.print()
    console.print(Text(history_listing.how(told), style="dim"))
    for each in (history_listing.parts(told), history_listing.left(told)):
        if each is not None:
            _table(console, each)


def _table(console: Console, listing: Listing) -> None:
    console.print()
    console.print(Text(listing.title, style="bold"))
    console.print(grids.laid(listing, console, console.options))
    if listing.remark:
        console.print(Text(plain(listing.remark), style="dim"))
