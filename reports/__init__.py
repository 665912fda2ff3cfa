"""A recorded run and all that is read from it: a pure function of data.

Importing this package, its format or its arithmetic loads neither pandas nor matplotlib.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.charts.canvas import Chart
    from reports.data import Recorded
    from reports.format import Run

__all__ = ["load", "write"]


def load(folder: str | Path) -> Recorded:
    """Read a recorded run, finished or not.

    Raises RunUnreadable when there is none, when it is damaged, or when a newer session-bench wrote it.
    """
    from reports import data  # noqa: PLC0415 - whoever only asks for the format needs no tables

    return data.load(Path(folder))


def write(run: str | Path | Recorded) -> list[Path]:
    """Write everything into the run's folder under report/, and return the files, index.html first.

    Raises RunUnreadable when the run or one of its tables cannot be read, and ReportUnwritable where there is no room
    or no right to write.
    """
    from reports import files  # noqa: PLC0415 - whoever only asks for the format needs no arithmetic
    from reports.exporters import csv  # noqa: PLC0415 - whoever only asks for the format needs no arithmetic
    from reports.listings import view  # noqa: PLC0415 - whoever only asks for the format needs no arithmetic

    recorded = load(run) if isinstance(run, (str, Path)) else run
    folder = recorded.folder / "report"
    if view.only_audited(recorded.run):
        texts, drawn = _audited(recorded.run) | {"audits.csv": csv.audits(recorded.run)}, []
    else:
        from reports.charts import gallery  # noqa: PLC0415 - drawing takes a second to import

        drawn = list(gallery.draw(recorded))
        texts = (_compared if recorded.run.judgement is None else _judged)(recorded.run, drawn)
        texts |= csv.every(recorded.run)
    pictures = {f"charts/{chart.name}.{kind}": getattr(chart, kind) for chart in drawn for kind in ("png", "svg")}
    contents = {name: text.encode() for name, text in texts.items()} | pictures
    try:
        for name, content in contents.items():
            files.write_atomically(folder / name, content)
    except OSError as error:
        raise files.ReportUnwritable(
            f"{folder} cannot be written: {error.strerror}. The run itself is whole: copy it to where there is room "
            "and report the copy."
        ) from None
    return [folder / name for name in contents]


def _compared(run: Run, drawn: list[Chart]) -> dict[str, str]:
    """Return the files of a run that compares variants."""
    from reports.exporters import decision_json, html, markdown, run_junit  # noqa: PLC0415 - as above

    decided = decision_json.document(run)
    return {
        "index.html": html.render(run, drawn),
        "report.md": markdown.render(run, [(chart.title, f"charts/{chart.name}.png") for chart in drawn]),
        "junit.xml": run_junit.render(run),
    } | ({} if decided is None else {"decision.json": decided.model_dump_json(indent=1) + "\n"})


def _audited(run: Run) -> dict[str, str]:
    """Return the files of a run that is only an audit."""
    from reports.exporters import audit_json, audit_junit, audit_markdown, html  # noqa: PLC0415 - as above

    return {
        "index.html": html.audited(run),
        "audit.md": audit_markdown.render(run),
        "junit.xml": audit_junit.render(run),
        "audit.json": audit_json.render(run),
    }


def _judged(run: Run, drawn: list[Chart]) -> dict[str, str]:
    """Return the files of a regression check."""
    from reports.exporters import html, judged_json, junit, pull_request  # noqa: PLC0415 - as above

    if (judgement := run.judgement) is None:
        return {}
    return {
        "index.html": html.judged(run, judgement, drawn),
        "pull_request.md": pull_request.render(run, judgement),
        "junit.xml": junit.render(run, judgement),
        "judgement.json": judged_json.render(run, judgement),
    }
