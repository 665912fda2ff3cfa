"""A recorded run and all that is read from it: a pure function of data.

Importing this package, its format or its arithmetic loads neither pandas nor matplotlib.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.data import Recorded

__all__ = ["load", "write"]


def load(folder: str | Path) -> Recorded:
    """Read a recorded run, finished or not.

    Raises RunUnreadable when there is none, when it is damaged, or when a newer session-bench wrote it.
    """
    from reports import data  # noqa: PLC0415 - whoever only asks for the format needs no tables

    return data.load(Path(folder))


def write(run: str | Path | Recorded) -> list[Path]:
    """Write everything into the run's folder under report/, and return the files, index.html first.

    Raises RunUnreadable when the run or one of its tables cannot be read.
    """
    from reports import charts, csv, files, html, markdown  # noqa: PLC0415 - drawing takes a second to import

    recorded = load(run) if isinstance(run, (str, Path)) else run
    folder = recorded.folder / "report"
    drawn = list(charts.draw(recorded))
    pictures = {f"charts/{chart.name}.{kind}": getattr(chart, kind) for chart in drawn for kind in ("png", "svg")}
    texts = {
        "index.html": html.render(recorded.run, drawn),
        "report.md": markdown.render(recorded.run, [(chart.title, f"charts/{chart.name}.png") for chart in drawn]),
        "variants.csv": csv.variants(recorded.run),
        "trials.csv": csv.trials(recorded.run),
    }
    contents = {name: text.encode() for name, text in texts.items()} | pictures
    for name, content in contents.items():
        files.write_atomically(folder / name, content)
    return [folder / name for name in contents]
